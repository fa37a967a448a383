/* What else happened to this thread: read at both edges of a repetition, never inside a timed
 * region.
 *
 * Sources: schedstat (Documentation/scheduler/sched-stats.rst), getrusage(2), /proc/stat (proc(5)).
 * What a kernel or a container does not show stays -1 here and null in the answer: missing is not
 * zero.
 */
#include "lb.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int schedstat_fd = -1, stat_fd = -1;
static char stat_text[1 << 17]; /* the cpu lines of a thousand processors come first */

/* Called by the measuring thread, before anything is timed. */
void lb_alibi_open(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%ld/schedstat", (long)syscall(SYS_gettid));
    schedstat_fd = open(path, O_RDONLY | O_CLOEXEC);
    stat_fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
}

static bool slurp(int fd, char *text, size_t size)
{
    ssize_t got = fd < 0 ? -1 : pread(fd, text, size - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    return got > 0;
}

static void read_schedstat(struct lb_edge *edge)
{
    char text[128];
    long long cpu, delay, slices;
    edge->run_delay_ns = edge->slices = -1;
    if (!slurp(schedstat_fd, text, sizeof text) ||
        sscanf(text, "%lld %lld %lld", &cpu, &delay, &slices) != 3)
        return;
    /* what a kernel without SCHED_INFO prints for everybody */
    if (cpu == 0 && delay == 0 && slices == 0)
        return;
    edge->run_delay_ns = delay;
    edge->slices = slices;
}

/* schedstat's own first field stands still between two scheduler ticks; this clock does not. */
static int64_t thread_cpu(void)
{
    struct timespec t;
    return lb_clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0 ? lb_ns(t) : -1;
}

static void read_ticks(struct lb_edge *edge)
{
    char label[24];
    long long f[8];
    edge->steal = edge->irq = edge->softirq = -1;
    if (!slurp(stat_fd, stat_text, sizeof stat_text))
        return;
    snprintf(label, sizeof label, "\ncpu%d ", edge->cpu);
    const char *line = strstr(stat_text, label);
    if (!line)
        return;
    if (sscanf(line + strlen(label), "%lld %lld %lld %lld %lld %lld %lld %lld", &f[0], &f[1], &f[2],
               &f[3], &f[4], &f[5], &f[6], &f[7]) != 8)
        return;
    edge->irq = f[5];
    edge->softirq = f[6];
    edge->steal = f[7];
}

void lb_alibi_read(struct lb_edge *edge)
{
    edge->cpu = lb_cpu();
    read_ticks(edge);
    if (getrusage(RUSAGE_THREAD, &edge->usage) != 0)
        memset(&edge->usage, 0, sizeof edge->usage);
    edge->cpu_ns = thread_cpu();
    read_schedstat(edge);
}

int64_t lb_run_delay(void)
{
    struct lb_edge edge;
    read_schedstat(&edge);
    return edge.run_delay_ns;
}

int lb_cpu(void) { return sched_getcpu(); }

static unsigned long started_with[(LB_MAX_CPU + 1) / (8 * sizeof(unsigned long))];

void lb_affinity_open(void)
{
    if (sched_getaffinity(0, sizeof started_with, (cpu_set_t *)started_with) != 0)
        lb_fail("cannot read which CPUs may be used: %s", strerror(errno));
}

bool lb_usable(int64_t cpu)
{
    enum { BITS = 8 * sizeof(unsigned long) };
    return started_with[cpu / BITS] >> (cpu % BITS) & 1;
}

void lb_pin(int64_t cpu)
{
    enum { BITS = 8 * sizeof(unsigned long) };
    unsigned long mask[(LB_MAX_CPU + 1) / BITS] = {0};
    mask[cpu / BITS] = 1UL << (cpu % BITS);
    if (sched_setaffinity(0, sizeof mask, (const cpu_set_t *)mask) != 0)
        lb_fail("cannot run on CPU %lld: %s; it is offline, or a cpuset or taskset excludes it "
                "(see Cpus_allowed_list in /proc/self/status)",
                (long long)cpu, strerror(errno));
}
