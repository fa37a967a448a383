/* tcp-bulk: what a connection delivers over windows of time, and what its windows let expect.
 *
 * One thread sends without end; this one receives, and counts. No more than a window can be under
 * way in a round trip, so that window / round trip is the most there is (RFC 9293): the receiver's
 * is told by TCP_INFO, the sender's is its buffer. Beside it stand the kernel's own words on what
 * held the connection back (busy, rwnd_limited, sndbuf_limited of TCP_INFO). What a window lets
 * through comes in bunches, the same in every round trip: it is counted over whole round trips, or
 * the phase of the last bunch would be part of it.
 */
#include "lb.h"
#include "rigs/tcp.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PART = 1 << 16, CATCH_UP_NS = 1000000 };

static void *pour(void *state)
{
    static char noise[PART];
    int fd = *(int *)state;
    while (send(fd, noise, sizeof noise, MSG_NOSIGNAL) > 0)
        ;
    return NULL;
}

static int64_t drain(int fd, int64_t until)
{
    static char sink[1 << 18];
    int64_t got = 0;
    ssize_t part;
    while (lb_now() < until && (part = recv(fd, sink, sizeof sink, 0)) > 0)
        got += part;
    return got;
}

static void largest(const char *space, const char *key, int64_t bytes)
{
    lb_net_enter(space);
    if (bytes)
        lb_net_set(key, bytes);
}

static int run(struct lb_run *run)
{
    struct lb_tcp ends;
    pthread_t thread;
    int64_t window = lb_int(run, "window_ms") * 1000000;
    lb_net_user(lb_text(run, "user"));
    struct lb_tcp_wish wish = lb_tcp_wish(run);
    wish.congestion = lb_text(run, "congestion");
    wish.far_room = (int)lb_int(run, "far_room"), wish.near_room = (int)lb_int(run, "near_room");
    largest(wish.far, "net/ipv4/tcp_rmem", lb_int(run, "rmem"));
    largest(wish.near, "net/ipv4/tcp_wmem", lb_int(run, "wmem"));
    lb_tcp_connect(&wish, &ends, 1);
    double *mbit = lb_series(run, "mbit"), *said = lb_series(run, "said");
    double share = 1 - lb_num(run, "plant_less");
    int room = 0;
    socklen_t length = sizeof room;
    getsockopt(ends.near, SOL_SOCKET, SO_SNDBUF, &room, &length);
    if (pthread_create(&thread, NULL, pour, &ends.near))
        lb_fail("cannot start a thread");
    drain(ends.far, lb_now() + lb_int(run, "warm_ms") * 1000000);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        /* what arrived while nobody looked belongs to no window */
        drain(ends.far, lb_now() + CATCH_UP_NS);
        int64_t from = lb_now(), trip = 1000 * (int64_t)lb_tcp_info(ends.near).tcpi_rtt;
        int64_t until = from + trip * (window / trip > 1 ? window / trip : 1);
        run->offsets[i] = from - run->start_ns;
        int64_t got = drain(ends.far, until), took = lb_now() - from;
        struct tcp_info now = lb_tcp_info(ends.near);
        double most = wish.near_room ? (double)room : (double)now.tcpi_snd_wnd;
        mbit[i] = share * 8e3 * (double)got / (double)took;
        said[i] = 8 * most / now.tcpi_rtt;
        lb_place(run);
    }
    lb_end(run);
    struct tcp_info now = lb_tcp_info(ends.near);
    double busy = (double)now.tcpi_busy_time;
    lb_fact_num(run, "trip_us", now.tcpi_min_rtt);
    lb_fact_num(run, "window_bytes", now.tcpi_snd_wnd);
    lb_fact_num(run, "send_buffer", room);
    lb_fact_num(run, "segments", now.tcpi_snd_cwnd);
    lb_fact_num(run, "retransmits", now.tcpi_total_retrans);
    lb_fact_num(run, "rwnd_limited", busy > 0 ? (double)now.tcpi_rwnd_limited / busy : 0);
    lb_fact_num(run, "sndbuf_limited", busy > 0 ? (double)now.tcpi_sndbuf_limited / busy : 0);
    shutdown(ends.near, SHUT_RDWR);
    pthread_join(thread, NULL);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"congestion", 's', 0, 0, 0, NULL},
    {"far_room", 'i', 0, 1 << 30, 0, NULL}, /* SO_RCVBUF and SO_SNDBUF; 0: autotuning */
    {"near_room", 'i', 0, 1 << 30, 0, NULL},
    /* the largest of tcp_rmem at the far end, of tcp_wmem at the near one */
    {"rmem", 'i', 0, INT32_MAX, 0, NULL},
    {"wmem", 'i', 0, INT32_MAX, 0, NULL},
    {"warm_ms", 'i', 0, 10000, 60, NULL},
    {"window_ms", 'i', 1, 10000, 40, NULL},
    {"plant_less", 'f', 0, 1, 0, NULL}, /* share that is not delivered */
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel TCP_BULK = {
    .name = "tcp-bulk",
    .summary = "what a connection delivers, and what its windows let expect",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(TCP_BULK);
