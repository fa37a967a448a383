/* net-victim: how long fixed work takes on a processor that has packets to take meanwhile.
 *
 * A thread on another processor sends so many packets a second, a few every millisecond, and
 * empties the receiver's socket in between; the far namespace steers them to the processor of the
 * work (scaling.rst, RPS), which takes them in its softirq. The work itself is a chain of dependent
 * operations that knows nothing of it.
 */
#include "lb.h"
#include "rigs/tcp.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, BYTES = 64, BEAT_NS = 1000000 };
static const double WORK_NS = 5e6; /* of one sample, undisturbed */

struct sender {
    int near, far;
    int64_t cpu;
    double rate;
    atomic_int leave;
    int64_t sent;
};

static void drain(int fd)
{
    static char sink[1 << 12];
    while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        ;
}

static void burst(struct sender *s, int64_t count)
{
    static char noise[BYTES];
    struct iovec part = {noise, BYTES};
    struct mmsghdr messages[BATCH] = {0};
    for (int i = 0; i < BATCH; i++)
        messages[i].msg_hdr.msg_iov = &part, messages[i].msg_hdr.msg_iovlen = 1;
    while (count > 0) {
        int put = sendmmsg(s->near, messages, (unsigned)(count < BATCH ? count : BATCH), 0);
        if (put <= 0)
            return;
        count -= put, s->sent += put;
    }
}

static void *send_packets(void *state)
{
    struct sender *s = state;
    lb_pin(s->cpu);
    int64_t start = lb_now();
    while (!atomic_load_explicit(&s->leave, memory_order_relaxed)) {
        burst(s, (int64_t)(s->rate * (double)(lb_now() - start) / 1e9) - s->sent);
        drain(s->far);
        for (int64_t until = lb_now() + BEAT_NS; lb_now() < until;)
            lb_relax();
    }
    return NULL;
}

static int datagrams(const char *space)
{
    lb_net_enter(space);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        lb_fail("cannot open a socket: %s", strerror(errno));
    return fd;
}

static int run(struct lb_run *run)
{
    lb_net_user(lb_text(run, "user"));
    struct sender sender = {.cpu = lb_int(run, "far_cpu"), .rate = lb_num(run, "rate")};
    sender.far = datagrams(lb_text(run, "far")), sender.near = datagrams(lb_text(run, "near"));
    struct sockaddr_in at = lb_address(lb_text(run, "to"), lb_int(run, "port"));
    socklen_t length = sizeof at;
    if (bind(sender.far, (struct sockaddr *)&at, sizeof at) ||
        getsockname(sender.far, (struct sockaddr *)&at, &length) ||
        connect(sender.near, (struct sockaddr *)&at, sizeof at))
        lb_fail("cannot reach %s: %s", lb_text(run, "to"), strerror(errno));
    pthread_t thread;
    if (pthread_create(&thread, NULL, send_packets, &sender))
        lb_fail("cannot start a thread");
    double *us = lb_series(run, "us");
    uint64_t links = (uint64_t)lb_int(run, "links");
    if (!links)
        links = (uint64_t)(WORK_NS / lb_chain_ns());
    lb_chain(links / 4);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t from = lb_now();
        run->offsets[i] = from - run->start_ns;
        lb_chain(links + (uint64_t)llround((double)links * lb_num(run, "plant_extra")));
        us[i] = (double)(lb_now() - from) / 1e3;
        lb_place(run);
    }
    lb_end(run);
    atomic_store(&sender.leave, 1);
    pthread_join(thread, NULL);
    lb_fact_num(run, "links", (double)links);
    lb_fact_num(run, "sent", (double)sender.sent);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"far_cpu", 'i', 0, LB_MAX_CPU, 0, NULL}, /* of the sender */
    {"rate", 'f', 0, 1e7, 0, NULL}, /* packets a second */
    /* of the chain, a sample; 0: some 5 ms of them, measured now */
    {"links", 'i', 0, 1e12, 0, NULL},
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_VICTIM = {
    .name = "net-victim",
    .summary = "fixed work on a processor that takes packets meanwhile",
    .run = run,
    .ops = 1,
    .samples = 4,
    .keys = KEYS,
};
LB_KERNEL(NET_VICTIM);
