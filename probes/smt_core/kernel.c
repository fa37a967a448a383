/* smt-pair: do two processors share a core, seen from inside; smt-worth: what the second one adds, by instruction mix;
 * smt-scan: cache-line hand-off of every pair.
 *
 * smt-pair interleaves its two arms itself, in slots of 100 us: the victim on `cpu` always runs port-bound additions,
 * its neighbour on `peer` runs the same (hungry) or a dependent multiplication chain (light), as a balanced random
 * sequence says. Both processors are busy in both, so idle, wake-up, steal and frequency are common to the two arms;
 * only a shared core makes them differ. The first tenth of a slot is a guard. Hand-off: a flag on a line of its own
 * goes back and forth (nviennot's core-to-core-latency: siblings 4-14 ns one way, distinct cores 15 ns and more).
 */
#include "lb.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { SLOT_NS = 100000, GUARD_NS = 10000, TURN = 16, HANDOFF_SAMPLES = 30, HANDOFFS = 200, STALE_NS = 50000 };

/* ---- work ---- */
static void hungry(int64_t rounds)
{
    uint64_t v[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    while (rounds--)
        lb_add8_64(v, 1);
}

static void light(int64_t rounds)
{
    uint64_t value = 3;
    while (rounds--)
        lb_mul_64(&value, 3);
}

/* ns per round of `work` from now until `end`; the count comes back in *rounds. */
static double until(void (*work)(int64_t), int64_t end, int64_t *rounds)
{
    int64_t started = lb_now(), now, done = 0;
    do {
        work(TURN);
        done += TURN;
    } while ((now = lb_now()) < end);
    *rounds = done;
    return (double)(now - started) / (double)done;
}

/* ---- two threads that start together ---- */
static struct {
    int64_t cpu, peer, slots;
    _Atomic int64_t epoch; /* ns; 0: not yet */
    unsigned char *hungry; /* one a slot */
    double plant;
    double *victim;
    _Alignas(128) _Atomic int64_t mine, theirs; /* latest stamp of each, for who runs alone */
    _Alignas(128) atomic_int flag;
    _Alignas(128) int64_t handoffs;
} pair;

static void wait_for(int64_t moment)
{
    while (lb_now() < moment)
        lb_relax();
}

static void *neighbour(void *unused)
{
    (void)unused;
    int64_t rounds, epoch;
    lb_pin(pair.peer);
    while (!(epoch = atomic_load(&pair.epoch)))
        lb_relax();
    for (int64_t i = 0; i < pair.slots; i++) {
        wait_for(epoch + i * SLOT_NS);
        until(pair.hungry[i] ? hungry : light, epoch + (i + 1) * SLOT_NS - GUARD_NS, &rounds);
        atomic_store_explicit(&pair.theirs, i, memory_order_relaxed);
    }
    return NULL;
}

static void *answer(void *unused)
{
    (void)unused;
    lb_pin(pair.peer);
    for (int64_t i = 0; i < pair.handoffs; i++) {
        while (atomic_load_explicit(&pair.flag, memory_order_acquire) != 1)
            ;
        atomic_store_explicit(&pair.flag, 0, memory_order_release);
    }
    return NULL;
}

static pthread_t start(void *(*body)(void *))
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, body, NULL);
    if (error)
        lb_fail("cannot start a second thread: %s", strerror(error));
    return thread;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One-way hand-off in ns: the tenth percentile of some means. Gives up after 0.2 s: stacked processors take 4 ms each. */
static double handoff(int64_t samples, int64_t times)
{
    double means[HANDOFF_SAMPLES];
    int64_t taken = 0, give_up = lb_now() + 200000000;
    atomic_store(&pair.flag, 0);
    pair.handoffs = samples * times;
    pthread_t peer = start(answer);
    for (int64_t done = 0; done < pair.handoffs;) {
        int64_t before = lb_now(), first = done;
        do {
            atomic_store_explicit(&pair.flag, 1, memory_order_release);
            while (atomic_load_explicit(&pair.flag, memory_order_acquire) != 0)
                ;
            done++;
        } while (done % times && lb_now() < give_up);
        means[taken++] = (double)(lb_now() - before) / (double)(done - first) / 2;
        if (lb_now() >= give_up) {
            for (; done < pair.handoffs; done++) { /* the peer still counts: let it go */
                atomic_store(&pair.flag, 1);
                while (atomic_load(&pair.flag) != 0 && lb_now() < give_up + 2000000000)
                    ;
            }
            break;
        }
    }
    pthread_join(peer, NULL);
    qsort(means, (size_t)taken, sizeof *means, ascending);
    return means[taken / 10];
}
