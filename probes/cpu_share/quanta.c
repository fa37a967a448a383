/* cpu-quanta: which share of a window is missing when time is measured by work and not by gaps.
 *
 * The second witness of cpu-share (fixed work quanta: LLNL's FWQ). A quantum is always the same
 * chain of dependent additions, which a tenant on the sibling thread hardly slows down. A sample is
 * a window: what its quanta took above the undisturbed quantum (the tenth best in a hundred of the
 * whole repetition). It needs no threshold, and misses what takes from every quantum alike.
 */
#include "lb.h"

#include <math.h>
#include <stdlib.h>

enum { CHAINS = 500, PLANT_EVERY_NS = 10000000 }; /* 32,000 dependent additions: 8 to 16 us */

static double quantum(uint64_t *value)
{
    int64_t from = lb_now();
    for (int i = 0; i < CHAINS; i++)
        lb_add1_64(value, 1);
    return (double)(lb_now() - from);
}

static int run(struct lb_run *run)
{
    int64_t window_ns = lb_int(run, "window_ms") * 1000000,
            most = run->samples * (window_ns / 2000 + 1), count = 0;
    int64_t plant_ns = llround(lb_num(run, "plant_percent") / 100 * PLANT_EVERY_NS),
            planted = lb_now();
    double *took = lb_room((size_t)most, sizeof *took), *lost = lb_series(run, "quanta");
    int64_t *ends = lb_room((size_t)run->samples, sizeof *ends);
    uint64_t value = 1;
    lb_begin(run);
    for (int64_t w = 0; w < run->samples; w++) {
        int64_t from = lb_now();
        run->offsets[w] = from - run->start_ns;
        for (int64_t now = from; now < from + window_ns && count < most; now = lb_now()) {
            took[count] = quantum(&value);
            if (plant_ns && now - planted >= PLANT_EVERY_NS) {
                planted = now;
                while (lb_now() < now + plant_ns)
                    lb_relax();
                took[count] = (double)(lb_now() - now);
            }
            count++;
        }
        ends[w] = count;
        lb_place(run);
    }
    lb_end(run);
    double *ordered = lb_room((size_t)count, sizeof *ordered);
    for (int64_t i = 0; i < count; i++)
        ordered[i] = took[i];
    lb_sort(ordered, (size_t)count);
    double alone = ordered[count / 10];
    for (int64_t w = 0, i = 0; w < run->samples; w++) {
        double sum = 0, excess = 0;
        for (; i < ends[w]; i++)
            sum += took[i], excess += fmax(took[i] - alone, 0);
        lost[w] = sum > 0 ? 100 * excess / sum : NAN;
    }
    lb_fact_num(run, "quantum_us", alone / 1000);
    free(ordered);
    free(ends);
    free(took);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"window_ms", 'i', 1, 10000, 30, NULL},
    {"plant_percent", 'f', 0, 90, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CPU_QUANTA = {
    .name = "cpu-quanta",
    .summary =
        "the share of its time that a busy thread did not have its processor, by fixed work quanta",
    .run = run,
    .ops = 1,
    .samples = 2,
    .keys = KEYS,
};
LB_KERNEL(CPU_QUANTA);
