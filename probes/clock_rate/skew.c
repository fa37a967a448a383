/* clock-skew: hard bounds on the difference between one clock read on two processors.
 *
 * Thread A on `cpu` stamps a request, thread B on `peer` stamps its answer, A stamps its arrival:
 * a, t, b. Since the answer lies between, clock(B) - clock(A) is in [t - b, t - a], whatever the
 * delays were. Over many exchanges the largest lower and the smallest upper bound hold; `estimate`
 * is t minus the middle of the shortest exchange. A sample is `ops` exchanges. Two processors that
 * cannot be told apart give bounds on both sides of zero.
 */
#include "lb.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { WAITING, ASKED, ANSWERED, DONE };

static struct {
    /* alone on its cache lines: the exchange is this one line going back and forth */
    _Alignas(128) atomic_int word;
    int64_t stamp;
    _Alignas(128) int64_t peer, plant;
    clockid_t clock;
} shared;

static int64_t stamp(void)
{
    return shared.clock < 0 ? (int64_t)lb_counter_ordered() : lb_read(shared.clock);
}

static void *answer(void *unused)
{
    (void)unused;
    lb_pin(shared.peer);
    for (;;) {
        int word;
        while ((word = atomic_load_explicit(&shared.word, memory_order_acquire)) != ASKED)
            if (word == DONE)
                return NULL;
            else
                lb_relax();
        shared.stamp = stamp() + shared.plant;
        atomic_store_explicit(&shared.word, ANSWERED, memory_order_release);
    }
}

struct bounds {
    double low, high, estimate, shortest;
};

static void exchange(struct bounds *bounds)
{
    int64_t a = stamp();
    atomic_store_explicit(&shared.word, ASKED, memory_order_release);
    while (atomic_load_explicit(&shared.word, memory_order_acquire) != ANSWERED)
        lb_relax();
    int64_t b = stamp(), t = shared.stamp;
    bounds->low = fmax(bounds->low, (double)(t - b));
    bounds->high = fmin(bounds->high, (double)(t - a));
    if ((double)(b - a) < bounds->shortest) {
        bounds->shortest = (double)(b - a);
        bounds->estimate = (double)(t - a) - (double)(b - a) / 2;
    }
}

static pthread_t start_peer(struct lb_run *run)
{
    pthread_t thread;
    if (!lb_given(run, "cpu") || !lb_given(run, "peer"))
        lb_usage("clock-skew compares two processors: give cpu=A and peer=B");
    if (lb_int(run, "cpu") == lb_int(run, "peer"))
        lb_usage(
            "cpu and peer are the same processor: they take turns and cannot answer each other");
    shared.peer = lb_int(run, "peer");
    shared.clock = lb_clock_id(lb_int(run, "clock"));
    int error = pthread_create(&thread, NULL, answer, NULL);
    if (error)
        lb_fail("cannot start a second thread: %s", strerror(error));
    return thread;
}

/* ns per unit of a stamp: 1, or what a tick of the counter lasts (measured for 2 ms: 1e-5 of a
 * small difference). */
static double unit_ns(void)
{
    if (shared.clock >= 0)
        return 1;
    int64_t started = lb_now(), ticks = stamp(), now;
    while ((now = lb_now()) - started < 2000000)
        lb_relax();
    return (double)(now - started) / (double)(stamp() - ticks);
}

static int run(struct lb_run *run)
{
    pthread_t peer = start_peer(run);
    double unit = unit_ns();
    double *low = lb_series(run, "low"), *high = lb_series(run, "high"),
           *estimate = lb_series(run, "estimate");
    struct bounds warm = {.shortest = INFINITY};
    exchange(&warm); /* the peer has started and is pinned */
    shared.plant = llround(lb_num(run, "plant_skew_ns") / unit);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        struct bounds one = {-INFINITY, INFINITY, 0, INFINITY};
        run->offsets[i] = lb_now() - run->start_ns;
        for (int64_t op = 0; op < run->ops; op++)
            exchange(&one);
        low[i] = one.low * unit;
        high[i] = one.high * unit;
        estimate[i] = one.estimate * unit;
        lb_place(run);
    }
    lb_end(run);
    atomic_store_explicit(&shared.word, DONE, memory_order_release);
    pthread_join(peer, NULL);
    lb_fact_num(run, "unit_ns", unit);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"peer", 'i', 0, LB_MAX_CPU, -1, NULL},
    {"clock", 'w', 0, 0, 1, LB_CLOCKS},
    {"plant_skew_ns", 'f', -1e12, 1e12, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CLOCK_SKEW = {
    .name = "clock-skew",
    .summary = "bounds on the difference of one clock on two processors",
    .run = run,
    .ops = 2000,
    .samples = 10,
    .keys = KEYS,
};
LB_KERNEL(CLOCK_SKEW);
