/* smt-pair: do two processors share a core, seen from inside. smt-scan: cache-line hand-off of
 * every pair.
 *
 * smt-pair interleaves its two arms itself, in slots of 100 us: the victim on `cpu` always runs
 * port-bound additions, its neighbour on `peer` runs additions and multiplications (hungry) or
 * dependent divisions (light), as a balanced random sequence says. What is light was measured on
 * threads of one core: on Zen 4 beside a mere multiplication chain the victim takes 2.3 times as
 * long, beside a loop of pauses 1.7, beside these divisions 1.3. Both processors are busy in both,
 * so idle, wake-up, steal and frequency are common to the two arms; only a shared core makes them
 * differ. Around each slot's work stands a guard. Hand-off: a flag on a line of its own goes back
 * and forth (core-to-core-latency's results: siblings 4-14 ns one way, distinct cores 15 ns and
 * more). Together: both publish the time; a stamp of the other that is older than 50 us means that
 * it does not run.
 */
#include "lb.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_NS = 100000, GUARD_NS = 10000 };
enum { MEANS = 30, HANDOFFS = 200, STALE_NS = 50000, TOGETHER_NS = 20000000 };
enum { PATIENCE_NS = 200000000, SCAN_MEANS = 5, SCAN_HANDOFFS = 100, ADD_TURN = 128, TURN = 16 };

/* ---- work: ns per round from now until `end` ----
 * Planted turns are worked like any other, the look at the clock included, and not counted. */
static double adds_until(int64_t end, double plant)
{
    uint64_t v[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int64_t started = lb_now(), now, counted = 0;
    double owed = 0.5; /* turns; half of one rounds to the nearest in the end */
    do {
        for (int64_t i = 0; i < ADD_TURN; i++)
            lb_add8_64(v, 1);
        bool planted = owed >= 1;
        owed += planted ? -1 : plant;
        counted += planted ? 0 : ADD_TURN;
    } while ((now = lb_now()) < end);
    return (double)(now - started) / (double)counted;
}

static void hungry_until(int64_t end)
{
    uint64_t v[8] = {1, 2, 3, 4, 5, 6, 7, 8}, value = 3;
    do
        for (int64_t i = 0; i < TURN; i++) {
            lb_mul_64(&value, 3);
            lb_add8_64(v, 1);
        }
    while (lb_now() < end);
}

static void light_until(int64_t end)
{
    uint64_t value = 3;
    do
        for (int64_t i = 0; i < TURN; i++)
            lb_div_8(&value);
    while (lb_now() < end);
}

/* ---- two threads ---- */
static struct {
    int64_t peer, slots;
    _Atomic int64_t epoch;
    unsigned char *hungry; /* one a slot */
    bool same;             /* a null test: the neighbour is light in both */
    _Alignas(128) atomic_int flag, ready, stop;
    _Alignas(128) _Atomic int64_t theirs;
} pair;

/* The peer starts on our processor and must leave it: spinning here would make it wait for its
 * turn. */
static pthread_t start(void *(*body)(void *))
{
    pthread_t thread;
    atomic_store(&pair.ready, 0);
    atomic_store(&pair.stop, 0);
    int error = pthread_create(&thread, NULL, body, NULL);
    if (error)
        lb_fail("cannot start a second thread: %s", strerror(error));
    while (!atomic_load(&pair.ready))
        sched_yield();
    return thread;
}

static void arrive(void)
{
    lb_pin(pair.peer);
    atomic_store(&pair.ready, 1);
}

static void wait_for(int64_t moment)
{
    while (lb_now() < moment)
        lb_relax();
}

static void *neighbour(void *unused)
{
    (void)unused;
    arrive();
    while (!atomic_load(&pair.epoch))
        lb_relax();
    for (int64_t i = 0; i < pair.slots; i++) {
        int64_t from = pair.epoch + i * SLOT_NS;
        wait_for(from);
        if (pair.hungry[i] && !pair.same)
            hungry_until(from + SLOT_NS - GUARD_NS / 2);
        else
            light_until(from + SLOT_NS - GUARD_NS / 2);
    }
    return NULL;
}

/* As many slots of each kind as there are samples, in a random order that `seed` gives. */
static void shuffle(int64_t samples, uint64_t seed)
{
    /* Knuth's multiplier (MMIX) spreads neighbouring seeds over all bits; no seed of 32 bits
     * becomes 0 */
    uint32_t *order =
        lb_order((size_t)pair.slots, seed * 6364136223846793005u + 1442695040888963407u);
    pair.hungry = lb_room((size_t)pair.slots, 1);
    for (int64_t i = 0; i < pair.slots; i++)
        pair.hungry[i] = order[i] < samples;
    free(order);
}

static void lock_in(struct lb_run *run, double *light, double *hungry)
{
    double plant = lb_num(run, "plant_slow");
    int64_t lights = 0, hungries = 0;
    pthread_t peer = start(neighbour);
    atomic_store(&pair.epoch, lb_now() + GUARD_NS);
    for (int64_t i = 0; i < pair.slots; i++) {
        int64_t from = pair.epoch + i * SLOT_NS;
        wait_for(from + GUARD_NS / 2);
        double ns = adds_until(from + SLOT_NS - GUARD_NS, pair.hungry[i] ? plant : 0);
        if (pair.hungry[i])
            hungry[hungries++] = ns;
        else {
            run->offsets[lights] = from - run->start_ns;
            light[lights++] = ns;
        }
        lb_place(run);
    }
    pthread_join(peer, NULL);
}

/* ---- hand-off ---- */
static void *answer(void *unused)
{
    (void)unused;
    arrive();
    while (!atomic_load_explicit(&pair.stop, memory_order_relaxed))
        if (atomic_load_explicit(&pair.flag, memory_order_acquire) == 1)
            atomic_store_explicit(&pair.flag, 0, memory_order_release);
    return NULL;
}

/* One way in ns: the lowest decile of means over `times` round trips. Stacked processors take
 * milliseconds for each, so it gives up after 0.2 s and says what it has. */
static double handoff(int64_t means, int64_t times)
{
    double seen[MEANS];
    int64_t taken = 0, give_up = lb_now() + PATIENCE_NS;
    atomic_store(&pair.flag, 0);
    pthread_t peer = start(answer);
    for (; taken < means && lb_now() < give_up; taken++) {
        int64_t before = lb_now(), done = 0;
        do {
            atomic_store_explicit(&pair.flag, 1, memory_order_release);
            while (atomic_load_explicit(&pair.flag, memory_order_acquire) != 0)
                ;
        } while (++done < times && lb_now() < give_up);
        seen[taken] = (double)(lb_now() - before) / (double)done / 2;
    }
    atomic_store(&pair.stop, 1);
    pthread_join(peer, NULL);
    lb_sort(seen, (size_t)taken);
    return seen[taken / 10];
}

/* ---- simultaneous progress ---- */
static void *publish(void *unused)
{
    (void)unused;
    arrive();
    while (!atomic_load_explicit(&pair.stop, memory_order_relaxed))
        atomic_store_explicit(&pair.theirs, lb_now(), memory_order_relaxed);
    return NULL;
}

/* Share of 20 ms in which both ran: time in which this thread did not run counts as apart. */
static double together(void)
{
    atomic_store(&pair.theirs, lb_now());
    pthread_t peer = start(publish);
    int64_t began = lb_now(), last = began, both = 0, now;
    while ((now = lb_now()) < began + TOGETHER_NS) {
        int64_t age = now - atomic_load_explicit(&pair.theirs, memory_order_relaxed);
        if (now - last < STALE_NS && age < STALE_NS)
            both += now - last;
        last = now;
    }
    atomic_store(&pair.stop, 1);
    pthread_join(peer, NULL);
    return (double)both / (double)(now - began);
}

static int run_pair(struct lb_run *run)
{
    if (!lb_given(run, "cpu") || !lb_given(run, "peer"))
        lb_usage("smt-pair compares two processors: give cpu=A and peer=B");
    pair.peer = lb_int(run, "peer");
    pair.same = lb_int(run, "same");
    pair.slots = 2 * run->samples;
    shuffle(run->samples, (uint64_t)lb_int(run, "seed"));
    double *light = lb_series(run, "light_ns"), *hungry = lb_series(run, "hungry_ns");
    double one_way = handoff(MEANS, HANDOFFS), both = together();
    lb_begin(run);
    lock_in(run, light, hungry);
    lb_end(run);
    lb_fact_num(run, "handoff_ns", one_way);
    lb_fact_num(run, "together", both);
    return lb_output(run);
}

/* ---- every pair ---- */
static int run_scan(struct lb_run *run)
{
    static int64_t cpus[LB_MAX_CPU + 1];
    int64_t count = 0, n = 0;
    for (int64_t cpu = lb_int(run, "first"); cpu <= lb_int(run, "last"); cpu++)
        if (lb_usable(cpu))
            cpus[count++] = cpu;
    if (count < 2)
        lb_fail("a pair needs two CPUs that may be used, and there is %lld", (long long)count);
    run->samples = count * (count - 1) / 2;
    if (run->samples > (int64_t)LB_MAX_SAMPLES)
        lb_usage("%lld pairs are more than fit one answer; scan a part with first and last",
                 (long long)run->samples);
    double *one = lb_series(run, "cpu"), *two = lb_series(run, "peer"),
           *ns = lb_series(run, "handoff_ns");
    lb_begin(run);
    for (int64_t a = 0; a < count; a++) {
        lb_pin(cpus[a]);
        for (int64_t b = a + 1; b < count; b++, n++) {
            pair.peer = cpus[b];
            run->offsets[n] = lb_now() - run->start_ns;
            one[n] = (double)cpus[a];
            two[n] = (double)cpus[b];
            ns[n] = handoff(SCAN_MEANS, SCAN_HANDOFFS);
        }
    }
    lb_end(run);
    return lb_output(run);
}

static const struct lb_key PAIR_KEYS[] = {
    {"peer", 'i', 0, LB_MAX_CPU, -1, NULL},
    {"same", 'i', 0, 1, 0, NULL},
    {"seed", 'i', 0, 4294967295.0, 1, NULL},
    {"plant_slow", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key SCAN_KEYS[] = {
    {"first", 'i', 0, LB_MAX_CPU, 0, NULL},
    {"last", 'i', 0, LB_MAX_CPU, LB_MAX_CPU, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel SMT_PAIR = {
    .name = "smt-pair",
    .summary = "whether two processors share a core: "
               "lock-in of a port-hungry neighbour, hand-off, simultaneous progress",
    .run = run_pair,
    .ops = 1,
    .samples = 250,
    .keys = PAIR_KEYS,
};
LB_KERNEL(SMT_PAIR);

static const struct lb_kernel SMT_SCAN = {
    .name = "smt-scan",
    .summary = "cache-line hand-off between every two processors",
    .run = run_scan,
    .ops = 1,
    .samples = 1,
    .keys = SCAN_KEYS,
};
LB_KERNEL(SMT_SCAN);
