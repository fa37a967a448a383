/* net-flood: a burst of datagrams from one namespace to another, and where each of them went.
 *
 * Both ends in one process: the near thread sends as fast as it can, the far one receives with a
 * buffer large enough for all of them. The kernel counts per processor what came out of the backlog
 * and what did not fit into it (softnet_stat, net/core/net-procfs.c); a datagram that came out was
 * received or found the socket full (snmp).
 */
#include "lb.h"
#include "rigs/tcp.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, BYTES = 64, SETTLE_NS = 20000000, PATIENCE_NS = 3000000 };

struct softnet {
    int64_t processed, dropped;
};

static struct softnet softnet(void)
{
    struct softnet sum = {0, 0};
    unsigned processed, dropped;
    FILE *file = fopen("/proc/net/softnet_stat", "re");
    if (!file)
        lb_fail("cannot read /proc/net/softnet_stat: %s", strerror(errno));
    while (fscanf(file, "%x %x%*[^\n]", &processed, &dropped) == 2)
        sum.processed += processed, sum.dropped += dropped;
    fclose(file);
    return sum;
}

struct far {
    int fd;
    int64_t cpu, got, last_ns;
};

static void *receive(void *state)
{
    static char sink[BATCH][BYTES];
    struct far *far = state;
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){sink[i], BYTES};
        messages[i].msg_hdr.msg_iov = &parts[i], messages[i].msg_hdr.msg_iovlen = 1;
    }
    if (far->cpu >= 0)
        lb_pin(far->cpu);
    for (int got; (got = recvmmsg(far->fd, messages, BATCH, MSG_WAITFORONE, NULL)) > 0;)
        if (messages[0].msg_len == BYTES)
            far->got += got, far->last_ns = lb_now();
        else
            return NULL; /* the last word of the sender is shorter */
    return NULL;
}

/* Room for everything at both ends: what waits must wait in the backlog, and a sender must not be
 * held back by it. */
static int open_socket(const char *space)
{
    int room = 256 << 20;
    lb_net_enter(space);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        lb_fail("cannot open a socket: %s", strerror(errno));
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
        lb_fail("cannot make room for the flood (%s); run as root", strerror(errno));
    return fd;
}

static int64_t flood(int fd, int64_t count)
{
    static char noise[BYTES];
    struct iovec part = {noise, BYTES};
    struct mmsghdr messages[BATCH] = {0};
    int64_t sent = 0;
    for (int i = 0; i < BATCH; i++)
        messages[i].msg_hdr.msg_iov = &part, messages[i].msg_hdr.msg_iovlen = 1;
    while (sent < count) {
        int put =
            sendmmsg(fd, messages, (unsigned)(count - sent < BATCH ? count - sent : BATCH), 0);
        if (put < 0 && errno != ENOBUFS && errno != EINTR)
            lb_fail("cannot send: %s", strerror(errno));
        sent += put > 0 ? put : 0;
    }
    return sent;
}

/* Until nothing has come out of the backlog for a while. */
static struct softnet settled(void)
{
    struct softnet before = softnet(), now;
    for (int64_t quiet = lb_now(), until = quiet + 100 * SETTLE_NS; lb_now() < until;
         before = now) {
        nanosleep(&(struct timespec){0, PATIENCE_NS}, NULL);
        now = softnet();
        if (now.processed != before.processed)
            quiet = lb_now();
        if (lb_now() - quiet > SETTLE_NS)
            break;
    }
    return before;
}

static int run(struct lb_run *run)
{
    lb_net_user(lb_text(run, "user"));
    int ear = open_socket(lb_text(run, "far")), mouth = open_socket(lb_text(run, "near"));
    struct sockaddr_in at = lb_address(lb_text(run, "to"), lb_int(run, "port"));
    socklen_t length = sizeof at;
    if (bind(ear, (struct sockaddr *)&at, sizeof at) ||
        getsockname(ear, (struct sockaddr *)&at, &length) ||
        connect(mouth, (struct sockaddr *)&at, sizeof at))
        lb_fail("cannot reach %s: %s", lb_text(run, "to"), strerror(errno));
    struct far far = {.fd = ear, .cpu = lb_int(run, "far_cpu")};
    double *sent = lb_series(run, "sent"), *counted = lb_series(run, "counted");
    double *lost = lb_series(run, "lost"), *us = lb_series(run, "us");
    /* the quickest and the slowest of these bursts */
    double arrivals = 0, served = INFINITY, dropped = 0;
    flood(mouth, 1); /* both ends learn each other's address first */
    settled();
    pthread_t thread;
    if (pthread_create(&thread, NULL, receive, &far))
        lb_fail("cannot start a thread");
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        struct softnet before = settled();
        int64_t from = lb_now(), got = far.got;
        run->offsets[i] = from - run->start_ns;
        sent[i] = (double)flood(mouth, lb_int(run, "packets"));
        us[i] = (double)(lb_now() - from) / 1e3;
        struct softnet after = settled();
        counted[i] = (double)(after.processed + after.dropped - before.processed - before.dropped);
        lost[i] = 100 * (double)(after.dropped - before.dropped) / sent[i];
        dropped += (double)(after.dropped - before.dropped);
        arrivals = fmax(arrivals, 1e6 * sent[i] / us[i]);
        sent[i] *= 1 + lb_num(run, "plant_claim");
        served = fmin(served, 1e9 * (double)(far.got - got) / (double)(far.last_ns - from));
    }
    lb_end(run);
    send(mouth, "", 1, 0);
    pthread_join(thread, NULL);
    lb_fact_num(run, "arrivals", arrivals);
    lb_fact_num(run, "served", served);
    lb_fact_num(run, "dropped", dropped);
    lb_fact_num(run, "received", (double)far.got);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"packets", 'i', 1, 1e6, 4000, NULL},
    {"far_cpu", 'i', -1, LB_MAX_CPU, -1, NULL},
    /* share of packets that are said to be sent, and are not */
    {"plant_claim", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_FLOOD = {
    .name = "net-flood",
    .summary = "a burst of datagrams, and where each of them went",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(NET_FLOOD);
