/* page-touch: the first touch of memory. page-chase: dependent loads that miss the TLB, with small
 * or huge pages.
 *
 * page-touch, recycled: the range was touched and given back (MADV_DONTNEED) just before, so the
 * guest kernel hands out frames that the host backs already. fresh: a new mapping each time. The
 * kernel hands out first what was freed last, so skip_mib are touched before, untimed: what earlier
 * repetitions used up. page-chase: one line per 4 KiB of the range, in random order, so small and
 * huge pages have the same lines in the cache and differ in the reach of the TLB and the length of
 * the walk alone (in a guest up to 24 steps for 4).
 */
#include "lb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, HUGE_PAGE = 2 << 20, LINE = 64, MOST_SAMPLES = 64 };

static char *room_for(size_t bytes, bool huge)
{
    char *room =
        mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        lb_fail("no memory for %zu MiB", bytes >> 20);
    room = (char *)(((uintptr_t)room + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
    madvise(room, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return room;
}

static void touch(char *room, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += PAGE)
        *(volatile char *)(room + at) = 1;
}

/* KiB of this range that lie in huge pages (proc_pid_smaps(5)); -1 where it cannot be read. */
static int64_t huge_kib(const char *room)
{
    char line[512];
    FILE *file = fopen("/proc/self/smaps", "r");
    long long kib = -1;
    bool ours = false;
    while (file && fgets(line, sizeof line, file)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            ours = from <= (uintptr_t)room && (uintptr_t)room < to;
        else if (ours && sscanf(line, "AnonHugePages: %lld kB", &kib) == 1)
            break;
    }
    if (file)
        fclose(file);
    return kib;
}

static int run_touch(struct lb_run *run)
{
    /* planted: so many more pages for each that is counted */
    size_t counted = (size_t)lb_int(run, "mib") << 20;
    size_t bytes = counted + (size_t)(lb_num(run, "plant_extra") * (double)counted) / PAGE * PAGE;
    bool huge = lb_int(run, "pages"), fresh = lb_int(run, "memory");
    double *values = lb_series(run, "ns");
    char *rooms[MOST_SAMPLES];
    if (run->samples > MOST_SAMPLES)
        lb_usage("page-touch keeps what it touched: at most %d samples", MOST_SAMPLES);
    size_t skip = (size_t)lb_int(run, "skip_mib") << 20;
    if (skip)
        touch(room_for(skip, huge), skip);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        rooms[i] = fresh || i == 0 ? room_for(bytes, huge) : rooms[0];
        if (!fresh) {
            touch(rooms[i], bytes);
            madvise(rooms[i], bytes, MADV_DONTNEED);
        }
        int64_t from = lb_now();
        run->offsets[i] = from - run->start_ns;
        touch(rooms[i], bytes);
        values[i] = (double)(lb_now() - from) / (double)(counted / PAGE);
        lb_place(run);
    }
    lb_end(run);
    lb_fact_num(run, "huge_kib", (double)huge_kib(rooms[0]));
    return lb_output(run);
}

struct chase {
    void **at;
    /* planted: so many more loads for each one that is counted, which cost what a load costs just
     * then */
    double extra;
};

static void chase(void *state, int64_t ops)
{
    struct chase *c = state;
    void **at = c->at;
    for (ops += (int64_t)(c->extra * (double)ops); ops > 0; ops--)
        at = *at;
    c->at = at;
}

/* One line of every page, at an offset that differs from page to page, in one random cycle. */
static void *ring(char *room, size_t bytes)
{
    size_t pages = bytes / PAGE;
    uint32_t *order = lb_order(pages, LB_SEED);
#define LINE_OF(page) (room + (size_t)(page) * PAGE + (((page) * 2654435761u >> 8) & 63) * LINE)
    for (size_t i = 0; i < pages; i++)
        *(void **)LINE_OF(order[i]) = LINE_OF(order[(i + 1) % pages]);
    void *first = LINE_OF(order[0]);
    free(order);
    return first;
}

static int run_chase(struct lb_run *run)
{
    size_t bytes = (size_t)lb_int(run, "mib") << 20;
    char *room = room_for(bytes, lb_int(run, "pages"));
    touch(room, bytes);
    struct chase c = {.at = ring(room, bytes)};
    chase(&c, (int64_t)(bytes / PAGE)); /* once around: what fits is in the caches */
    if (!lb_int(run, "calibrate"))
        lb_fact_num(run, "huge_kib", (double)huge_kib(room));
    c.extra = lb_num(run, "plant_extra");
    return lb_batched(run, chase, &c);
}

static const struct lb_key TOUCH_KEYS[] = {
    {"mib", 'i', 2, 4096, 4, NULL},
    {"pages", 'w', 0, 0, 0, "small huge"},
    {"memory", 'w', 0, 0, 0, "recycled fresh"},
    {"skip_mib", 'i', 0, 65536, 0, NULL},
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key CHASE_KEYS[] = {
    {"mib", 'i', 2, 4096, 32, NULL},
    {"pages", 'w', 0, 0, 0, "small huge"},
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel PAGE_TOUCH = {
    .name = "page-touch",
    .summary = "first touch of memory, per 4 KiB: recycled frames or fresh ones",
    .run = run_touch,
    .ops = 1,
    .samples = 4,
    .keys = TOUCH_KEYS,
};
LB_KERNEL(PAGE_TOUCH);

static const struct lb_kernel PAGE_CHASE = {
    .name = "page-chase",
    .summary = "dependent loads, one line per page: small pages or huge ones",
    .run = run_chase,
    .flags = LB_BATCHED,
    .ops = 2000,
    .samples = 40,
    .keys = CHASE_KEYS,
};
LB_KERNEL(PAGE_CHASE);
