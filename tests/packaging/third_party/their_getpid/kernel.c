/* their-getpid: a call into the kernel that does almost nothing, and a function that does nothing. */
#include "lb.h"

static void nothing(void *state, int64_t ops)
{
    (void)state;
    while (ops-- > 0)
        __asm__ volatile("" ::: "memory");
}

static void getpid_(void *state, int64_t ops)
{
    (void)state;
    while (ops-- > 0)
        lb_syscall2(SYS_getpid, 0, 0);
}

static int run(struct lb_run *run) { return lb_batched(run, lb_int(run, "via") ? getpid_ : nothing, NULL); }

static const struct lb_key KEYS[] = {
    {"via", 'w', 0, 0, 0, "function syscall"},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_kernel THEIR_GETPID = {
    .name = "their-getpid",
    .summary = "a system call beside a function",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 100,
    .samples = 20,
    .keys = KEYS,
};
LB_KERNEL(THEIR_GETPID);
