/* smt-tenant: does somebody unseen run on the sibling thread of this processor?
 *
 * A sample is the time of eight independent chains of additions over that of one chain. The first
 * needs issue slots, the second waits for itself, and a frequency that changes moves both; a tenant
 * on the sibling takes slots from the first. What the ratio is without a tenant depends on the
 * processor: the best that a run ever saw stands for it.
 */
#include "lb.h"

enum { ROUNDS = 256 };

static double eight(void)
{
    uint64_t v[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int64_t started = lb_now();
    for (int i = 0; i < ROUNDS * 2; i++)
        lb_add8_64(v, 1);
    return (double)(lb_now() - started) / 2;
}

static double one(void)
{
    uint64_t value = 1;
    int64_t started = lb_now();
    for (int i = 0; i < ROUNDS; i++)
        lb_add1_64(&value, 1);
    return (double)(lb_now() - started);
}

static int run(struct lb_run *run)
{
    double *issue = lb_series(run, "issue"), plant = lb_num(run, "plant_issue");
    eight();
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        run->offsets[i] = lb_now() - run->start_ns;
        double slow = i % 2 ? 1 + plant : 1; /* a planted tenant is there half of the time */
        issue[i] = eight() * slow / one();
        lb_place(run);
    }
    lb_end(run);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"plant_issue", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel SMT_TENANT = {
    .name = "smt-tenant",
    .summary = "issue slots against latency: whether a foreign thread runs on the sibling",
    .run = run,
    .ops = 1,
    .samples = 250,
    .keys = KEYS,
};
LB_KERNEL(SMT_TENANT);
