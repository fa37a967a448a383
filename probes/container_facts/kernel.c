/* container-facts: how many CPUs busy threads really get, and what sysinfo(2) says of memory.
 *
 * A thread spins on each of the CPUs that are named; this one sleeps between two looks at their
 * clocks. CPU time over wall time is the number of CPUs that they had, whatever a quota somewhere
 * above allows: nothing is read but clocks. A sample is a window; whoever sets it makes it whole
 * periods of the quota. Beside it stands how many of these CPUs were idle (/proc/stat,
 * proc_stat(5)): what threads lack while CPUs are idle, a limit took; what they lack otherwise,
 * others had.
 */
#include "lb.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { MOST_THREADS = 1024, AT_ONCE_NS = 100000, TRIES = 20 };

static atomic_bool ended;
static pthread_t threads[MOST_THREADS];
static int64_t cpus[MOST_THREADS];

struct look {
    int64_t ns, cpu_ns;
    double idle; /* seconds, of the CPUs that are kept busy; NAN where /proc/stat does not say */
};

/* Each stays on a CPU of its own: the balancer leaves threads of a throttled group where they are,
 * on one CPU if need be. */
static void *spin(void *cpu)
{
    lb_pin(*(int64_t *)cpu);
    while (!atomic_load_explicit(&ended, memory_order_relaxed))
        lb_relax();
    return NULL;
}

static int64_t cpu_of(int64_t count)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < count; i++) {
        clockid_t clock;
        if (pthread_getcpuclockid(threads[i], &clock))
            lb_fail("cannot read the CPU time of a thread");
        sum += lb_read(clock);
    }
    return sum;
}

/* One line of /proc/stat: idle and iowait of that CPU, in ticks. */
static bool idle_of(const char *text, int64_t cpu, double *ticks)
{
    char label[24];
    double user, nice, system, idle, waiting;
    snprintf(label, sizeof label, "\ncpu%lld ", (long long)cpu);
    const char *line = strstr(text, label);
    if (!line || sscanf(line + strlen(label), "%lf %lf %lf %lf %lf", &user, &nice, &system, &idle,
                        &waiting) != 5)
        return false;
    *ticks += idle + waiting;
    return true;
}

static double idle(int64_t count)
{
    static char text[1 << 18]; /* the lines of the CPUs come first */
    double ticks = 0;
    int fd = open("/proc/stat", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    for (int64_t i = 0; i < count; i++)
        if (!idle_of(text, cpus[i], &ticks))
            return NAN;
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Whoever is held back between the stamp and the clocks looks again: a throttled group stands still
 * as a whole. */
static struct look look(int64_t count)
{
    struct look found;
    for (int tries = 0; tries < TRIES; tries++) {
        found.ns = lb_now();
        found.cpu_ns = cpu_of(count);
        if (lb_now() - found.ns < AT_ONCE_NS)
            break;
    }
    found.idle = idle(count);
    return found;
}

static void sleep_until(int64_t ns)
{
    int64_t left = ns - lb_now();
    struct timespec rest = {left / 1000000000, left % 1000000000};
    while (left > 0 && nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

static void watch(struct lb_run *run, int64_t count, int64_t window_ns)
{
    double *used = lb_series(run, "cpus"), *unused = lb_series(run, "idle");
    int64_t due = lb_now() + lb_int(run, "warm_ms") * 1000000;
    sleep_until(due);
    lb_begin(run);
    struct look last = look(count);
    for (int64_t w = 0; w < run->samples; w++) {
        /* not after the last look: whoever wakes late would end late in a period too */
        sleep_until(due += window_ns);
        struct look now = look(count);
        used[w] = (double)(now.cpu_ns - last.cpu_ns) / (double)(now.ns - last.ns);
        unused[w] = (now.idle - last.idle) / (double)(now.ns - last.ns) * 1e9;
        run->offsets[w] = last.ns - run->start_ns;
        last = now;
    }
    lb_end(run);
}

/* "0,2,3" into `cpus`; absent: none. */
static int64_t choose(const char *list)
{
    int64_t count = 0;
    for (char *end; list && *list; list = *end == ',' ? end + 1 : end) {
        long long cpu = strtoll(list, &end, 10);
        if (end == list || (*end && *end != ',') || cpu < 0 || cpu > LB_MAX_CPU)
            lb_usage("on= takes CPUs such as 0,2,3 and not \"%.60s\"", list);
        if (count == MOST_THREADS)
            break;
        cpus[count++] = cpu;
    }
    return count;
}

static int run(struct lb_run *run)
{
    struct sysinfo memory;
    int64_t count = choose(lb_text(run, "on"));
    if (sysinfo(&memory))
        lb_fail("sysinfo: %s", strerror(errno));
    lb_fact_num(run, "memory", (double)memory.totalram * memory.mem_unit);
    lb_fact_num(run, "threads", (double)count);
    for (int64_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, spin, &cpus[i]))
            lb_fail("cannot start a thread for CPU %lld", (long long)cpus[i]);
    watch(run, count, lb_int(run, "window_ms") * 1000000);
    atomic_store(&ended, true);
    for (int64_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"on", 's', 0, 0, 0, NULL}, /* CPUs to keep busy; the first 1024 of them are */
    {"window_ms", 'i', 1, 10000, 60, NULL},
    {"warm_ms", 'i', 0, 10000, 40, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CONTAINER_FACTS = {
    .name = "container-facts",
    .summary = "the CPUs that busy threads really get, whatever limits them",
    .run = run,
    .ops = 1,
    .samples = 2,
    .keys = KEYS,
};
LB_KERNEL(CONTAINER_FACTS);
