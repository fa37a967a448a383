/* file-map: the same random reads of a file, by the kernel's cache or by one's own.
 *
 * Blocks of 4 KiB from a working set of `ws_mib` at the start of the file, uniform or Zipf (0.99),
 * in five ways: a mapping with the default readahead, a mapping with MADV_RANDOM, pread through the
 * page cache, an own LRU cache of `cache_mib` filled by pread (two managers), and the same cache
 * filled by O_DIRECT (one manager). Every cache is filled before anything is timed, by large reads.
 * Whatever limits memory is the control group that we run in. A sample is the mean of `each` reads;
 * blocks read from the disk are counted by getrusage.
 */
#include "lb.h"
#include "rigs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum mode { MMAP, MMAP_RANDOM, PREAD, OWN, OWN_DIRECT };
enum { BLOCK = 4096, NONE = -1, PART = 64 }; /* PART: blocks that a large read takes */

static struct {
    enum mode mode;
    int fd;
    char *map, *pool, *buffer;
    uint32_t blocks, ws, slots, used, head;
    uint32_t *place;                /* rank -> block of the file */
    int32_t *slot;                  /* block -> slot of the own cache, or NONE */
    uint32_t *older, *newer, *owner; /* the own cache: a ring, `head` is the newest */
    uint64_t misses, seed;
    double zeta, alpha, eta; /* Zipf by Gray et al. (SIGMOD 1994); alpha 0: uniform */
} f;

static void zipf_for(uint32_t n)
{
    const double theta = 0.99;
    f.zeta = 0;
    for (uint32_t i = 1; i <= n; i++)
        f.zeta += 1 / pow(i, theta);
    f.alpha = 1 / (1 - theta);
    f.eta = (1 - pow(2.0 / n, 1 - theta)) / (1 - (1 + 1 / pow(2, theta)) / f.zeta);
}

static uint32_t choose(void)
{
    if (f.alpha == 0)
        return (uint32_t)(lb_random(&f.seed) % f.ws);
    double u = (double)(lb_random(&f.seed) >> 11) / 9007199254740992.0, uz = u * f.zeta;
    if (uz < 1)
        return 0;
    if (uz < 1 + pow(0.5, 0.99))
        return 1;
    uint32_t rank = (uint32_t)((double)f.ws * pow(f.eta * u - f.eta + 1, f.alpha));
    return rank < f.ws ? rank : f.ws - 1;
}

static void read_block(uint32_t block, char *to)
{
    if (pread(f.fd, to, BLOCK, (off_t)block * BLOCK) != BLOCK)
        lb_fail("cannot read block %u of the file: %s", block, strerror(errno));
}

/* ---- the own cache: least recently used goes ---- */
static void unlink_slot(uint32_t s)
{
    f.newer[f.older[s]] = f.newer[s];
    f.older[f.newer[s]] = f.older[s];
}

static void make_newest(uint32_t s)
{
    uint32_t oldest = f.newer[f.head]; /* the ring closes from the newest to the oldest */
    f.older[s] = f.head, f.newer[s] = oldest;
    f.newer[f.head] = s, f.older[oldest] = s;
    f.head = s;
}

static void take(uint32_t block, uint32_t s)
{
    f.slot[block] = (int32_t)s, f.owner[s] = block;
    if (s == 0)
        f.older[0] = f.newer[0] = f.head = 0;
    else
        make_newest(s);
}

static char *own(uint32_t block)
{
    int32_t s = f.slot[block];
    if (s == NONE) {
        f.misses++;
        if (f.used < f.slots) {
            s = (int32_t)f.used++;
            take(block, (uint32_t)s);
        } else {
            s = (int32_t)f.newer[f.head];
            f.slot[f.owner[s]] = NONE;
            f.head = (uint32_t)s; /* the oldest is next to the newest in the ring */
            f.owner[s] = block, f.slot[block] = s;
        }
        read_block(block, f.pool + (size_t)s * BLOCK);
    } else if ((uint32_t)s != f.head) {
        unlink_slot((uint32_t)s);
        make_newest((uint32_t)s);
    }
    return f.pool + (size_t)s * BLOCK;
}

static uint64_t get(uint32_t rank)
{
    uint32_t block = f.place[rank];
    const char *at = f.buffer;
    if (f.map)
        at = f.map + (size_t)block * BLOCK;
    else if (f.pool)
        at = own(block);
    else
        read_block(block, f.buffer);
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i += 512)
        sum += *(const volatile uint64_t *)(at + i);
    return sum;
}

static void *room(size_t bytes)
{
    void *found = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (found == MAP_FAILED)
        lb_fail("no memory for %zu bytes", bytes);
    madvise(found, bytes, MADV_NOHUGEPAGE);
    return found;
}

static void open_file(const char *path, size_t bytes)
{
    f.fd = open(path, O_RDONLY | O_CLOEXEC | (f.mode == OWN_DIRECT ? O_DIRECT : 0));
    if (f.fd < 0)
        lb_fail("cannot open %s%s: %s", path, f.mode == OWN_DIRECT ? " past the page cache" : "",
                strerror(errno));
    posix_fadvise(f.fd, 0, 0, POSIX_FADV_DONTNEED); /* nobody starts with what the last one left */
    if (f.mode == PREAD || f.mode == OWN)
        /* pages in flight ahead of us could fill the whole limit */
        posix_fadvise(f.fd, 0, 0, POSIX_FADV_RANDOM);
    if (f.mode > MMAP_RANDOM)
        return;
    f.map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, f.fd, 0);
    if (f.map == MAP_FAILED)
        lb_fail("cannot map %s: %s", path, strerror(errno));
    if (f.mode == MMAP_RANDOM)
        madvise(f.map, bytes, MADV_RANDOM);
}

/* The caches as they are after a long time: full. Of a Zipf distribution the popular blocks are in,
 * by use. */
static void warm(const char *path)
{
    /* a descriptor of its own: what it is told, mmap is not */
    int fd = f.pool ? f.fd : open(path, O_RDONLY | O_CLOEXEC);
    if (!f.pool)
        posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* no readahead beyond what is asked for */
    uint32_t count = f.pool && f.slots < f.ws ? f.slots : f.ws;
    for (uint32_t b = 0; b < count; b += PART) {
        uint32_t part = count - b < PART ? count - b : PART;
        char *to = f.pool ? f.pool + (size_t)b * BLOCK : f.buffer;
        if (pread(fd, to, (size_t)part * BLOCK, (off_t)b * BLOCK) != (ssize_t)part * BLOCK)
            lb_fail("cannot read the file: %s", strerror(errno));
        for (uint32_t i = 0; f.pool && i < part; i++)
            take(b + i, b + i);
    }
    f.used = f.pool ? count : 0;
    if (fd != f.fd)
        close(fd);
    if (f.mode == MMAP)
        return; /* each touch may read thousands of blocks: what it finds is what it left */
    for (uint32_t i = 0; i < f.ws && f.ws <= f.slots; i++)
        get(i);
    for (uint32_t i = 0; i < f.ws / 2 && f.alpha > 0; i++)
        get(choose());
}

static void prepare(struct lb_run *run)
{
    f.blocks = (uint32_t)lb_int(run, "file_mib") * 256,
    f.ws = (uint32_t)lb_int(run, "ws_mib") * 256;
    f.slots = (uint32_t)lb_int(run, "cache_mib") * 256, f.seed = LB_SEED;
    if (f.ws > f.blocks)
        lb_usage("the working set is larger than the file");
    f.place = lb_order(f.ws, LB_SEED);
    if (lb_int(run, "zipf"))
        zipf_for(f.ws);
    f.buffer = room(PART * BLOCK);
    if (f.mode < OWN)
        return;
    f.pool = room((size_t)f.slots * BLOCK);
    f.slot = lb_room(f.blocks, sizeof *f.slot);
    memset(f.slot, 0xff, f.blocks * sizeof *f.slot);
    f.older = lb_room(f.slots, sizeof *f.older), f.newer = lb_room(f.slots, sizeof *f.newer);
    f.owner = lb_room(f.slots, sizeof *f.owner);
}

static int run(struct lb_run *run)
{
    const char *path = lb_text(run, "file");
    if (!path)
        lb_usage("file-map needs file=PATH, which it makes where it is missing");
    f.mode = (enum mode)lb_int(run, "mode");
    size_t bytes = (size_t)lb_int(run, "file_mib") << 20;
    lb_fill(path, bytes, 1);
    if (lb_int(run, "build")) {
        lb_begin(run);
        lb_end(run);
        return lb_output(run);
    }
    prepare(run);
    open_file(path, bytes);
    int64_t each = lb_int(run, "each"),
            all = each + llround(lb_num(run, "plant_extra") * (double)each);
    warm(path);
    double *ns = lb_series(run, "ns");
    uint64_t sum = 0, before = f.misses;
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t from = lb_now();
        run->offsets[i] = from - run->start_ns;
        for (int64_t op = 0; op < all; op++)
            sum += get(choose());
        ns[i] = (double)(lb_now() - from) / (double)each;
        lb_place(run);
    }
    lb_end(run);
    double reads = (double)run->samples * (double)all;
    lb_fact_num(run, "disk_blocks",
                (double)(run->after.usage.ru_inblock - run->before.usage.ru_inblock) / 8 / reads);
    lb_fact_num(run, "major_faults",
                (double)(run->after.usage.ru_majflt - run->before.usage.ru_majflt) / reads);
    lb_fact_num(run, "own_misses", f.pool ? (double)(f.misses - before) / reads : NAN);
    lb_fact_num(run, "sum", (double)(sum & 0xffff));
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"file", 's', 0, 0, 0, NULL},
    {"mode", 'w', 0, 0, 0, "mmap mmap-random pread own own-direct"},
    {"file_mib", 'i', 1, 65536, 96, NULL},
    {"ws_mib", 'i', 1, 65536, 16, NULL},
    {"cache_mib", 'i', 1, 65536, 16, NULL},
    {"zipf", 'i', 0, 1, 0, NULL},
    {"build", 'i', 0, 1, 0, NULL},
    {"each", 'i', 1, 100000, 25, NULL},
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel FILE_MAP = {
    .name = "file-map",
    .summary = "random reads of a file by a mapping, by read, or by an own cache",
    .run = run,
    .ops = 1,
    .samples = 40,
    .keys = KEYS,
};
LB_KERNEL(FILE_MAP);
