/* Order: numbers by size, and places by chance. */
#include "lb.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void lb_sort(double *values, size_t count) { qsort(values, count, sizeof *values, ascending); }

uint32_t *lb_order(size_t count, uint64_t seed)
{
    uint32_t *order = lb_room(count, sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = (size_t)(lb_random(&seed) % (i + 1));
        uint32_t kept = order[i];
        order[i] = order[j], order[j] = kept;
    }
    return order;
}
