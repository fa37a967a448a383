/* net-trip: round trips of small messages over TCP between two ends, on one processor or on two.
 *
 * On one processor a trip is the path's own cost: every packet is handled by who sends it. On two,
 * the other end has to be woken as well, out of a halt where its processor has nothing else to do.
 */
#include "lb.h"
#include "rigs/tcp.h"

#include <math.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WARM = 50, MOST = 1 << 16 };

struct far {
    int fd;
    int64_t cpu, bytes;
};

static void *echo(void *state)
{
    static char room[MOST];
    const struct far *far = state;
    if (far->cpu >= 0)
        lb_pin(far->cpu);
    for (;;) {
        size_t got = 0;
        while (got < (size_t)far->bytes) {
            ssize_t part = recv(far->fd, room + got, (size_t)far->bytes - got, 0);
            if (part <= 0)
                return NULL;
            got += (size_t)part;
        }
        lb_send(far->fd, room, (size_t)far->bytes);
    }
}

static void trips(int fd, int64_t bytes, int64_t times)
{
    static char room[MOST];
    for (int64_t i = 0; i < times; i++) {
        lb_send(fd, room, (size_t)bytes);
        lb_receive(fd, room, (size_t)bytes);
    }
}

static int run(struct lb_run *run)
{
    struct lb_tcp ends;
    pthread_t thread;
    int64_t each = lb_int(run, "each"), extra = llround(lb_num(run, "plant_extra") * (double)each);
    lb_net_user(lb_text(run, "user"));
    struct lb_tcp_wish wish = lb_tcp_wish(run);
    lb_tcp_connect(&wish, &ends, 1);
    struct far far = {ends.far, lb_int(run, "far_cpu"), lb_int(run, "bytes")};
    if (pthread_create(&thread, NULL, echo, &far))
        lb_fail("cannot start a thread");
    double *us = lb_series(run, "us");
    trips(ends.near, far.bytes, WARM);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t from = lb_now();
        run->offsets[i] = from - run->start_ns;
        trips(ends.near, far.bytes, each + extra);
        us[i] = (double)(lb_now() - from) / 1e3 / (double)each;
        lb_place(run);
    }
    lb_end(run);
    shutdown(ends.near, SHUT_RDWR);
    pthread_join(thread, NULL);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    /* of the other end; -1: wherever the kernel puts it */
    {"far_cpu", 'i', -1, LB_MAX_CPU, -1, NULL},
    {"bytes", 'i', 1, MOST, 64, NULL},
    {"each", 'i', 1, 1000, 10, NULL}, /* trips a sample */
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_TRIP = {
    .name = "net-trip",
    .summary = "round trips of small messages between two ends",
    .run = run,
    .ops = 1,
    .samples = 60,
    .keys = KEYS,
};
LB_KERNEL(NET_TRIP);
