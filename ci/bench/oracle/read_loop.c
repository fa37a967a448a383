/* Oracle for the cost of a clock read: the loop a stranger would write, compiled without anything
 * of ours.
 *
 * read_loop CPU prints the median of 80 samples, in ns per read of CLOCK_MONOTONIC.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES = 80, LOOPS = 20000 };

static int64_t stamp(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void plain(void)
{
    struct timespec t;
    for (int i = 0; i < LOOPS; i++)
        clock_gettime(CLOCK_MONOTONIC, &t);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    double samples[SAMPLES];
    if (argc != 2)
        return 2;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)atoi(argv[1]), &set);
    sched_setaffinity(0, sizeof set, &set);
    for (int i = 0; i < SAMPLES; i++) {
        int64_t before = stamp();
        plain();
        samples[i] = (double)(stamp() - before) / LOOPS;
    }
    qsort(samples, SAMPLES, sizeof *samples, ascending);
    printf("%.4f\n", samples[SAMPLES / 2]);
    return 0;
}
