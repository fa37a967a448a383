/* block-io: single reads and writes of a file or a block device, past the page cache or through it,
 * each timed by itself.
 *
 * A sample is `each` operations one after the other (depth 1): reads at random places, or one after
 * the other with seq=1; writes; or writes that end with fdatasync, whose own share is the quantity
 * flush_us. Operations above 1 MiB are made of pieces of 1 MiB. What is read was written before,
 * with noise: a hole costs the device nothing, and some layers answer for zeros without it. How
 * much was asked for stands in the facts, so that whoever counts at the device can compare.
 *
 * Through the page cache (direct=0), drop=1 makes every sample begin without the file's pages
 * (posix_fadvise(2)), and seq=1 then reads the end of the file: what is read ahead ends there too,
 * so that the device is asked for no more. With map=1 an operation is one byte of a mapping, which
 * the kernel reads with what lies around it.
 */
#include "lb.h"
#include "rigs/mounts.h"
#include "rigs/target.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum op { READ, WRITE, SYNC };

static struct {
    int fd;
    enum op op;
    size_t bytes, places, next; /* of one operation; where it may begin, in multiples of its size */
    char *buffer;
    const volatile char *mapped; /* the whole file, where it is read by touching it */
    uint64_t seed;
    bool seq, map;
} io;

static void piece(off_t at, size_t bytes)
{
    ssize_t done =
        io.op == READ ? pread(io.fd, io.buffer, bytes, at) : pwrite(io.fd, io.buffer, bytes, at);
    if (done != (ssize_t)bytes)
        lb_fail("cannot %s %zu bytes at %lld: %s", io.op == READ ? "read" : "write", bytes,
                (long long)at, done < 0 ? strerror(errno) : "the end came first");
}

/* One operation; ns of its flush. */
static int64_t once(void)
{
    size_t place = io.seq ? io.next++ % io.places : lb_random(&io.seed) % io.places;
    off_t from = (off_t)(place * io.bytes);
    if (io.map) {
        (void)io.mapped[from];
        return 0;
    }
    for (size_t done = 0; done < io.bytes; done += LB_PIECE)
        piece(from + (off_t)done, io.bytes - done < LB_PIECE ? io.bytes - done : LB_PIECE);
    if (io.op != SYNC)
        return 0;
    int64_t before = lb_now();
    if (fdatasync(io.fd))
        lb_fail("cannot flush: %s", strerror(errno));
    return lb_now() - before;
}

/* The page cache without the file, whose pages stay while they are mapped. */
static void forget(int64_t operations)
{
    size_t bytes = io.places * io.bytes;
    if (io.mapped)
        munmap((void *)(uintptr_t)io.mapped, bytes);
    int error = posix_fadvise(io.fd, 0, 0, POSIX_FADV_DONTNEED);
    if (error)
        lb_fail("cannot drop the pages of the file: %s", strerror(error));
    if (io.map) {
        void *room = mmap(NULL, bytes, PROT_READ, MAP_SHARED, io.fd, 0);
        if (room == MAP_FAILED)
            lb_fail("cannot map %zu bytes: %s", bytes, strerror(errno));
        io.mapped = room;
    }
    io.next = io.places > (size_t)operations ? io.places - (size_t)operations : 0;
}

/* The median of what was seen, for who needs one number of a repetition (the difference of two
 * disks). */
static double typical(const double *values, int64_t count)
{
    double *ordered = lb_room((size_t)count, sizeof *ordered);
    memcpy(ordered, values, (size_t)count * sizeof *ordered);
    lb_sort(ordered, (size_t)count);
    double found = (ordered[(count - 1) / 2] + ordered[count / 2]) / 2;
    free(ordered);
    return found;
}

static int run(struct lb_run *run)
{
    const char *path = lb_text(run, "file");
    if (!path)
        lb_usage("block-io needs file=PATH, a file or a block device of ours");
    bool drop = lb_int(run, "drop"), direct = lb_int(run, "direct");
    io.op = (enum op)lb_int(run, "op"), io.map = lb_int(run, "map");
    if (io.map && (direct || !drop || io.op != READ))
        lb_usage(
            "map=1 needs op=read, direct=0 and drop=1: a mapping is read through the page cache");
    io.seq = lb_int(run, "seq"), io.bytes = (size_t)lb_int(run, "kib") << 10;
    if (lb_int(run, "build"))
        lb_fill(path, (size_t)lb_int(run, "build") << 20, 1);
    io.fd = lb_target(path, io.op != READ, direct);
    io.places = lb_target_bytes(io.fd) / io.bytes;
    if (!io.places)
        lb_usage("%s is smaller than one operation of %zu bytes", path, io.bytes);
    size_t part = io.bytes < LB_PIECE ? io.bytes : LB_PIECE;
    io.buffer = lb_aligned_noise(part);
    if (lb_int(run, "zeros"))
        memset(io.buffer, 0, part);
    io.seed = LB_SEED + (uint64_t)lb_int(run, "seed");
    int64_t each = lb_int(run, "each"),
            all = each + llround(lb_num(run, "plant_extra") * (double)each);
    double *us = lb_series(run, "us"), *flush = io.op == SYNC ? lb_series(run, "flush_us") : NULL;
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        if (drop)
            forget(all);
        int64_t from = lb_now(), flushed = 0;
        run->offsets[i] = from - run->start_ns;
        for (int64_t n = 0; n < all; n++)
            flushed += once();
        us[i] = (double)(lb_now() - from) / 1000 / (double)each;
        if (flush)
            flush[i] = (double)flushed / 1000 / (double)each;
        lb_place(run);
    }
    lb_end(run);
    double count = (double)(run->samples * all);
    lb_fact_num(run, io.op == READ ? "reads" : "writes", count);
    lb_fact_num(run, "syncs", io.op == SYNC ? count : 0);
    lb_fact_num(run, "typical_us", typical(us, run->samples));
    lb_fact_num(run, "kib", (double)io.bytes / 1024);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"file", 's', 0, 0, 0, NULL},
    {"op", 'w', 0, 0, 0, "read write sync"},
    {"kib", 'i', 4, 1 << 20, 4, NULL},
    {"seq", 'i', 0, 1, 0, NULL},
    {"direct", 'i', 0, 1, 1, NULL},
    {"drop", 'i', 0, 1, 0, NULL},
    {"map", 'i', 0, 1, 0, NULL},
    {"each", 'i', 1, 100000, 1, NULL},
    {"seed", 'i', 0, 1 << 30, 0, NULL},
    /* writes zeros: a layer that compresses or shares has less to do */
    {"zeros", 'i', 0, 1, 0, NULL},
    /* MiB of noise to write first, where the file has another size */
    {"build", 'i', 0, 1 << 20, 0, NULL},
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel BLOCK_IO = {
    .name = "block-io",
    .summary = "reads, writes and flushes past the page cache or through it, one after the other",
    .run = run,
    .ops = 1,
    .samples = 40,
    .keys = KEYS,
};
LB_KERNEL(BLOCK_IO);
