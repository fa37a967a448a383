/* cpu-frequency: cycles per second, from dependent chains of known latency.
 *
 * An operation is a chain of CYCLES cycles: additions (1 cycle), multiplications (3 on every x86
 * and most ARM cores since 2010), rotations (1), or four interleaved chains of fused multiply-adds
 * (4 cycles each), which also heat the vector unit. No chain gains from a wider core, a cache or a
 * predictor, so ns per operation over CYCLES is the cycle time; that the chains agree is the proof
 * that the latencies hold for this core. load=all keeps every other usable processor busy with
 * additions meanwhile, and heat_s lets them all work before anything is timed.
 */
#include "lb.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { CYCLES = 192 };

static void adds(void *state, int64_t ops)
{
    for (uint64_t *value = state; ops--;) {
        lb_add1_64(value, 1);
        lb_add1_64(value, 1);
        lb_add1_64(value, 1);
    }
}

static void muls(void *state, int64_t ops)
{
    for (uint64_t *value = state; ops--;)
        lb_mul_64(value, 3);
}

#if defined(__x86_64__)
static void rotates(void *state, int64_t ops)
{
    uint64_t value = *(uint64_t *)state;
    while (ops--)
        __asm__ volatile(".rept 192\n\trol $1, %0\n\t.endr" : "+r"(value) : : "cc");
    *(uint64_t *)state = value;
}

__attribute__((target("avx,fma"))) static void vectors(void *state, int64_t ops)
{
    (void)state;
    while (ops--)
        __asm__ volatile(
            ".rept 48\n\t"
            "vfmadd231ps %%ymm0, %%ymm4, %%ymm0\n\tvfmadd231ps %%ymm1, %%ymm4, %%ymm1\n\t"
            "vfmadd231ps %%ymm2, %%ymm4, %%ymm2\n\tvfmadd231ps %%ymm3, %%ymm4, %%ymm3\n\t.endr"
            :
            :
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4");
}

static bool has_vectors(void) { return __builtin_cpu_supports("fma"); }
#else
static void rotates(void *state, int64_t ops)
{
    uint64_t value = *(uint64_t *)state;
    while (ops--)
        __asm__ volatile(".rept 192\n\tror %0, %0, #1\n\t.endr" : "+r"(value));
    *(uint64_t *)state = value;
}

static void vectors(void *state, int64_t ops)
{
    (void)state;
    while (ops--)
        __asm__ volatile(".rept 48\n\tfmla v0.4s, v4.4s, v0.4s\n\tfmla v1.4s, v4.4s, v1.4s\n\t"
                         "fmla v2.4s, v4.4s, v2.4s\n\tfmla v3.4s, v4.4s, v3.4s\n\t.endr"
                         :
                         :
                         : "v0", "v1", "v2", "v3", "v4");
}

static bool has_vectors(void) { return true; }
#endif

static struct {
    int64_t cpu;
    atomic_int ready, stop;
} load;

static void *keep_busy(void *cpu)
{
    uint64_t value = 1;
    lb_pin((int64_t)(intptr_t)cpu);
    atomic_fetch_add(&load.ready, 1);
    while (!atomic_load_explicit(&load.stop, memory_order_relaxed))
        adds(&value, 100);
    return NULL;
}

/* One busy thread on every usable processor but ours, at most `most`. They end with the process. */
static int start_load(int64_t ours, int64_t most)
{
    int count = 0;
    for (int64_t cpu = 0; cpu <= LB_MAX_CPU && count < most; cpu++) {
        pthread_t thread;
        if (cpu == ours || !lb_usable(cpu))
            continue;
        if (pthread_create(&thread, NULL, keep_busy, (void *)(intptr_t)cpu))
            lb_fail("cannot start a thread for CPU %lld", (long long)cpu);
        pthread_detach(thread);
        count++;
    }
    while (atomic_load(&load.ready) < count)
        sched_yield();
    return count;
}

/* Heat: this processor works too, before anything is timed. Rest: nothing of ours works at all. */
static void heat(int64_t seconds)
{
    uint64_t value = 1;
    for (int64_t until = lb_now() + seconds * 1000000000; seconds && lb_now() < until;)
        adds(&value, 1000);
}

static void rest(int64_t seconds)
{
    struct timespec span = {.tv_sec = seconds};
    if (seconds)
        nanosleep(&span, NULL);
}

static int run(struct lb_run *run)
{
    static lb_batch *const CHAINS[] = {adds, muls, rotates, vectors};
    static uint64_t values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int64_t chain = lb_int(run, "chain");
    if (CHAINS[chain] == vectors && !has_vectors())
        lb_fail("this processor has no fused multiply-add; leave the case out");
    rest(lb_int(run, "rest_s"));
    int busy = lb_int(run, "load") ? start_load(lb_int(run, "cpu"), lb_int(run, "most")) : 0;
    if (!lb_int(run, "calibrate")) {
        lb_fact_num(run, "cycles", CYCLES);
        lb_fact_num(run, "busy", busy);
    }
    heat(lb_int(run, "heat_s"));
    int status = lb_batched(run, CHAINS[chain], values);
    atomic_store(&load.stop, 1);
    return status;
}

static const struct lb_key KEYS[] = {
    {"chain", 'w', 0, 0, 0, "add mul rotate vector"},
    {"load", 'w', 0, 0, 0, "none all"},
    {"most", 'i', 1, 1024, 256, NULL},
    {"heat_s", 'i', 0, 600, 0, NULL},
    {"rest_s", 'i', 0, 600, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel CPU_FREQUENCY = {
    .name = "cpu-frequency",
    .summary = "cycle time from dependent chains of 192 cycles",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 10000,
    .samples = 60,
    .keys = KEYS,
};
LB_KERNEL(CPU_FREQUENCY);
