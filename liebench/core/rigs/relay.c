/* net-relay: a wire of known delay and rate between two links, in user space, for kernels without
 * netem.
 *
 * Frames are taken from either link (packet(7), PACKET_IGNORE_OUTGOING), stamped with when they are
 * due, and sent out at the other end then: one queue per direction, in order. It sleeps until
 * shortly before the next one is due and spins the rest, and says how late it was itself. Needs no
 * privilege but that of its network namespace.
 */
#include "netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME = 2048, LATE = 1 << 16, BATCH = 32, BUFFER = 16 << 20 };

struct frame {
    int64_t due;
    ssize_t length;
    unsigned char bytes[FRAME];
};

struct wire { /* one direction */
    int from, to;
    struct frame *frames;
    uint64_t head, tail;
    int64_t free_at; /* when the last frame has left a sender of this rate */
};

struct relay {
    struct wire wires[2];
    uint64_t queue;
    int64_t delay, spin;
    double ns_per_byte;
    int64_t frames, dropped;
    double *late; /* us, of the latest LATE frames */
};

static int tap(const char *name)
{
    struct ifreq request = {0};
    int one = 1, room = BUFFER,
        fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    if (!name || strlen(name) >= sizeof request.ifr_name)
        lb_usage("net-relay needs left=LINK right=LINK");
    memcpy(request.ifr_name, name, strlen(name));
    if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &request))
        lb_fail("cannot listen on %s: %s", name, strerror(errno));
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = request.ifr_ifindex};
    if (bind(fd, (struct sockaddr *)&at, sizeof at) ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one))
        lb_fail("cannot listen on %s: %s", name, strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    return fd;
}

static void send_due(struct relay *relay, struct wire *wire)
{
    for (; wire->head != wire->tail; wire->head++) {
        struct frame *frame = &wire->frames[wire->head % relay->queue];
        int64_t now = lb_now();
        if (frame->due > now)
            return;
        if (write(wire->to, frame->bytes, (size_t)frame->length) < 0 && errno == EAGAIN)
            return;
        relay->late[relay->frames++ % LATE] = (double)(now - frame->due) / 1e3;
    }
}

static bool take(struct relay *relay, struct wire *wire)
{
    static unsigned char spilt[FRAME];
    int got = 0;
    for (; got < BATCH; got++) {
        bool full = wire->tail - wire->head >= relay->queue;
        struct frame *frame = &wire->frames[wire->tail % relay->queue];
        ssize_t length = read(wire->from, full ? spilt : frame->bytes, FRAME);
        if (length <= 0)
            break;
        if (full) {
            relay->dropped++;
            continue;
        }
        int64_t now = lb_now();
        wire->free_at = (wire->free_at > now ? wire->free_at : now) +
                        (int64_t)(relay->ns_per_byte * (double)length);
        frame->length = length, frame->due = wire->free_at + relay->delay;
        wire->tail++;
    }
    return got > 0;
}

static int64_t next_due(const struct relay *relay)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < 2; i++) {
        const struct wire *wire = &relay->wires[i];
        if (wire->head != wire->tail && wire->frames[wire->head % relay->queue].due < next)
            next = wire->frames[wire->head % relay->queue].due;
    }
    return next;
}

static int answer(struct relay *relay)
{
    size_t n = relay->frames < LATE ? (size_t)relay->frames : LATE;
    lb_sort(relay->late, n);
    printf("{\"frames\":%lld,\"dropped\":%lld,\"late_p50_us\":", (long long)relay->frames,
           (long long)relay->dropped);
    lb_put_num(n ? relay->late[n / 2] : 0, 6);
    fputs(",\"late_p99_us\":", stdout);
    lb_put_num(n ? relay->late[n * 99 / 100] : 0, 6);
    puts("}");
    relay->frames = relay->dropped = 0;
    return lb_flush();
}

static int serve(const struct lb_run *run, struct relay *relay)
{
    struct pollfd ears[] = {
        {0, POLLIN, 0}, {relay->wires[0].from, POLLIN, 0}, {relay->wires[1].from, POLLIN, 0}};
    lb_watchdog(0);
    for (;;) {
        for (int i = 0; i < 2; i++)
            send_due(relay, &relay->wires[i]);
        bool left = take(relay, &relay->wires[0]), right = take(relay, &relay->wires[1]);
        if (left || right)
            continue;
        int64_t next = next_due(relay),
                wait = next == INT64_MAX ? 1000000000 : next - lb_now() - relay->spin;
        if (wait <= 0)
            continue;
        struct timespec pause = {wait / 1000000000, wait % 1000000000};
        ppoll(ears, 3, &pause, NULL);
        if (!ears[0].revents)
            continue;
        for (int asked = lb_asked(run); asked; asked--)
            if (asked < 0 || answer(relay) != LB_OK)
                return asked < 0 ? LB_OK : LB_FAILED;
    }
}

static int run(struct lb_run *run)
{
    static struct relay relay;
    double mbit = lb_num(run, "rate_mbit");
    lb_net_user(lb_text(run, "user"));
    lb_net_enter(lb_text(run, "near"));
    int left = tap(lb_text(run, "left")), right = tap(lb_text(run, "right"));
    relay.queue = (uint64_t)lb_int(run, "queue");
    relay.delay = lb_int(run, "delay_us") * 1000, relay.spin = lb_int(run, "spin_us") * 1000;
    relay.ns_per_byte = mbit > 0 ? 8e3 / mbit : 0;
    relay.late = lb_room(LATE, sizeof *relay.late);
    for (int i = 0; i < 2; i++) {
        relay.wires[i] = (struct wire){.from = i ? right : left, .to = i ? left : right};
        relay.wires[i].frames = calloc(relay.queue, sizeof(struct frame));
        if (!relay.wires[i].frames)
            lb_fail("no memory for %lld frames", (long long)relay.queue);
    }
    prctl(PR_SET_TIMERSLACK, 1);
    return serve(run, &relay);
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"left", 's', 0, 0, 0, NULL},
    {"right", 's', 0, 0, 0, NULL},
    {"delay_us", 'i', 0, 1e6, 0, NULL}, /* one way */
    {"rate_mbit", 'f', 0, 1e6, 0, NULL}, /* each way; 0: as fast as it goes */
    {"queue", 'i', 1, 1 << 16, 8192, NULL}, /* frames each way, in flight and waiting */
    {"spin_us", 'i', 0, 10000, 100, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_RELAY = {
    .name = "net-relay",
    .summary = "co-process: a wire of known delay and rate between two links",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(NET_RELAY);
