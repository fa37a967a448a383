/* vm-exit: what an instruction costs that a hypervisor intercepts, from unprivileged user space.
 *
 * cpuid exits on every hypervisor that uses hardware virtualization (AMD64 manual 2, 15.9; Intel
 * SDM 3, 25.1.2); xgetbv and rdtscp exit on none that we know. exit-witness: the same cpuid timed
 * by the clock and by a thread that only counts, on another processor: a hypervisor that takes its
 * own time out of the guest's counter cannot take it out of that thread.
 */
#include "lb.h"

#if defined(__x86_64__)

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static inline void cpuid(uint32_t leaf)
{
    uint32_t a = leaf, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d) : : "memory");
}

static void cpuids(void *state, int64_t ops)
{
    uint32_t leaf = *(uint32_t *)state;
    while (ops--)
        cpuid(leaf);
}

static void xgetbvs(void *state, int64_t ops)
{
    uint32_t low, high;
    (void)state;
    while (ops--)
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
}

static void rdtscps(void *state, int64_t ops)
{
    uint32_t low, high, cpu;
    (void)state;
    while (ops--)
        __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(cpu));
}

enum { TRIES = 25, ROUNDS = 100 };

static void floats(double *value)
{
    __asm__ volatile(LB_TIMES_64("mulsd %0, %0\n\t") : "+x"(*value));
}

/* ns of one instruction of a dependent chain: the smallest of some runs, whose interruptions only
 * add. A scalar multiplication in floating point takes 3 to 5 core cycles on hardware, and tens
 * where a program imitates it; one of integers takes 3, imitated or not. */
static double chain_ns(bool floating)
{
    double least = 0, number = 1.0000001;
    uint64_t value = 3;
    for (int try = 0; try < TRIES; try++) {
        int64_t from = lb_now();
        for (int i = 0; i < ROUNDS; i++)
            if (floating)
                floats(&number);
            else
                lb_mul_64(&value, 3);
        double each = (double)(lb_now() - from) / (ROUNDS * 64);
        least = try == 0 || each < least ? each : least;
    }
    return least;
}

static void refused(int signal)
{
    static const char said[] = "liebench-core: this instruction is not allowed here "
                               "(CPUID faulting, or too old a processor)\n";
    ssize_t put = write(2, said, sizeof said - 1);
    (void)put, (void)signal;
    _exit(LB_FAILED);
}

static void catch_refusals(void)
{
    struct sigaction act = {.sa_handler = refused};
    sigaction(SIGILL, &act, NULL);
    sigaction(SIGSEGV, &act, NULL);
}

static int run_exit(struct lb_run *run)
{
    static lb_batch *const INSTRUCTIONS[] = {cpuids, xgetbvs, rdtscps};
    uint32_t leaf = (uint32_t)lb_int(run, "leaf");
    catch_refusals();
    if (!lb_int(run, "calibrate")) {
        /* first the one that warms the other up */
        double float_ns = chain_ns(true), cycle_ns = chain_ns(false) / 3;
        lb_fact_num(run, "cycle_ns", cycle_ns);
        lb_fact_num(run, "float_cycles", float_ns / cycle_ns);
    }
    return lb_batched(run, INSTRUCTIONS[lb_int(run, "op")], &leaf);
}

/* ---- the witness ---- */
static struct {
    int64_t peer;
    atomic_int ready, stop;
    _Alignas(128) _Atomic uint64_t count;
} witness;

static void *count(void *unused)
{
    (void)unused;
    lb_pin(witness.peer);
    atomic_store(&witness.ready, 1);
    for (uint64_t n = 0; !atomic_load_explicit(&witness.stop, memory_order_relaxed); n++)
        atomic_store_explicit(&witness.count, n, memory_order_relaxed);
    return NULL;
}

static uint64_t seen(void) { return atomic_load_explicit(&witness.count, memory_order_relaxed); }

/* ns per count while this thread computes and nothing exits: half a sample before and after each
 * sample. */
static double rate(int64_t ns)
{
    int64_t from = lb_now(), now;
    uint64_t first = seen();
    while ((now = lb_now()) < from + ns)
        lb_chain(100);
    return (double)(now - from) / (double)(seen() - first + 1);
}

static int run_witness(struct lb_run *run)
{
    pthread_t thread;
    if (!lb_given(run, "cpu") || !lb_given(run, "peer") ||
        lb_int(run, "cpu") == lb_int(run, "peer"))
        lb_usage("exit-witness needs two processors: give cpu=A and peer=B");
    catch_refusals();
    witness.peer = lb_int(run, "peer");
    double *clock = lb_series(run, "clock_ns"), *counted = lb_series(run, "count_ns"),
           hide = lb_num(run, "plant_hide");
    if (pthread_create(&thread, NULL, count, NULL))
        lb_fail("cannot start a second thread");
    while (!atomic_load(&witness.ready))
        sched_yield();
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        run->offsets[i] = lb_now() - run->start_ns;
        double before = rate(500000);
        int64_t from = lb_now();
        uint64_t first = seen();
        for (int64_t op = 0; op < run->ops; op++)
            cpuid(0);
        uint64_t counts = seen() - first;
        int64_t ns = lb_now() - from;
        double per_count = (before + rate(500000)) / 2;
        clock[i] = (double)ns * (1 - hide) / (double)run->ops;
        counted[i] = (double)counts * per_count / (double)run->ops;
        lb_place(run);
    }
    lb_end(run);
    atomic_store(&witness.stop, 1);
    pthread_join(thread, NULL);
    return lb_output(run);
}

static const struct lb_key EXIT_KEYS[] = {
    {"op", 'w', 0, 0, 0, "cpuid xgetbv rdtscp"},
    {"leaf", 'i', 0, 4294967295.0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key WITNESS_KEYS[] = {
    {"peer", 'i', 0, LB_MAX_CPU, -1, NULL},
    {"plant_hide", 'f', 0, 0.99, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel VM_EXIT = {
    .name = "vm-exit",
    .summary = "cost of an instruction that a hypervisor intercepts, and of ones that none does",
    .run = run_exit,
    .flags = LB_BATCHED,
    .ops = 100,
    .samples = 20,
    .keys = EXIT_KEYS,
};
LB_KERNEL(VM_EXIT);

static const struct lb_kernel EXIT_WITNESS = {
    .name = "exit-witness",
    .summary = "the cost of cpuid by the clock, and by a thread that counts on another processor",
    .run = run_witness,
    .ops = 200,
    .samples = 10,
    .keys = WITNESS_KEYS,
};
LB_KERNEL(EXIT_WITNESS);

#endif /* elsewhere user space has no instruction that exits: the probe needs x86-64 */
