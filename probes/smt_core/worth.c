/* smt-worth: what the second processor of a pair adds, by instruction mix.
 *
 * Windows of 2 ms in turns: the first alone, the second alone, both. A sample of solo_ns is what a
 * round costs one thread working alone (mean of the two); pair_ns is what it costs the pair, that
 * is 1 / (sum of their rates). Two full processors give half of solo_ns, a second thread that adds
 * nothing gives all of it.
 */
#include "lb.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { WINDOW_NS = 2000000, LEAD_NS = 500000, LINE = 64, NEAR = 256 << 10, FAR = 64 << 20 };
/* a sleeper wakes up to this late; it spins between two windows, in none */
enum { SPIN_NS = 400000 };

typedef void work(void *state);

/* Each call is some 100 to 400 ns of one kind of instruction; FAR is up to some microseconds. */
static void adds(void *state)
{
    for (int i = 0; i < 16; i++)
        lb_add8_64(state, 1);
}

static void muls(void *state) { lb_mul_64(state, 3); }

static void chase(void *state)
{
    void **at = *(void ***)state;
    for (int i = 0; i < 32; i++)
        at = *at;
    *(void ***)state = at;
}

static void loads(void *state)
{
    volatile uint64_t *line = state;
    for (int i = 0; i < 256; i++)
        (void)line[(i & 7) * 8 + 1];
}

/* Bits of a xorshift decide; no predictor learns them. */
static void branches(void *state)
{
    uint64_t *s = state, x = s[0] | 1, sum = 0;
    for (int i = 0; i < 4; i++) {
        lb_random(&x);
        for (int bit = 0; bit < 8; bit++)
            if (x >> bit & 1) {
                sum += x;
                __asm__ volatile("" : "+r"(sum)); /* keeps it a branch */
            }
    }
    s[0] = x;
    s[1] = sum;
}

#if defined(__x86_64__)
__attribute__((target("avx,fma"))) static void vectors(void *state)
{
    (void)state;
    for (int i = 0; i < 64; i++)
        __asm__ volatile(
            "vfmadd231ps %%ymm0, %%ymm0, %%ymm0\n\tvfmadd231ps %%ymm1, %%ymm1, %%ymm1\n\t"
            "vfmadd231ps %%ymm2, %%ymm2, %%ymm2\n\tvfmadd231ps %%ymm3, %%ymm3, %%ymm3\n\t"
            "vfmadd231ps %%ymm4, %%ymm4, %%ymm4\n\tvfmadd231ps %%ymm5, %%ymm5, %%ymm5\n\t"
            "vfmadd231ps %%ymm6, %%ymm6, %%ymm6\n\tvfmadd231ps %%ymm7, %%ymm7, %%ymm7\n\t"
            "vfmadd231ps %%ymm8, %%ymm8, %%ymm8\n\tvfmadd231ps %%ymm9, %%ymm9, %%ymm9"
            :
            :
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9");
}

static bool has_vectors(void) { return __builtin_cpu_supports("fma"); }
#else
static void vectors(void *state)
{
    (void)state;
    for (int i = 0; i < 64; i++)
        __asm__ volatile(
            "fmla v0.4s, v0.4s, v0.4s\n\tfmla v1.4s, v1.4s, v1.4s\n\tfmla v2.4s, v2.4s, v2.4s\n\t"
            "fmla v3.4s, v3.4s, v3.4s\n\tfmla v4.4s, v4.4s, v4.4s\n\tfmla v5.4s, v5.4s, v5.4s\n\t"
            "fmla v6.4s, v6.4s, v6.4s\n\tfmla v7.4s, v7.4s, v7.4s"
            :
            :
            : "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7");
}

static bool has_vectors(void) { return true; }
#endif

enum mix { ADD, MUL, VECTOR, LOAD, CHASE_NEAR, CHASE_FAR, BRANCH };
static work *const WORKS[] = {adds, muls, vectors, loads, chase, chase, branches};

/* A random cycle through every line of `bytes`, so that no prefetcher knows the next. */
static void *ring(size_t bytes, uint64_t seed)
{
    size_t lines = bytes / LINE;
    char *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        lb_fail("no memory for a ring of %zu bytes", bytes);
    madvise(room, bytes, MADV_HUGEPAGE);
    uint32_t *order = lb_order(lines, LB_SEED + seed);
    for (size_t i = 0; i < lines; i++)
        *(void **)(room + (size_t)order[i] * LINE) = room + (size_t)order[(i + 1) % lines] * LINE;
    free(order);
    return room;
}

enum { ALONE_A, ALONE_B, BOTH };

static struct {
    work *work;
    int64_t peer, windows;
    _Atomic int64_t epoch;
    atomic_int ready;
    double plant;
    double *rate[2];
    void *rings[2];
} worth;

/* each triple starts elsewhere */
static int mode(int64_t window) { return (int)((window + window / 3) % 3); }

static void rest_until(int64_t moment)
{
    int64_t now = lb_now();
    if (moment - now > SPIN_NS) {
        struct timespec gap = {.tv_nsec = moment - now - SPIN_NS};
        nanosleep(&gap, NULL);
    }
    while (lb_now() < moment)
        lb_relax();
}

/* Rounds per ns of one thread over all windows; 0 where it rested. */
static void one_side(int side, double *rate)
{
    _Alignas(LINE) uint64_t values[64] = {1, 2, 3, 4, 5, 6, 7, 8};
    void *state = values;
    if (worth.rings[side])
        values[0] = (uint64_t)(uintptr_t)worth.rings[side];
    for (int64_t w = 0; w < worth.windows; w++) {
        int64_t from = worth.epoch + w * (WINDOW_NS + LEAD_NS), rounds = 0, now;
        bool works = mode(w) == BOTH || mode(w) == side;
        rest_until(from);
        if (!works)
            continue;
        int64_t extra = mode(w) == BOTH ? (int64_t)(worth.plant * 16) : 0;
        do {
            for (int i = 0; i < 16; i++)
                worth.work(state);
            for (int64_t i = 0; i < extra; i++)
                worth.work(state);
            rounds += 16;
        } while ((now = lb_now()) < from + WINDOW_NS);
        /* who had to wait for the other is late, and that counts */
        rate[w] = (double)rounds / (double)(now - from);
    }
}

static void *second(void *unused)
{
    (void)unused;
    lb_pin(worth.peer);
    atomic_store(&worth.ready, 1);
    while (!atomic_load(&worth.epoch))
        lb_relax();
    one_side(1, worth.rate[1]);
    return NULL;
}

static int run(struct lb_run *run)
{
    if (!lb_given(run, "cpu") || !lb_given(run, "peer"))
        lb_usage("smt-worth compares two processors: give cpu=A and peer=B");
    enum mix mix = (enum mix)lb_int(run, "mix");
    if (mix == VECTOR && !has_vectors())
        lb_fail("this processor has no fused multiply-add; leave the mix out");
    worth.work = WORKS[mix];
    worth.peer = lb_int(run, "peer");
    worth.plant = lb_num(run, "plant_slow");
    worth.windows = 3 * run->samples;
    for (int side = 0; side < 2; side++) {
        worth.rate[side] = lb_room((size_t)worth.windows, sizeof(double));
        if (mix == CHASE_NEAR || mix == CHASE_FAR)
            worth.rings[side] = ring(mix == CHASE_NEAR ? NEAR : FAR, (uint64_t)side + 1);
    }
    double *whole = lb_series(run, "whole_ns"), *both = lb_series(run, "pair_ns");
    pthread_t thread;
    lb_begin(run);
    int error = pthread_create(&thread, NULL, second, NULL);
    if (error)
        lb_fail("cannot start a second thread: %s", strerror(error));
    while (!atomic_load(&worth.ready)) /* it starts on our processor and must leave it */
        sched_yield();
    atomic_store(&worth.epoch, lb_now() + LEAD_NS);
    one_side(0, worth.rate[0]);
    pthread_join(thread, NULL);
    lb_end(run);
    for (int64_t i = 0; i < run->samples; i++) {
        double alone = 0, pair = 0;
        for (int64_t w = 3 * i; w < 3 * i + 3; w++) {
            double sum = worth.rate[0][w] + worth.rate[1][w];
            if (mode(w) == BOTH)
                pair = sum;
            else
                alone += sum;
        }
        run->offsets[i] = worth.epoch - run->start_ns + 3 * i * (WINDOW_NS + LEAD_NS);
        whole[i] = 1 / alone; /* if the two did together what each does alone */
        both[i] = 1 / pair;
    }
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"peer", 'i', 0, LB_MAX_CPU, -1, NULL},
    {"mix", 'w', 0, 0, 0, "add mul vector load chase-near chase-far branch"},
    {"plant_slow", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel SMT_WORTH = {
    .name = "smt-worth",
    .summary = "what the second processor of a pair adds, by instruction mix",
    .run = run,
    .ops = 1,
    .samples = 14,
    .keys = KEYS,
};
LB_KERNEL(SMT_WORTH);
