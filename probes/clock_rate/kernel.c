/* clock-watch: all clocks against CLOCK_MONOTONIC_RAW, at the moments somebody asks for.
 *
 * A co-process: "t\n" on stdin, one JSON line on stdout; it sleeps in read() in between and ends
 * with its stdin. Each clock is read between two reads of RAW, nine times, and the narrowest of the
 * nine counts (the kernel's own tools/testing/selftests/timers/raw_skew.c keeps the best of three):
 * an interrupt widens a bracket, so it drops out. A timerfd with TFD_TIMER_CANCEL_ON_SET lets the
 * kernel say that somebody set CLOCK_REALTIME, timerfd_create(2).
 */
#include "lb.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BRACKETS = 9, CLOCKS = 6, COUNTER = -1, FAR_FUTURE_S = 1 << 30 };

struct bracket {
    int64_t raw, value, width;
};

struct watched {
    char name[16];
    clockid_t clock; /* COUNTER: the processor's counter, in ticks */
    int64_t first;   /* its value at the first tick: a planted rate grows from there */
};

struct watch {
    struct watched clocks[CLOCKS];
    int count, timer_fd;
    int64_t tick, run_delay;
};

static struct bracket narrowest(clockid_t clock)
{
    struct bracket best = {.width = INT64_MAX};
    for (int i = 0; i < BRACKETS; i++) {
        int64_t before = lb_now();
        int64_t value = clock == COUNTER ? (int64_t)lb_counter_ordered() : lb_read(clock);
        int64_t width = lb_now() - before;
        if (width < best.width)
            best = (struct bracket){before + width / 2, value, width};
    }
    return best;
}

static void add_clock(struct watch *watch, const char *name, clockid_t clock)
{
    struct watched *one = &watch->clocks[watch->count++];
    snprintf(one->name, sizeof one->name, "%s", name);
    one->clock = clock;
}

/* A PTP device is a clock whose id is made of its file descriptor, clock_gettime(2), "Dynamic
 * clocks". */
static void add_ptp(struct watch *watch, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    struct timespec t;
    if (!length || length > 15 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != length)
        lb_usage("ptp=%s does not look like /dev/ptp0", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        lb_fail("cannot open the clock %s: %s; leave ptp out", path, strerror(errno));
    clockid_t clock = (clockid_t)(~(unsigned)fd << 3 | 3);
    if (clock_gettime(clock, &t) != 0)
        lb_fail("%s is no clock: %s; leave ptp out", path, strerror(errno));
    add_clock(watch, name, clock);
}

/* A timer so far away that only a change of the clock can end it. */
static void arm(int fd)
{
    struct itimerspec far = {.it_value.tv_sec = time(NULL) + FAR_FUTURE_S};
    timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far, NULL);
}

static bool was_set(int fd)
{
    uint64_t ends;
    if (read(fd, &ends, sizeof ends) >= 0 || errno != ECANCELED)
        return false;
    arm(fd);
    return true;
}

static int64_t planted(const struct lb_run *run, const struct watch *watch,
                       const struct watched *one, int64_t value)
{
    int64_t lie = llround((double)(value - one->first) * lb_num(run, "plant_ppm") * 1e-6);
    if (one->clock == CLOCK_REALTIME && watch->tick >= lb_int(run, "plant_step_at"))
        lie += llround(lb_num(run, "plant_step_ns"));
    return value + lie;
}

static void put_clocks(const struct lb_run *run, struct watch *watch, const struct bracket *seen)
{
    for (int i = 0; i < watch->count; i++) {
        struct watched *one = &watch->clocks[i];
        if (watch->tick == 0)
            one->first = seen[i].value;
        fputs(i ? "," : "", stdout);
        lb_put_name(one->name);
        printf("{\"raw_ns\":%" PRId64 ",\"%s\":%" PRId64 ",\"width_ns\":%" PRId64 "}", seen[i].raw,
               one->clock == COUNTER ? "ticks" : "ns", planted(run, watch, one, seen[i].value),
               seen[i].width);
    }
}

static int answer(const struct lb_run *run, void *state)
{
    struct watch *watch = state;
    struct bracket seen[CLOCKS];
    int64_t started = lb_now(), delay = lb_run_delay();
    for (int i = 0; i < watch->count; i++)
        seen[i] = narrowest(watch->clocks[i].clock);
    printf("{\"n\":%" PRId64 ",\"raw_ns\":%" PRId64 ",\"clocks\":{", watch->tick, started);
    put_clocks(run, watch, seen);
    if (watch->timer_fd < 0) /* this kernel cannot tell, which is not "no" */
        printf("},\"cancelled\":null,");
    else
        printf("},\"cancelled\":%d,", was_set(watch->timer_fd));
    lb_put_name("run_delay_ns");
    lb_put_int(delay - watch->run_delay, delay >= 0 && watch->run_delay >= 0);
    printf(",\"cpu\":%d,\"took_ns\":%" PRId64 "}\n", lb_cpu(), lb_now() - started);
    watch->run_delay = delay;
    watch->tick++;
    return lb_flush();
}

static int run(struct lb_run *run)
{
    static struct watch watch;
    add_clock(&watch, "realtime", CLOCK_REALTIME);
    add_clock(&watch, "monotonic", CLOCK_MONOTONIC);
    add_clock(&watch, "boottime", CLOCK_BOOTTIME);
    add_clock(&watch, "tai", CLOCK_TAI);
    add_clock(&watch, "counter", COUNTER);
    if (lb_given(run, "ptp"))
        add_ptp(&watch, lb_text(run, "ptp"));
    watch.timer_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (watch.timer_fd >= 0)
        arm(watch.timer_fd);
    watch.run_delay = lb_run_delay();
    return lb_serve(run, answer, &watch);
}

static const struct lb_key KEYS[] = {
    {"ptp", 's', 0, 0, 0, NULL},
    {"plant_ppm", 'f', -1e5, 1e5, 0, NULL},
    {"plant_step_ns", 'f', -1e15, 1e15, 0, NULL},
    {"plant_step_at", 'i', 0, 1e12, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CLOCK_WATCH = {
    .name = "clock-watch",
    .summary = "co-process: all clocks against CLOCK_MONOTONIC_RAW, one line per request",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(CLOCK_WATCH);
