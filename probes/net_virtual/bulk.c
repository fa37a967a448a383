/* net-bulk: the processor time that a byte costs between two ends, and how many arrive.
 *
 * The time is that of this process, sender and receiver: packets are handled in their own softirq,
 * and charged to them. Processes that the bytes pass through on their way (hops) add theirs, as
 * their schedstat tells. What ksoftirqd does meanwhile belongs to nobody here.
 */
#include "lb.h"
#include "rigs/tcp.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PART = 1 << 16 };

static void *pour(void *state)
{
    static char noise[PART];
    int fd = *(int *)state;
    while (send(fd, noise, sizeof noise, MSG_NOSIGNAL) > 0)
        ;
    return NULL;
}

static int64_t own_cpu(void) { return lb_read(CLOCK_PROCESS_CPUTIME_ID); }

/* Processor time of the processes named in `hops` (by commas): the first number of schedstat
 * (sched-stats.rst). */
static int64_t hop_cpu(const char *hops)
{
    int64_t sum = 0;
    for (const char *at = hops; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char path[64];
        long long ns = 0;
        snprintf(path, sizeof path, "/proc/%ld/schedstat", strtol(at, NULL, 10));
        FILE *file = fopen(path, "re");
        if (!file || fscanf(file, "%lld", &ns) != 1)
            lb_fail("cannot read %s: a hop on the way is gone", path);
        fclose(file);
        sum += ns;
    }
    return sum;
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

static int run(struct lb_run *run)
{
    struct lb_tcp ends;
    pthread_t thread;
    int64_t window = lb_int(run, "window_ms") * 1000000;
    const char *hops = lb_text(run, "hops");
    lb_net_user(lb_text(run, "user"));
    struct lb_tcp_wish wish = lb_tcp_wish(run);
    lb_tcp_connect(&wish, &ends, 1);
    double *ns = lb_series(run, "ns"), *mbit = lb_series(run, "mbit");
    if (pthread_create(&thread, NULL, pour, &ends.near))
        lb_fail("cannot start a thread");
    drain(ends.far, lb_now() + lb_int(run, "warm_ms") * 1000000);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t from = lb_now(), cpu = own_cpu() + hop_cpu(hops);
        run->offsets[i] = from - run->start_ns;
        double got = (double)drain(ends.far, from + window);
        ns[i] = (double)(own_cpu() + hop_cpu(hops) - cpu) / got;
        mbit[i] = 8e3 * got / (double)(lb_now() - from);
    }
    lb_end(run);
    shutdown(ends.near, SHUT_RDWR);
    pthread_join(thread, NULL);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"hops", 's', 0, 0, 0, NULL}, /* process ids of user-space hops, by commas */
    {"warm_ms", 'i', 0, 10000, 10, NULL},
    {"window_ms", 'i', 1, 10000, 15, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_BULK = {
    .name = "net-bulk",
    .summary = "processor time for each byte between two ends, and bytes a second",
    .run = run,
    .ops = 1,
    .samples = 2,
    .keys = KEYS,
};
LB_KERNEL(NET_BULK);
