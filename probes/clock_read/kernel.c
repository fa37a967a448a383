/* clock-read: what one look at a clock costs. clock-step: how fine that clock really is.
 *
 * via=libc is the way of an application: clock_gettime of the C library, which calls the function
 * that the kernel maps into the process, or the system call where there is none. via=vdso is that
 * mapped function alone (the C library's share is the difference), via=syscall the bare system
 * call.
 */
#include "lb.h"

#include <errno.h>
#include <math.h>
#include <string.h>

enum { STEP_OPS = 20000, MOVE_BUDGET_NS = 100000000 };

static void read_counter(void *state, int64_t ops)
{
    (void)state;
    while (ops--)
        lb_counter();
}

/* A static glibc before 2.31 knows no vDSO, though every application on that host uses it. */
#ifdef __GLIBC__
#if !__GLIBC_PREREQ(2, 31)
#define clock_gettime lb_clock_gettime
#endif
#endif
static void read_libc(void *state, int64_t ops)
{
    clockid_t clock = *(clockid_t *)state;
    struct timespec t;
    while (ops--)
        clock_gettime(clock, &t);
}

#undef clock_gettime

static void read_vdso(void *state, int64_t ops)
{
    lb_gettime *gettime = lb_clock_gettime;
    clockid_t clock = *(clockid_t *)state;
    struct timespec t;
    while (ops--)
        gettime(clock, &t);
}

static void read_syscall(void *state, int64_t ops)
{
    clockid_t clock = *(clockid_t *)state;
    struct timespec t;
    while (ops--)
        lb_syscall_gettime(clock, &t);
}

static clockid_t usable_clock(const struct lb_run *run)
{
    clockid_t clock = lb_clock_id(lb_int(run, "clock"));
    struct timespec t;
    if (clock >= 0 && clock_gettime(clock, &t) != 0)
        lb_fail("this kernel has no clock %s: %s; leave the case out", lb_text(run, "clock"),
                strerror(errno));
    return clock;
}

static int run_read(struct lb_run *run)
{
    clockid_t clock = usable_clock(run);
    if (clock < 0 && lb_given(run, "via"))
        lb_usage("clock=counter is an instruction: it takes no via");
    static lb_batch *const WAYS[] = {read_vdso, read_syscall, read_libc};
    static const char *const NAMES[] = {"vdso", "syscall", "libc"};
    int64_t via = lb_int(run, "via");
    if (via == 0 && !run->timer.vdso)
        via = 1;
    lb_fact_text(run, "via", clock < 0 ? "instruction" : NAMES[via]);
    return lb_batched(run, clock < 0 ? read_counter : WAYS[via], &clock);
}

struct steps {
    int64_t least, common, zeros, backwards, reads;
};

static int64_t look(clockid_t clock) { return clock < 0 ? (int64_t)lb_counter() : lb_read(clock); }

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void note(struct steps *steps, int64_t delta)
{
    steps->reads++;
    steps->zeros += delta == 0;
    steps->backwards += delta < 0;
    if (delta <= 0)
        return;
    steps->common = gcd(steps->common, delta);
    if (!steps->least || delta < steps->least)
        steps->least = delta;
}

/* `ops` reads back to back; a coarse clock may stand still for all of them, so go on until it has
 * moved once. */
static void walk(struct steps *steps, clockid_t clock, int64_t ops)
{
    int64_t started = lb_now(), last = look(clock);
    for (int64_t i = 0; i < ops || !steps->least; i++) {
        int64_t now = look(clock);
        note(steps, now - last);
        last = now;
        if ((i & 255) == 255 && i >= ops && lb_now() - started > MOVE_BUDGET_NS)
            return;
    }
}

/* ns per unit of the clock's readings: 1, or what a tick of the counter lasts, over this
 * repetition. */
static double unit_ns(const struct lb_run *run, clockid_t clock, int64_t first_ticks)
{
    int64_t ticks = (int64_t)lb_counter() - first_ticks;
    return clock >= 0 || ticks <= 0 ? 1 : (double)(lb_now() - run->start_ns) / (double)ticks;
}

static void step_facts(struct lb_run *run, clockid_t clock, const struct steps *all, double unit)
{
    struct timespec claimed = {0};
    bool told = clock >= 0 && clock_getres(clock, &claimed) == 0;
    lb_fact_num(run, "gcd_ns", (double)all->common * unit);
    lb_fact_num(run, "zero_deltas", (double)all->zeros);
    lb_fact_num(run, "backwards", (double)all->backwards);
    lb_fact_num(run, "reads", (double)all->reads);
    lb_fact_num(run, "getres_ns", told ? (double)lb_ns(claimed) : NAN);
    if (clock < 0)
        lb_fact_num(run, "tick_ns", unit);
}

static int run_step(struct lb_run *run)
{
    clockid_t clock = usable_clock(run);
    double *step = lb_series(run, "step_ns");
    struct steps all = {0};
    lb_begin(run);
    int64_t ticks = (int64_t)lb_counter();
    for (int64_t i = 0; i < run->samples; i++) {
        struct steps one = {0};
        run->offsets[i] = lb_now() - run->start_ns;
        walk(&one, clock, run->ops);
        if (!one.least)
            lb_fail("the clock %s did not move in 0.1 s",
                    lb_text(run, "clock") ? lb_text(run, "clock") : "monotonic");
        step[i] = (double)one.least;
        note(&all, one.least);
        all.common = gcd(all.common, one.common);
        all.zeros += one.zeros;
        all.backwards += one.backwards;
        all.reads += one.reads - 1;
        lb_place(run);
    }
    lb_end(run);
    double unit = unit_ns(run, clock, ticks);
    for (int64_t i = 0; i < run->samples; i++)
        step[i] *= unit;
    step_facts(run, clock, &all, unit);
    return lb_output(run);
}

static const struct lb_key READ_KEYS[] = {
    {"clock", 'w', 0, 0, 1, LB_CLOCKS},
    {"via", 'w', 0, 0, 0, "vdso syscall libc"},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key STEP_KEYS[] = {
    {"clock", 'w', 0, 0, 1, LB_CLOCKS},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CLOCK_READ = {
    .name = "clock-read",
    .summary = "cost of one read of a clock",
    .run = run_read,
    .flags = LB_BATCHED,
    .ops = 10000,
    .samples = 100,
    .keys = READ_KEYS,
};
LB_KERNEL(CLOCK_READ);

static const struct lb_kernel CLOCK_STEP = {
    .name = "clock-step",
    .summary = "smallest step of a clock, against what clock_getres claims",
    .run = run_step,
    .ops = STEP_OPS,
    .samples = 12,
    .keys = STEP_KEYS,
};
LB_KERNEL(CLOCK_STEP);
