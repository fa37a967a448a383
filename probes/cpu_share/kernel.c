/* cpu-gap: which share of a window a busy thread really had its processor, and who had it in
 * between.
 *
 * A thread reads the clock in a loop; two reads that lie far apart are a gap. Gaps are split with
 * what the kernel says of the same window: run delay (schedstat: others ran, or the group was
 * throttled), interrupts (as many of the short gaps as /proc/interrupts counts on this processor),
 * and what is left: time below the kernel, which a guest has no other way to see. A sample is a
 * window; with all=1 every usable processor spins at once and the sample is the mean over them.
 */
#include "lb.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LEAST_GAP_NS = 2000, READS = 20, SHORT_NS = 100000, PLANT_EVERY_NS = 10000000 };
enum { LOST, BELOW, DELAY, INTERRUPTS, WALL, ACCOUNTED, PARTS };
static const char *const NAMES[PARTS] = {"lost",       "below",   "delay",
                                         "interrupts", "wall_ms", "accounted_ms"};

struct edge {
    int64_t ns, cpu_ns, delay_ns, interrupts;
};

struct spinner {
    int64_t cpu, windows, window_ns, threshold_ns, plant_ns;
    int schedstat;
    double *parts[PARTS]; /* a value a window */
    double longest_ns;
    pthread_t thread;
};

static struct {
    atomic_int arrived;
    _Atomic int64_t epoch;
} start;

static char interrupts_text[1 << 20]; /* read by one thread at a time: `turn` */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

/* Interrupts of one processor so far: the sum of its column in /proc/interrupts. -1 where it cannot
 * be read. */
static int64_t interrupts_of(int64_t cpu)
{
    int fd = open("/proc/interrupts", O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    ssize_t part;
    if (fd < 0)
        return -1;
    while (got < sizeof interrupts_text - 1 &&
           (part = read(fd, interrupts_text + got, sizeof interrupts_text - 1 - got)) > 0)
        got += (size_t)part;
    close(fd);
    interrupts_text[got] = '\0';
    char *line = interrupts_text, label[24];
    int column = -1, n = 0;
    snprintf(label, sizeof label, "CPU%lld", (long long)cpu);
    char *rest = strchr(line, '\n'), *save = NULL;
    if (!rest)
        return -1;
    *rest++ = '\0';
    for (char *word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save), n++)
        if (strcmp(word, label) == 0)
            column = n;
    if (column < 0)
        return -1;
    int64_t sum = 0;
    for (line = rest; line && *line; line = rest) {
        if ((rest = strchr(line, '\n')))
            *rest++ = '\0';
        char *at = strchr(line, ':');
        for (int i = 0; at && i <= column; i++) {
            char *end;
            long long value = strtoll(i ? at : at + 1, &end, 10);
            if (end == (i ? at : at + 1))
                break;
            at = end;
            if (i == column)
                sum += value;
        }
    }
    return sum;
}

static int64_t delay_of(struct spinner *s)
{
    char text[128] = "";
    long long cpu, delay, slices;
    ssize_t got = s->schedstat < 0 ? -1 : pread(s->schedstat, text, sizeof text - 1, 0);
    return got > 0 && sscanf(text, "%lld %lld %lld", &cpu, &delay, &slices) == 3 ? delay : -1;
}

/* Who is preempted between two of these reads would book the same time twice, or never: then it
 * reads again. */
static void read_edge(struct spinner *s, struct edge *edge)
{
    pthread_mutex_lock(&turn);
    edge->interrupts = interrupts_of(s->cpu);
    pthread_mutex_unlock(&turn);
    for (int tries = 0; tries < 10; tries++) {
        edge->delay_ns = delay_of(s);
        edge->cpu_ns = lb_read(CLOCK_THREAD_CPUTIME_ID);
        edge->ns = lb_now();
        if (delay_of(s) == edge->delay_ns)
            return;
    }
}

static void busy(int64_t ns)
{
    for (int64_t until = lb_now() + ns; lb_now() < until;)
        lb_relax();
}

static void spin_window(struct spinner *s, int64_t w)
{
    struct edge a, b;
    double lost = 0, shorts = 0;
    int64_t short_count = 0;
    read_edge(s, &a);
    int64_t last = lb_now(), end = a.ns + s->window_ns, planted = last - PLANT_EVERY_NS / 2, now;
    while (last < end) {
        if (s->plant_ns && last - planted >= PLANT_EVERY_NS) {
            planted = last;
            busy(s->plant_ns);
        }
        now = lb_now();
        int64_t gap = now - last;
        if (gap > s->threshold_ns) {
            lost += (double)gap;
            s->longest_ns = fmax(s->longest_ns, (double)gap);
            if (gap < SHORT_NS)
                shorts += (double)gap, short_count++;
        }
        last = now;
    }
    read_edge(s, &b);
    double wall = (double)(b.ns - a.ns),
           delay = b.delay_ns < 0 ? NAN : (double)(b.delay_ns - a.delay_ns);
    int64_t counted =
        a.interrupts < 0 || b.interrupts < 0 ? short_count : b.interrupts - a.interrupts;
    double interrupts =
        short_count > counted ? shorts * (double)counted / (double)short_count : shorts;
    double below = lost - interrupts - (isnan(delay) ? 0 : delay);
    s->parts[LOST][w] = 100 * lost / wall;
    s->parts[BELOW][w] = 100 * fmax(below, 0) / wall;
    s->parts[DELAY][w] = 100 * delay / wall;
    s->parts[INTERRUPTS][w] = 100 * interrupts / wall;
    s->parts[WALL][w] = wall / 1e6;
    s->parts[ACCOUNTED][w] = ((double)(b.cpu_ns - a.cpu_ns) + delay) / 1e6;
}

static void *spin(void *state)
{
    struct spinner *s = state;
    char path[64];
    lb_pin(s->cpu);
    snprintf(path, sizeof path, "/proc/self/task/%ld/schedstat", (long)syscall(SYS_gettid));
    s->schedstat = open(path, O_RDONLY | O_CLOEXEC);
    atomic_fetch_add(&start.arrived, 1);
    while (!atomic_load(&start.epoch))
        sched_yield();
    for (int64_t w = 0; w < s->windows; w++)
        spin_window(s, w);
    if (s->schedstat >= 0)
        close(s->schedstat);
    return NULL;
}

static int64_t choose(struct lb_run *run, int64_t *cpus)
{
    int64_t count = 0;
    if (!lb_int(run, "all")) {
        cpus[count++] = lb_given(run, "cpu") ? lb_int(run, "cpu") : lb_cpu();
        return count;
    }
    for (int64_t cpu = 0; cpu <= LB_MAX_CPU && count < lb_int(run, "most"); cpu++)
        if (lb_usable(cpu))
            cpus[count++] = cpu;
    return count;
}

static struct spinner *prepare(struct lb_run *run, const int64_t *cpus, int64_t count)
{
    struct spinner *spinners = lb_room((size_t)count, sizeof *spinners);
    for (int64_t i = 0; i < count; i++) {
        struct spinner *s = &spinners[i];
        *s = (struct spinner){
            .cpu = cpus[i],
            .windows = run->samples,
            .window_ns = lb_int(run, "window_ms") * 1000000,
            .threshold_ns = (int64_t)fmax(LEAST_GAP_NS, READS * run->timer.read_ns),
            .plant_ns = llround(lb_num(run, "plant_percent") / 100 * PLANT_EVERY_NS)};
        for (int part = 0; part < PARTS; part++)
            s->parts[part] = lb_room((size_t)run->samples, sizeof(double));
    }
    return spinners;
}

static void spin_all(struct spinner *spinners, int64_t count)
{
    for (int64_t i = 1; i < count; i++)
        if (pthread_create(&spinners[i].thread, NULL, spin, &spinners[i]))
            lb_fail("cannot start a thread for CPU %lld", (long long)spinners[i].cpu);
    while (atomic_load(&start.arrived) < count - 1)
        sched_yield();
    atomic_store(&start.epoch, 1);
    spin(&spinners[0]);
    for (int64_t i = 1; i < count; i++)
        pthread_join(spinners[i].thread, NULL);
}

static double sum(const struct spinner *s, int part)
{
    double total = 0;
    for (int64_t w = 0; w < s->windows; w++)
        total += s->parts[part][w];
    return total;
}

static int run(struct lb_run *run)
{
    static int64_t cpus[LB_MAX_CPU + 1];
    int64_t count = choose(run, cpus);
    struct spinner *spinners = prepare(run, cpus, count);
    double *series[INTERRUPTS + 1], wall = 0, accounted = 0, longest = 0;
    for (int part = LOST; part <= INTERRUPTS; part++)
        series[part] = lb_series(run, NAMES[part]);
    lb_begin(run);
    spin_all(spinners, count);
    lb_end(run);
    for (int64_t w = 0; w < run->samples; w++)
        run->offsets[w] = w * spinners[0].window_ns;
    for (int64_t i = 0; i < count; i++) {
        for (int part = LOST; part <= INTERRUPTS; part++)
            for (int64_t w = 0; w < run->samples; w++)
                series[part][w] += spinners[i].parts[part][w] / (double)count;
        wall += sum(&spinners[i], WALL);
        accounted += sum(&spinners[i], ACCOUNTED);
        longest = fmax(longest, spinners[i].longest_ns);
        for (int part = 0; part < PARTS; part++)
            free(spinners[i].parts[part]);
    }
    free(spinners);
    lb_fact_num(run, "wall_ms", wall);
    /* CPU time and run delay: the same, where the kernel keeps its books */
    lb_fact_num(run, "accounted_ms", accounted);
    lb_fact_num(run, "longest_ms", longest / 1e6);
    lb_fact_num(run, "processors", (double)count);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"window_ms", 'i', 1, 10000, 50, NULL},
    {"all", 'i', 0, 1, 0, NULL},
    {"most", 'i', 1, 1024, 64, NULL},
    {"plant_percent", 'f', 0, 90, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CPU_GAP = {
    .name = "cpu-gap",
    .summary =
        "the share of its time that a busy thread did not have its processor, and who had it",
    .run = run,
    .ops = 1,
    .samples = 4,
    .keys = KEYS,
};
LB_KERNEL(CPU_GAP);
