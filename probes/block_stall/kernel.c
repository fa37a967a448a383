/* block-prober: what applications see of a disk that stops answering, by an open loop.
 *
 * A tool that sends its next request when the last one is answered sends nothing while the disk
 * hangs: a hang of three seconds is one sample among thousands, and its 99th percentile knows
 * nothing of it ("coordinated omission", Tene). Here arrivals are fixed beforehand, one every
 * `every_us`, as from users who do not know each other. Each carries its intended start; workers
 * take them up in order; latency is completion minus intended start, so who had to queue for a
 * worker is counted from when it should have begun. Up to four kinds of operation run side by side:
 * reads past the page cache, reads of what is cached, writes into the cache, and writes that are
 * flushed.
 */
#include "lb.h"
#include "rigs/target.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ, CACHED, WRITE, SYNC, OPS };
/* REGION: blocks that CACHED, WRITE, SYNC each have */
enum { BLOCK = 4096, REGION = 256, WORKERS = 64, PATIENCE_S = 30 };
static const char *const NAMES[OPS] = {"read", "cached", "write", "sync"};

struct stream {
    int op, fd;
    double *ms;          /* latency of each arrival */
    atomic_long next, done, errors;
    int64_t *own_ns;     /* what each operation took by itself: all that a closed loop sees */
    pthread_t workers[WORKERS];
};

static struct {
    int64_t start_ns, every_ns, count, places, hold_from, hold_until;
    double **ms;
} p;

static int64_t monotonic(void) { return lb_read(CLOCK_MONOTONIC); }

static void sleep_until(int64_t ns)
{
    struct timespec at = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static bool operate(const struct stream *s, char *buffer, uint64_t *seed)
{
    uint64_t near = lb_random(seed) % REGION;
    off_t own = (off_t)(((uint64_t)(s->op - CACHED) * REGION + near) * BLOCK);
    off_t far = (off_t)((3 * REGION + lb_random(seed) % (uint64_t)p.places) * BLOCK);
    switch (s->op) {
    case READ: return pread(s->fd, buffer, BLOCK, far) == BLOCK;
    case CACHED: return pread(s->fd, buffer, BLOCK, own) == BLOCK;
    case WRITE: return pwrite(s->fd, buffer, BLOCK, own) == BLOCK;
    default: return pwrite(s->fd, buffer, BLOCK, own) == BLOCK && fdatasync(s->fd) == 0;
    }
}

/* Takes the next arrival, waits until it is due, performs it. Who is late begins at once. */
static void *work(void *given)
{
    struct stream *s = given;
    uint64_t seed = LB_SEED + (uint64_t)(uintptr_t)&seed;
    char *buffer = lb_aligned_noise(BLOCK);
    for (int64_t i; (i = atomic_fetch_add(&s->next, 1)) < p.count;) {
        int64_t due = p.start_ns + i * p.every_ns;
        sleep_until(due);
        int64_t before = monotonic();
        if ((s->op == READ || s->op == SYNC) && before >= p.hold_from)
            sleep_until(p.hold_until); /* the planted stall */
        if (!operate(s, buffer, &seed))
            atomic_fetch_add(&s->errors, 1);
        int64_t after = monotonic();
        s->ms[i] = (double)(after - due) / 1e6, s->own_ns[i] = after - before;
        atomic_fetch_add(&s->done, 1);
    }
    free(buffer);
    return NULL;
}

/* The 99th percentile of a closed loop over the same time: each request is sent when the one before
 * is answered, and is timed by itself. */
static double closed_p99(const struct stream *s)
{
    double *seen = lb_room((size_t)p.count, sizeof *seen);
    int64_t free_at = 0, used = 0;
    for (int64_t i = 0; i < p.count; i++) {
        int64_t due = i * p.every_ns;
        if (due < free_at)
            continue; /* never sent: the loop was still waiting */
        seen[used++] = (double)s->own_ns[i] / 1e6, free_at = due + s->own_ns[i];
    }
    lb_sort(seen, (size_t)used);
    double found = used ? seen[(used * 99) / 100] : NAN;
    free(seen);
    return found;
}

static void open_stream(struct stream *s, const char *path)
{
    s->fd = lb_target(path, s->op == WRITE || s->op == SYNC, s->op == READ);
    size_t blocks = lb_target_bytes(s->fd) / BLOCK;
    if (blocks < 4 * REGION)
        lb_usage("%s is smaller than 4 MiB", path);
    p.places = (int64_t)blocks - 3 * REGION;
    char *buffer = lb_aligned_noise(BLOCK);
    for (int i = 0; s->op == CACHED && i < REGION; i++)
        if (pread(s->fd, buffer, BLOCK, (off_t)i * BLOCK) != BLOCK)
            lb_fail("cannot read %s: %s", path, strerror(errno));
    free(buffer);
    s->own_ns = lb_room((size_t)p.count, sizeof *s->own_ns);
}

static void start(struct stream *s, int64_t workers)
{
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 1 << 17);
    for (int64_t i = 0; i < workers; i++)
        if (pthread_create(&s->workers[i], &small, work, s))
            lb_fail("cannot start %lld threads", (long long)workers);
    pthread_attr_destroy(&small);
}

static void tell(struct lb_run *run, const struct stream *s)
{
    char name[32];
    double longest = 0;
    for (int64_t i = 0; i < p.count; i++)
        longest = fmax(longest, s->ms[i]);
    snprintf(name, sizeof name, "%s_longest_ms", NAMES[s->op]);
    lb_fact_num(run, name, longest);
    snprintf(name, sizeof name, "%s_closed_p99_ms", NAMES[s->op]);
    lb_fact_num(run, name, closed_p99(s));
    snprintf(name, sizeof name, "%s_errors", NAMES[s->op]);
    lb_fact_num(run, name, (double)atomic_load(&s->errors));
}

static bool asked(const char *kinds, const char *name)
{
    char list[64], *save = NULL;
    snprintf(list, sizeof list, "%s", kinds);
    for (char *word = strtok_r(list, "+", &save); word; word = strtok_r(NULL, "+", &save))
        if (strcmp(word, name) == 0)
            return true;
    return false;
}

static int run(struct lb_run *run)
{
    const char *path = lb_text(run, "file"), *kinds = lb_text(run, "kinds");
    static struct stream streams[OPS];
    int64_t workers = lb_int(run, "workers");
    if (!path)
        lb_usage("block-prober needs file=PATH, whose content it overwrites");
    p.every_ns = lb_int(run, "every_us") * 1000, p.count = run->samples;
    int active = 0;
    for (int op = 0; op < OPS; op++) {
        if (kinds && !asked(kinds, NAMES[op]))
            continue;
        char *quantity = lb_room(16, 1);
        snprintf(quantity, 16, "%s_ms", NAMES[op]);
        struct stream *s = &streams[active++];
        s->op = op, s->ms = lb_series(run, quantity);
        open_stream(s, path);
    }
    if (!active)
        lb_usage("kinds names no operation: read, cached, write and sync can be joined by +");
    double whole_s = (double)(p.count * p.every_ns) / 1e9,
           stall_s = lb_num(run, "plant_stall_ms") / 1e3;
    lb_watchdog((unsigned)(whole_s + stall_s) + PATIENCE_S);
    lb_begin(run);
    p.start_ns = monotonic() + 10000000; /* until every worker waits */
    p.hold_from = stall_s > 0 ? p.start_ns + (int64_t)(whole_s / 4 * 1e9) : INT64_MAX;
    p.hold_until = stall_s > 0 ? p.hold_from + (int64_t)(stall_s * 1e9) : 0;
    for (int i = 0; i < active; i++)
        start(&streams[i], workers);
    for (int i = 0; i < active; i++)
        for (int64_t w = 0; w < workers; w++)
            pthread_join(streams[i].workers[w], NULL);
    for (int64_t i = 0; i < p.count; i++)
        run->offsets[i] = 10000000 + i * p.every_ns;
    lb_end(run);
    for (int i = 0; i < active; i++)
        tell(run, &streams[i]);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"file", 's', 0, 0, 0, NULL},
    {"kinds", 's', 0, 0, 0, NULL},
    {"every_us", 'i', 100, 1000000, 2000, NULL},
    {"workers", 'i', 1, WORKERS, 8, NULL},
    {"plant_stall_ms", 'f', 0, 60000, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel BLOCK_PROBER = {
    .name = "block-prober",
    .summary = "latencies of a disk by an open loop, from intended start to completion",
    .run = run,
    .ops = 1,
    .samples = 500,
    .keys = KEYS,
};
LB_KERNEL(BLOCK_PROBER);
