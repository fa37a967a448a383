/* swap-cache: what a swappiness is worth to a program that has hot memory, cold memory and a file.
 * swap-cost: what a page costs from swap, against one from the file.
 *
 * Fixed work, so that two settings differ in nothing but time: `rounds` times one random read of 64
 * KiB of the file and sixteen touches of random hot pages; half of them beforehand, untimed. The
 * cold memory is written once and never looked at again. Limit and swappiness are those of the
 * control group we run in. A sample is the mean time of a round.
 */
#include "lb.h"
#include "rigs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, READ = 65536, TOUCHES = 16 };

static uint64_t seed = LB_SEED;

/* Memory that holds noise: nothing below can merge, compress or drop it. */
static char *room(int64_t mib)
{
    size_t bytes = (size_t)mib << 20;
    char *found = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED)
        lb_fail("no memory for %lld MiB", (long long)mib);
    madvise(found, bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < bytes; at += sizeof(uint64_t))
        *(uint64_t *)(found + at) = lb_random(&seed);
    return found;
}

static int open_file(struct lb_run *run, int flags)
{
    const char *path = lb_text(run, "file");
    if (!path)
        lb_usage("give file=PATH, which is made where it is missing");
    lb_fill(path, (size_t)lb_int(run, "file_mib") << 20, 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0)
        lb_fail("cannot open %s: %s", path, strerror(errno));
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
    return fd;
}

static double swapped_kib(void)
{
    char text[4096] = "", *at;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NAN;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 && (at = strstr(text, "VmSwap:")) ? strtod(at + 7, NULL) : NAN;
}

struct times {
    int64_t read_ns, hot_ns;
};

static struct times one_round(int fd, int64_t blocks, char *hot, int64_t pages)
{
    static char buffer[READ];
    struct times took;
    int64_t from = lb_now();
    if (pread(fd, buffer, READ, (off_t)(lb_random(&seed) % (uint64_t)blocks) * READ) != READ)
        lb_fail("cannot read the file: %s", strerror(errno));
    took.read_ns = lb_now() - from;
    from = lb_now();
    for (int i = 0; i < TOUCHES; i++)
        (*(volatile char *)(hot + (lb_random(&seed) % (uint64_t)pages) * PAGE))++;
    took.hot_ns = lb_now() - from;
    return took;
}

/* Version 2 has no swappiness of a group, but memory.reclaim takes one (kernel 6.10,
 * cgroup-v2.rst): whoever keeps a group below a limit by it decides by which swappiness. The limit
 * proper stands a little above. */
static struct {
    char current[4096], reclaim[4096];
    int64_t limit, swappiness;
    atomic_int leave;
} keeper;

static int64_t number_in(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        lb_fail("cannot read %s: %s", path, strerror(errno));
    close(fd);
    return strtoll(text, NULL, 10);
}

static void *keep_below(void *nothing)
{
    int fd = open(keeper.reclaim, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        lb_fail("cannot open %s: %s", keeper.reclaim, strerror(errno));
    while (!atomic_load(&keeper.leave)) {
        int64_t over = number_in(keeper.current) - keeper.limit;
        if (over > 0 &&
            dprintf(fd, "%lld swappiness=%lld", (long long)over, (long long)keeper.swappiness) <
                0 &&
            errno == EINVAL)
            lb_fail("this kernel's memory.reclaim takes no swappiness; try --disturb host");
        usleep(over > 0 ? 0 : 200);
    }
    close(fd);
    return nothing;
}

static void start_keeper(struct lb_run *run, pthread_t *thread)
{
    const char *group = lb_text(run, "group");
    if (!group)
        return;
    snprintf(keeper.current, sizeof keeper.current, "%s/memory.current", group);
    snprintf(keeper.reclaim, sizeof keeper.reclaim, "%s/memory.reclaim", group);
    keeper.limit = lb_int(run, "keep_mib") << 20, keeper.swappiness = lb_int(run, "swappiness");
    if (pthread_create(thread, NULL, keep_below, NULL))
        lb_fail("cannot start a thread");
}

static void end_keeper(struct lb_run *run, pthread_t thread)
{
    atomic_store(&keeper.leave, 1);
    if (lb_text(run, "group"))
        pthread_join(thread, NULL);
}

static int run(struct lb_run *run)
{
    int fd = open_file(run, 0);
    if (lb_int(run, "build")) {
        lb_begin(run);
        lb_end(run);
        return lb_output(run);
    }
    int64_t blocks = lb_int(run, "file_mib") * 16, pages = lb_int(run, "hot_mib") * 256;
    int64_t each = lb_int(run, "rounds") / run->samples;
    /* planted: a round is followed by a pause of so many times its length */
    double extra = lb_num(run, "plant_extra");
    pthread_t thread;
    start_keeper(run, &thread);
    room(lb_int(run, "cold_mib"));
    char *hot = room(lb_int(run, "hot_mib"));
    for (int64_t i = 0; i < lb_int(run, "rounds") / 2; i++)
        one_round(fd, blocks, hot, pages);
    double *us = lb_series(run, "us"), *reads = lb_series(run, "read_us"),
           *touches = lb_series(run, "hot_ns");
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        struct times sum = {0, 0};
        int64_t paused = 0;
        run->offsets[i] = lb_now() - run->start_ns;
        for (int64_t k = 0; k < each; k++) {
            struct times took = one_round(fd, blocks, hot, pages);
            sum.read_ns += took.read_ns, sum.hot_ns += took.hot_ns;
            int64_t from = lb_now(),
                    until = from + llround(extra * (double)(took.read_ns + took.hot_ns)),
                    now = from;
            while (now < until)
                now = lb_now();
            paused += now - from;
        }
        reads[i] = (double)sum.read_ns / 1000 / (double)each;
        touches[i] = (double)sum.hot_ns / TOUCHES / (double)each;
        us[i] = (double)(sum.read_ns + sum.hot_ns + paused) / 1000 / (double)each;
        lb_place(run);
    }
    lb_end(run);
    end_keeper(run, thread);
    lb_fact_num(run, "swapped_kib", swapped_kib());
    lb_fact_num(run, "major_faults",
                (double)(run->after.usage.ru_majflt - run->before.usage.ru_majflt));
    lb_fact_num(run, "disk_mib",
                (double)(run->after.usage.ru_inblock - run->before.usage.ru_inblock) / 2048);
    return lb_output(run);
}

/* Pages one by one, far apart, so that nobody reads ahead for the next: from swap after
 * MADV_PAGEOUT, or by O_DIRECT. */
static int run_cost(struct lb_run *run)
{
    enum { APART = 64 };
    bool swap = lb_int(run, "from");
    double *us = lb_series(run, "us"), plant = 1 + lb_num(run, "plant_dearer");
    int64_t count = run->samples, out = 0;
    char *memory = NULL, *buffer = NULL;
    int fd = -1;
    if (swap) {
        size_t bytes = (size_t)count * APART * PAGE;
        memory = room((int64_t)(bytes >> 20) + 1);
        if (madvise(memory, bytes, MADV_PAGEOUT))
            lb_fail("madvise(MADV_PAGEOUT): %s", strerror(errno));
        /* What was written out stays in memory until somebody wants the room: the group's limit
         * makes us want it. */
        int64_t push = lb_int(run, "push_mib");
        if (push)
            munmap(room(push), (size_t)push << 20);
        unsigned char there;
        for (int64_t i = 0; i < count; i++)
            out += mincore(memory + i * APART * PAGE, PAGE, &there) == 0 && !(there & 1);
    } else {
        fd = open_file(run, O_DIRECT);
        buffer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    int64_t pages = lb_int(run, "file_mib") * 256;
    lb_begin(run);
    for (int64_t i = 0; i < count; i++) {
        int64_t from = lb_now();
        run->offsets[i] = from - run->start_ns;
        if (swap)
            (*(volatile char *)(memory + i * APART * PAGE))++;
        else if (pread(fd, buffer, PAGE, (off_t)(lb_random(&seed) % (uint64_t)pages) * PAGE) !=
                 PAGE)
            lb_fail("cannot read past the page cache: %s", strerror(errno));
        us[i] = (double)(lb_now() - from) / 1000 * plant;
        lb_place(run);
    }
    lb_end(run);
    lb_fact_num(run, "paged_out", swap ? (double)out / (double)count : NAN);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"file", 's', 0, 0, 0, NULL},
    {"file_mib", 'i', 1, 65536, 40, NULL},
    {"hot_mib", 'i', 1, 65536, 16, NULL},
    {"cold_mib", 'i', 1, 65536, 32, NULL},
    {"rounds", 'i', 4, 1000000, 1000, NULL},
    {"build", 'i', 0, 1, 0, NULL},
    /* our control group of version 2, to be kept below keep_mib by memory.reclaim */
    {"group", 's', 0, 0, 0, NULL},
    {"keep_mib", 'i', 1, 65536, 48, NULL},
    {"swappiness", 'i', 0, 200, 60, NULL},
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
// clang-format off
static const struct lb_key COST_KEYS[] = {
    {"from", 'w', 0, 0, 0, "file swap"},
    {"file", 's', 0, 0, 0, NULL},
    {"file_mib", 'i', 1, 65536, 40, NULL},
    {"push_mib", 'i', 0, 65536, 0, NULL},
    {"plant_dearer", 'f', 0, 100, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
// clang-format on

static const struct lb_kernel SWAP_CACHE = {
    .name = "swap-cache",
    .summary = "file reads and touches of hot memory beside cold memory, under a limit",
    .run = run,
    .ops = 1,
    .samples = 20,
    .keys = KEYS,
};
LB_KERNEL(SWAP_CACHE);

static const struct lb_kernel SWAP_COST = {
    .name = "swap-cost",
    .summary = "a page from swap, or from a file past the page cache",
    .run = run_cost,
    .ops = 1,
    .samples = 64,
    .keys = COST_KEYS,
};
LB_KERNEL(SWAP_COST);
