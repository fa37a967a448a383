/* null: nothing, timed. What it answers is the cost of the instrument itself. */
#include "lb.h"

static void nothing(void *state, int64_t ops)
{
    (void)state;
    (void)ops;
}

static int run(struct lb_run *run) { return lb_batched(run, nothing, NULL); }

static const struct lb_kernel NULL_KERNEL = {
    .name = "null",
    .summary = "nothing: the cost of the instrument itself",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 1,
    .samples = 100,
};
LB_KERNEL(NULL_KERNEL);
