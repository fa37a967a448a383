/* cpu-spike: how long a spike of work of known size takes, from its start to its end on the wall
 * clock.
 *
 * A spike is `work_ms` of this thread's own CPU time: whatever the processor's speed, it needs just
 * that, and what it takes longer was spent waiting. Spikes start `every_ms` apart, each at another
 * place within `period_ms` (the golden ratio's multiples spread them evenly, from a random first
 * one): a quota's period begins where nobody can see it, and spikes that always met the same part
 * of it would be a law about that part.
 */
#include "lb.h"

#include <errno.h>
#include <math.h>

enum { CHAINS = 500 }; /* 8 to 16 us between two looks at the CPU clock */
static const double GOLDEN = 0.6180339887498949;

static void sleep_until(int64_t ns)
{
    struct timespec at = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static void work(int64_t cpu_ns)
{
    uint64_t value = 1;
    for (int64_t end = lb_read(CLOCK_THREAD_CPUTIME_ID) + cpu_ns;
         lb_read(CLOCK_THREAD_CPUTIME_ID) < end;)
        for (int i = 0; i < CHAINS; i++)
            lb_add1_64(&value, 1);
}

static int run(struct lb_run *run)
{
    int64_t cpu_ns = lb_int(run, "work_ms") * 1000000;
    double every_ns = lb_num(run, "every_ms") * 1e6, period_ns = lb_num(run, "period_ms") * 1e6;
    double *ms = lb_series(run, "ms"), delay_ms = 0;
    int64_t first = lb_read(CLOCK_MONOTONIC);
    double phase = fmod((double)(first / 1000 % 1000003) * GOLDEN, 1);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        sleep_until(first + (int64_t)((double)i * every_ns +
                                      fmod(phase + (double)i * GOLDEN, 1) * period_ns));
        int64_t waited = lb_run_delay(), from = lb_now();
        run->offsets[i] = from - run->start_ns;
        work(cpu_ns);
        if (lb_num(run, "plant_wait") > 0)
            sleep_until(lb_read(CLOCK_MONOTONIC) +
                        (int64_t)(lb_num(run, "plant_wait") * (double)(lb_now() - from)));
        ms[i] = (double)(lb_now() - from) / 1e6;
        delay_ms += (double)(lb_run_delay() - waited) / 1e6;
        lb_place(run);
    }
    lb_end(run);
    lb_fact_num(run, "delay_ms", delay_ms / (double)run->samples);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"work_ms", 'i', 1, 10000, 80, NULL},
    {"every_ms", 'f', 1, 60000, 250, NULL},
    {"period_ms", 'f', 0, 1000, 100, NULL},
    /* in parts of what a spike took: it waits for that much longer */
    {"plant_wait", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CPU_SPIKE = {
    .name = "cpu-spike",
    .summary = "how long a spike of work of known size takes",
    .run = run,
    .ops = 1,
    .samples = 2,
    .keys = KEYS,
};
LB_KERNEL(CPU_SPIKE);
