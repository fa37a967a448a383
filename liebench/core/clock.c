/* The timer, measured at every start: its step and what one read of it costs. Kept well under 0.3
 * ms. */
#include "lb.h"

enum { STEP_READS = 1000, STEP_BUDGET_NS = 80000 };
enum { COST_BATCHES = 8, COST_READS = 64, COST_BUDGET_NS = 80000 };

lb_gettime *lb_clock_gettime = lb_syscall_gettime;

static const clockid_t IDS[] = {
    -1,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_MONOTONIC_RAW,
    CLOCK_BOOTTIME,
    CLOCK_TAI,
    CLOCK_REALTIME_COARSE,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_THREAD_CPUTIME_ID,
};

clockid_t lb_clock_id(int64_t word) { return IDS[word]; }

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* step_ns: the smallest difference seen between two reads that differ. Where a read lasts longer
 * than a tick it is an upper bound of the tick, which is the safe side; gcd_ns is the lower bound.
 */
static void measure_step(struct lb_timer *timer)
{
    int64_t first = lb_now(), last = first, least = 0, common = 0;
    for (int i = 0; i < STEP_READS && last - first < STEP_BUDGET_NS; i++) {
        int64_t now = lb_now(), delta = now - last;
        last = now;
        if (delta <= 0)
            continue;
        common = gcd(common, delta);
        if (!least || delta < least)
            least = delta;
    }
    timer->step_ns = least ? (double)least : 1;
    timer->gcd_ns = common ? (double)common : 1;
}

static void measure_cost(struct lb_timer *timer)
{
    int64_t started = lb_now(), least = INT64_MAX;
    for (int batch = 0; batch < COST_BATCHES && lb_now() - started < COST_BUDGET_NS; batch++) {
        int64_t before = lb_now();
        for (int i = 0; i < COST_READS - 1; i++)
            lb_now();
        int64_t lasted = lb_now() - before;
        least = lasted < least ? lasted : least;
    }
    timer->read_ns = (double)least / COST_READS;
}

/* Chooses the way to read clocks and measures it. */
void lb_timer_init(struct lb_timer *timer)
{
    lb_gettime *found = lb_vdso_gettime();
    timer->vdso = found != NULL;
    if (found)
        lb_clock_gettime = found;
    measure_step(timer);
    measure_cost(timer);
}
