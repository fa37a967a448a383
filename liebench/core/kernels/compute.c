/* compute: fixed integer work; one operation is 64 instructions of one kind. */
#include "lb.h"

static void add1(void *state, int64_t ops)
{
    for (uint64_t *value = state; ops--;)
        lb_add1_64(value, 1);
}

static void add8(void *state, int64_t ops)
{
    for (uint64_t *values = state; ops--;)
        lb_add8_64(values, 1);
}

static void mul(void *state, int64_t ops)
{
    for (uint64_t *value = state; ops--;)
        lb_mul_64(value, 3);
}

static int run(struct lb_run *run)
{
    static lb_batch *const MIXES[] = {add1, add8, mul};
    static uint64_t values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    return lb_batched(run, MIXES[lb_int(run, "mix")], values);
}

static const struct lb_key KEYS[] = {
    {"mix", 'w', 0, 0, 0, "add1 add8 mul"},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel COMPUTE = {
    .name = "compute",
    .summary = "integer work: dependent adds, independent adds, dependent multiplications",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 10000,
    .samples = 100,
    .keys = KEYS,
};
LB_KERNEL(COMPUTE);
