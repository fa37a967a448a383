/* tcp-burst: a burst of bytes on an open connection, right after others or after silence, until it
 * is acknowledged.
 *
 * Every connection is warmed by bursts, is then silent for so many of its own retransmission
 * timeouts, and sends 8 bytes and the rest. The kernel looks at the silence when data are queued,
 * not by a timer, so the window is read right after the first 8 (net/ipv4/tcp_output.c,
 * tcp_cwnd_restart; include/net/tcp.h, tcp_slow_start_after_idle_check): it is halved once for
 * every timeout that has passed, down to the initial window, unless the congestion control has a
 * rate of its own (BBR). The time of the burst follows from the window: one round trip per
 * doubling.
 */
#include "lb.h"
#include "rigs/tcp.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 64, FIRST = 8 };

struct far {
    const struct lb_tcp *ends;
    int64_t count, bytes;
};

/* The far end: after every `bytes` bytes of a connection one byte back, as an application would
 * answer. */
static void *answer(void *state)
{
    static char sink[1 << 18];
    const struct far *far = state;
    struct pollfd ears[CONNECTIONS];
    int64_t got[CONNECTIONS] = {0};
    for (int64_t i = 0; i < far->count; i++)
        ears[i] = (struct pollfd){far->ends[i].far, POLLIN, 0};
    for (;;) {
        poll(ears, (nfds_t)far->count, -1);
        for (int64_t i = 0; i < far->count; i++) {
            if (!ears[i].revents)
                continue;
            ssize_t part = recv(ears[i].fd, sink, sizeof sink, 0);
            if (part <= 0)
                return NULL;
            for (got[i] += part; got[i] >= far->bytes; got[i] -= far->bytes)
                lb_send(ears[i].fd, "", 1);
        }
    }
}

struct burst {
    int64_t ns;
    struct tcp_info before, first; /* before it, and after its first bytes were queued */
};

static struct burst send_burst(int fd, const char *bytes, int64_t length)
{
    struct burst burst = {.before = lb_tcp_info(fd)};
    char done;
    int64_t from = lb_now();
    lb_send(fd, bytes, FIRST);
    burst.first = lb_tcp_info(fd);
    lb_send(fd, bytes, (size_t)length - FIRST);
    lb_receive(fd, &done, 1);
    burst.ns = lb_now() - from;
    return burst;
}

/* The closed form, as the kernel computes it. */
static double window_after(const struct tcp_info *before, int64_t initial, bool restarts)
{
    double window = before->tcpi_snd_cwnd, least = fmin((double)initial, window);
    double timeout = before->tcpi_rto, left = 1e3 * before->tcpi_last_data_sent - timeout;
    for (; restarts && left > 0 && window > least; left -= timeout)
        window = floor(window / 2);
    return fmax(window, least);
}

/* Round trips in which so many segments leave, when the window doubles up to the threshold; and the
 * last one's share. */
static double rounds(double segments, double window, double threshold, double *last)
{
    double sent = 0;
    int count = 0;
    for (; sent < segments; count++) {
        *last = fmin(window, segments - sent);
        sent += window;
        window = window < threshold ? fmin(2 * window, fmax(threshold, window + 1)) : window;
    }
    *last /= segments;
    return count;
}

static void wait_until(int64_t ns)
{
    int64_t left = ns - lb_now();
    if (left > 0)
        nanosleep(&(struct timespec){left / 1000000000, left % 1000000000}, NULL);
}

/* How long the last burst of the warm-up took beyond its round trip is what all its segments need
 * on the wire. */
static double warm(int fd, const char *bytes, int64_t length, int64_t times)
{
    struct burst last = {0};
    for (int64_t i = 0; i < times; i++)
        last = send_burst(fd, bytes, length);
    return fmax(0, (double)last.ns / 1e3 - lb_tcp_info(fd).tcpi_min_rtt);
}

static int run(struct lb_run *run)
{
    static struct lb_tcp ends[CONNECTIONS];
    static double wire_us[CONNECTIONS];
    int64_t bytes = lb_int(run, "bytes"), count = run->samples, initial = lb_int(run, "initial");
    if (count > CONNECTIONS)
        lb_usage("samples=%lld: at most %d connections at once", (long long)count, CONNECTIONS);
    lb_net_user(lb_text(run, "user"));
    struct lb_tcp_wish wish = lb_tcp_wish(run);
    wish.congestion = lb_text(run, "congestion");
    lb_net_enter(wish.near);
    lb_net_set("net/ipv4/tcp_no_metrics_save", 1); /* no connection learns from the one before */
    lb_net_set("net/ipv4/tcp_slow_start_after_idle", lb_int(run, "restart"));
    lb_tcp_connect(&wish, ends, count);
    struct far far = {ends, count, bytes};
    pthread_t thread;
    if (pthread_create(&thread, NULL, answer, &far))
        lb_fail("cannot start a thread");
    char *noise = lb_room((size_t)bytes, 1), name[16] = "";
    double *us = lb_series(run, "us"), *window = lb_series(run, "window"),
           *said = lb_series(run, "said");
    double *said_us = lb_series(run, "said_us");
    lb_begin(run);
    int64_t due[CONNECTIONS], retransmits = 0;
    for (int64_t i = 0; i < count; i++) {
        wire_us[i] = warm(ends[i].near, noise, bytes, lb_int(run, "warm"));
        struct tcp_info now = lb_tcp_info(ends[i].near);
        due[i] = lb_now() - 1000000 * (int64_t)now.tcpi_last_data_sent;
        due[i] += (int64_t)(1e3 * now.tcpi_rto * lb_num(run, "silence"));
    }
    for (int64_t i = 0; i < count; i++) {
        if (lb_num(run, "silence") > 0)
            wait_until(due[i]);
        else if (lb_int(run, "warm"))
            warm(ends[i].near, noise, bytes, 1); /* those before it took their time */
        run->offsets[i] = lb_now() - run->start_ns;
        struct burst burst = send_burst(ends[i].near, noise, bytes);
        double last = 0, trip = lb_tcp_info(ends[i].near).tcpi_min_rtt;
        us[i] = (double)burst.ns / 1e3 + lb_num(run, "plant_trips") * trip;
        window[i] = burst.first.tcpi_snd_cwnd;
        said[i] = window_after(&burst.before, initial, lb_int(run, "restarts"));
        double segments = 1 + ceil((double)(bytes - FIRST) / burst.before.tcpi_snd_mss);
        said_us[i] = trip * rounds(segments, window[i], burst.first.tcpi_snd_ssthresh, &last) +
                     wire_us[i] * last;
        retransmits += lb_tcp_info(ends[i].near).tcpi_total_retrans;
    }
    lb_end(run);
    free(noise);
    lb_tcp_congestion(ends[0].near, name);
    lb_fact_text(run, "congestion", name);
    lb_fact_num(run, "trip_us", lb_tcp_info(ends[0].near).tcpi_min_rtt);
    lb_fact_num(run, "timeout_us", lb_tcp_info(ends[0].near).tcpi_rto);
    lb_fact_num(run, "retransmits", (double)retransmits);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"congestion", 's', 0, 0, 0, NULL},
    {"bytes", 'i', 64, 1 << 26, 200000, NULL},
    {"warm", 'i', 0, 100, 4, NULL},
    {"silence", 'f', 0, 1000, 0, NULL}, /* in retransmission timeouts of the connection */
    {"restart", 'i', 0, 1, 1, NULL},  /* tcp_slow_start_after_idle of the near namespace */
    /* whether the closed form applies: setting 1, no rate of its own */
    {"restarts", 'i', 0, 1, 1, NULL},
    {"initial", 'i', 1, 10000, 10, NULL}, /* the route's initial window: RFC 6928 */
    {"plant_trips", 'f', 0, 100, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel TCP_BURST = {
    .name = "tcp-burst",
    .summary = "a burst on an open connection, after others or after silence",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(TCP_BURST);
