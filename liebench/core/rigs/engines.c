/* pread(2); io_submit(2) and io_getevents(2); io_uring_enter(2): bare system calls, so that nothing
 * stands between. */
#include "rigs/engines.h"
#include "lb.h"

#include <errno.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check(int64_t got, size_t bytes, const char *how)
{
    if (got != (int64_t)bytes)
        lb_fail("cannot read by %s: %s", how, got < 0 ? strerror((int)-got) : "the end came first");
}

static void by_read(struct lb_engine *e, void *to, size_t bytes, int64_t at)
{
    ssize_t got = pread(e->fd, to, bytes, at);
    check(got < 0 ? -errno : got, bytes, "read");
}

static void by_aio(struct lb_engine *e, void *to, size_t bytes, int64_t at)
{
    struct iocb block = {.aio_lio_opcode = IOCB_CMD_PREAD,
                         .aio_fildes = (uint32_t)e->fd,
                         .aio_buf = (uintptr_t)to,
                         .aio_nbytes = bytes,
                         .aio_offset = at},
                *list[] = {&block};
    struct io_event event;
    if (syscall(SYS_io_submit, e->context, 1, list) != 1)
        lb_fail("cannot submit: %s", strerror(errno));
    while (syscall(SYS_io_getevents, e->context, 1, 1, &event, NULL) != 1)
        if (errno != EINTR)
            lb_fail("cannot wait: %s", strerror(errno));
    check(event.res, bytes, "asynchronous I/O");
}

static uint32_t *word(char *ring, uint32_t at) { return (uint32_t *)(void *)(ring + at); }

static void by_uring(struct lb_engine *e, void *to, size_t bytes, int64_t at)
{
    const struct io_uring_params *p = e->layout;
    uint32_t *tail = word(e->submissions, p->sq_off.tail),
             mask = *word(e->submissions, p->sq_off.ring_mask);
    struct io_uring_sqe *entry = (struct io_uring_sqe *)e->entries + (*tail & mask);
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_READ, entry->fd = e->fd, entry->addr = (uintptr_t)to;
    entry->len = (uint32_t)bytes, entry->off = (uint64_t)at;
    word(e->submissions, p->sq_off.array)[*tail & mask] = *tail & mask;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    while (syscall(SYS_io_uring_enter, e->ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        if (errno != EINTR)
            lb_fail("cannot wait for io_uring: %s", strerror(errno));
    uint32_t *head = word(e->completions, p->cq_off.head);
    while (__atomic_load_n(word(e->completions, p->cq_off.tail), __ATOMIC_ACQUIRE) == *head)
        syscall(SYS_io_uring_enter, e->ring, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0);
    const struct io_uring_cqe *done =
        (const struct io_uring_cqe *)(void *)(e->completions + p->cq_off.cqes);
    int32_t got = done[*head & *word(e->completions, p->cq_off.ring_mask)].res;
    __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
    check(got, bytes, "io_uring");
}

static void *ring_map(int ring, size_t bytes, off_t what)
{
    void *found = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, what);
    if (found == MAP_FAILED)
        lb_fail("cannot map io_uring: %s", strerror(errno));
    return found;
}

static void open_uring(struct lb_engine *e)
{
    static struct io_uring_params p;
    e->ring = (int)syscall(SYS_io_uring_setup, 4, &p);
    if (e->ring < 0)
        lb_fail("io_uring cannot be used here: %s", strerror(errno));
    e->layout = &p;
    e->submissions =
        ring_map(e->ring, p.sq_off.array + p.sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
    e->completions = ring_map(e->ring, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
                              IORING_OFF_CQ_RING);
    e->entries = ring_map(e->ring, p.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

struct lb_engine lb_engine(int which, int fd)
{
    enum { READ, AIO, URING };
    struct lb_engine e = {.fd = fd,
                          .read = which == READ  ? by_read
                                  : which == AIO ? by_aio
                                                 : by_uring};
    if (which == AIO && syscall(SYS_io_setup, 4, &e.context))
        lb_fail("asynchronous I/O cannot be used here: %s", strerror(errno));
    if (which == URING)
        open_uring(&e);
    return e;
}
