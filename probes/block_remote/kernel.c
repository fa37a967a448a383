/* block-wait: how long a process really waits for a disk, beside what the kernel calls waiting for
 * I/O.
 *
 * A window is reads of 4 KiB at random places past the page cache, one at a time, by read, by
 * Linux's asynchronous I/O or by io_uring, which wait in different places of the kernel. A thread
 * that is pinned to one processor has either its processor, or waits for it (run delay), or waits
 * for the disk: what is left of the window. Beside it stand iowait of that processor (/proc/stat)
 * and of everybody ("some" of /proc/pressure/io). The kernel calls a processor's idle time iowait
 * while somebody who slept there waits for I/O; with busy=1 a thread of the idle class spins there,
 * so that the processor is never idle and the process waits as before.
 */
#include "lb.h"
#include "rigs/engines.h"
#include "rigs/target.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 4096 };

struct edge {
    int64_t ns, cpu_ns, delay_ns, pressure_us;
    double iowait_ticks;
};

static atomic_int leave;

static void *spin(void *cpu)
{
    lb_pin(*(int64_t *)cpu);
    sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0});
    while (!atomic_load_explicit(&leave, memory_order_relaxed))
        lb_relax();
    return NULL;
}

static size_t slurp(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    ssize_t part;
    while (fd >= 0 && got < room - 1 && (part = read(fd, text + got, room - 1 - got)) > 0)
        got += (size_t)part;
    if (fd >= 0)
        close(fd);
    text[got] = '\0';
    return got;
}

static void look(struct edge *edge, int64_t cpu)
{
    static char text[1 << 20];
    char label[32];
    struct lb_edge alibi;
    snprintf(label, sizeof label, "\ncpu%lld ", (long long)cpu);
    slurp("/proc/stat", text, sizeof text);
    const char *line = strstr(text, label);
    edge->iowait_ticks = NAN;
    if (line)
        sscanf(line + strlen(label), "%*d %*d %*d %*d %lf", &edge->iowait_ticks);
    long long total = -1;
    slurp("/proc/pressure/io", text, sizeof text);
    if ((line = strstr(text, "total=")))
        sscanf(line, "total=%lld", &total);
    edge->pressure_us = total;
    lb_alibi_read(&alibi);
    edge->cpu_ns = alibi.cpu_ns, edge->delay_ns = alibi.run_delay_ns < 0 ? 0 : alibi.run_delay_ns;
    edge->ns = lb_now();
}

static double percent(double part, int64_t whole) { return 100 * part / (double)whole; }

static int run(struct lb_run *run)
{
    const char *path = lb_text(run, "file");
    if (!path)
        lb_usage("block-wait needs file=PATH");
    int64_t cpu = lb_int(run, "cpu"), window = lb_int(run, "window_ms") * 1000000;
    int fd = lb_target(path, false, true);
    uint64_t places = lb_target_bytes(fd) / BLOCK, seed = LB_SEED;
    if (!places)
        lb_usage("%s is smaller than one block", path);
    struct lb_engine engine = lb_engine((int)lb_int(run, "engine"), fd);
    char *buffer = lb_aligned_noise(BLOCK);
    pthread_t spinner;
    bool busy = lb_int(run, "busy");
    double *waited = lb_series(run, "waited"), *iowait = lb_series(run, "iowait"),
           *pressure = lb_series(run, "pressure");
    double tick_ns = 1e9 / (double)sysconf(_SC_CLK_TCK), hide = 1 - lb_num(run, "plant_hide");
    int64_t reads = 0;
    if (busy && pthread_create(&spinner, NULL, spin, &cpu))
        lb_fail("cannot start a thread");
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        struct edge before, after;
        look(&before, cpu);
        run->offsets[i] = before.ns - run->start_ns;
        for (; lb_now() - before.ns < window; reads++)
            engine.read(&engine, buffer, BLOCK, (int64_t)(lb_random(&seed) % places) * BLOCK);
        look(&after, cpu);
        int64_t whole = after.ns - before.ns;
        int64_t had = after.cpu_ns - before.cpu_ns + after.delay_ns - before.delay_ns;
        waited[i] = percent((double)(whole - had), whole);
        iowait[i] = hide * percent((after.iowait_ticks - before.iowait_ticks) * tick_ns, whole);
        pressure[i] = before.pressure_us < 0
                          ? NAN
                          : percent((double)(after.pressure_us - before.pressure_us) * 1000, whole);
        lb_place(run);
    }
    lb_end(run);
    atomic_store(&leave, 1);
    if (busy)
        pthread_join(spinner, NULL);
    lb_fact_num(run, "reads", (double)reads);
    return lb_output(run);
}

// clang-format off
static const struct lb_key KEYS[] = {
    {"file", 's', 0, 0, 0, NULL},
    {"engine", 'w', 0, 0, 0, LB_ENGINES},
    {"busy", 'i', 0, 1, 0, NULL},
    {"window_ms", 'i', 10, 10000, 160, NULL},
    {"plant_hide", 'f', 0, 1, 0, NULL}, /* share of iowait that is kept from sight */
    {NULL, 0, 0, 0, 0, NULL},
};
// clang-format on

static const struct lb_kernel BLOCK_WAIT = {
    .name = "block-wait",
    .summary = "time really lost to a disk, beside iowait and pressure as the kernel tells them",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(BLOCK_WAIT);
