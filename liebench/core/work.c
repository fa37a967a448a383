/* Work of known shape: the sentinel that stands beside repetitions, and the cost of one planted
 * iteration. */
#include "lb.h"

enum { TRIES = 3, CHAIN1_ROUNDS = 1600, CHAIN8_ROUNDS = 5000 };
enum { PLANT_TRIES = 9, PLANT_ITERATIONS = 40000 };

static double smaller(double old, double new) { return old == 0 || new < old ? new : old; }

static double chain1(void)
{
    uint64_t value = 1;
    int64_t start = lb_now();
    for (int i = 0; i < CHAIN1_ROUNDS; i++)
        lb_add1_64(&value, 1);
    return (double)(lb_now() - start) / (CHAIN1_ROUNDS * 64.0);
}

static double chain8(void)
{
    uint64_t v[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int64_t start = lb_now();
    for (int i = 0; i < CHAIN8_ROUNDS; i++)
        lb_add8_64(v, 1);
    return (double)(lb_now() - start) / (CHAIN8_ROUNDS * 64.0);
}

/* A port-bound loop over a latency-bound one. A foreign tenant on the sibling thread takes issue
 * slots and slows the first, hardly the second; frequency changes and steal slow both. The smallest
 * of some 30 us loops, because a single interrupt would otherwise look like a tenant. */
void lb_sentinel_read(struct lb_sentinel *sentinel)
{
    for (int i = 0; i < TRIES; i++) {
        sentinel->chain1_ns = smaller(sentinel->chain1_ns, chain1());
        sentinel->chain8_ns = smaller(sentinel->chain8_ns, chain8());
    }
}

/* ns per iteration of lb_chain; the smallest of several runs, since whatever disturbs a run
 * lengthens it. */
double lb_chain_ns(void)
{
    double least = 0;
    for (int i = 0; i < PLANT_TRIES; i++) {
        int64_t start = lb_now();
        lb_chain(PLANT_ITERATIONS);
        least = smaller(least, (double)(lb_now() - start) / PLANT_ITERATIONS);
    }
    return least;
}
