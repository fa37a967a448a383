/* timer-wake: how late a sleep to a given moment really ends.
 *
 * Each sample sleeps until now + sleep_us on CLOCK_MONOTONIC (absolute, so that nothing
 * accumulates) and reads that clock again. clock_nanosleep is the thing under test. The clock's own
 * cost is subtracted once: it is read after the wake-up. The kernel may be late by the timer slack
 * of the thread on purpose (prctl(2), PR_SET_TIMERSLACK).
 */
#include "lb.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/prctl.h>

static struct timespec moment(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* Wall time, not work: a processor that just woke runs at an unknown frequency, and the plant must
 * last plant_ns. */
static void spin(int64_t plant_ns)
{
    for (int64_t until = lb_now() + plant_ns; lb_now() < until;)
        lb_relax();
}

static double late(int64_t sleep_ns, int64_t plant_ns, double read_ns)
{
    int64_t due = lb_read(CLOCK_MONOTONIC) + sleep_ns;
    struct timespec until = moment(due);
    int error;
    do
        error = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    while (error == EINTR);
    if (error)
        lb_fail("cannot sleep on CLOCK_MONOTONIC: %s", strerror(error));
    if (plant_ns > 0)
        spin(plant_ns);
    return (double)(lb_read(CLOCK_MONOTONIC) - due) - read_ns;
}

static void set_slack(struct lb_run *run)
{
    /* 0 means to prctl: back to the default; here: leave it alone */
    int64_t wanted = lb_int(run, "slack_ns");
    if (wanted > 0 && prctl(PR_SET_TIMERSLACK, (unsigned long)wanted) != 0)
        lb_fail("cannot set the timer slack to %lld ns: %s", (long long)wanted, strerror(errno));
    int found = prctl(PR_GET_TIMERSLACK);
    lb_fact_num(run, "slack_ns", found >= 0 ? found : NAN);
}

static int run(struct lb_run *run)
{
    int64_t sleep_ns = lb_int(run, "sleep_us") * 1000, plant_ns = llround(lb_num(run, "plant_ns"));
    if (run->ops != 1)
        lb_usage("timer-wake sleeps once per sample: ops is 1");
    if ((double)run->samples * (double)(sleep_ns + plant_ns) > lb_num(run, "limit_s") * 1e9)
        lb_usage("samples * sleep_us is longer than limit_s=%lld",
                 (long long)lb_int(run, "limit_s"));
    set_slack(run);
    double *values = lb_series(run, "late_ns");
    /* the first sleep also faults its code in */
    late(sleep_ns < 1000000 ? sleep_ns : 1000000, 0, 0);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        run->offsets[i] = lb_now() - run->start_ns;
        values[i] = late(sleep_ns, plant_ns, run->timer.read_ns);
        lb_place(run);
    }
    lb_end(run);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"sleep_us", 'i', 1, 10e6, 1000, NULL},
    {"slack_ns", 'i', 0, 1e9, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel TIMER_WAKE = {
    .name = "timer-wake",
    .summary = "how late a sleep of known length ends",
    .run = run,
    .flags = LB_PLANTS,
    .ops = 1,
    .samples = 50,
    .keys = KEYS,
};
LB_KERNEL(TIMER_WAKE);
