/* memory-promise: memory that is granted, and memory that is there.
 *
 * granted: mappings of 1 GiB each, never touched, until the kernel says no or `most_gib` are
 * granted (Documentation/mm/overcommit-accounting.rst). touch: a child maps `mib` MiB and touches
 * page after page; what becomes of it is the answer: all of it was there, mmap refused, or the
 * child was killed. It runs in a control group whose limit our caller has set, with oom_score_adj
 * 1000, so that nobody else is in reach of the killer.
 */
#include "lb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, REFUSED = 3 };

static int run_granted(struct lb_run *run)
{
    double *mib = lb_series(run, "mib");
    int64_t most = lb_int(run, "most_gib");
    void **held = lb_room((size_t)most, sizeof *held);
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t count = 0;
        run->offsets[i] = lb_now() - run->start_ns;
        for (; count < most; count++) {
            held[count] =
                mmap(NULL, 1u << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (held[count] == MAP_FAILED)
                break;
        }
        mib[i] = 1024 * (double)count;
        for (int64_t k = 0; k < count; k++)
            munmap(held[k], 1u << 30);
    }
    lb_end(run);
    free(held);
    return lb_output(run);
}

struct progress {
    _Atomic int64_t pages;
    _Atomic int64_t longest_ns;
};

static void touch_all(struct progress *seen, size_t bytes)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1000", 4) != 4)
        _exit(LB_FAILED); /* never without: somebody else might be chosen */
    close(fd);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        _exit(REFUSED);
    madvise(room, bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < bytes; at += PAGE) {
        int64_t from = lb_now();
        *(volatile char *)(room + at) = 1;
        int64_t took = lb_now() - from;
        if (took > atomic_load(&seen->longest_ns))
            atomic_store(&seen->longest_ns, took);
        atomic_store(&seen->pages, (int64_t)(at / PAGE) + 1);
    }
    _exit(LB_OK);
}

static const char *fate(int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return "killed";
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)
        return "refused";
    if (WIFEXITED(status) && WEXITSTATUS(status) == LB_OK)
        return "kept";
    lb_fail("the touching process ended in an unforeseen way (status %#x)", status);
}

static int run_touch(struct lb_run *run)
{
    double *mib = lb_series(run, "mib");
    struct progress *seen =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED)
        lb_fail("no memory: %s", strerror(errno));
    const char *word = "";
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        run->offsets[i] = lb_now() - run->start_ns;
        atomic_store(&seen->pages, 0);
        pid_t child = fork();
        if (child < 0)
            lb_fail("cannot fork: %s", strerror(errno));
        if (!child)
            touch_all(seen, (size_t)lb_int(run, "mib") << 20);
        int status = 0;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        word = fate(status);
        mib[i] = (double)atomic_load(&seen->pages) * PAGE / (1 << 20);
    }
    lb_end(run);
    lb_fact_text(run, "value", word);
    lb_fact_num(run, "longest_us", (double)atomic_load(&seen->longest_ns) / 1000);
    return lb_output(run);
}

static const struct lb_key GRANTED_KEYS[] = {{"most_gib", 'i', 1, 65536, 64, NULL},
                                             {NULL, 0, 0, 0, 0, NULL}};
static const struct lb_key TOUCH_KEYS[] = {{"mib", 'i', 1, 1 << 20, 64, NULL},
                                           {NULL, 0, 0, 0, 0, NULL}};

static const struct lb_kernel GRANTED = {
    .name = "memory-granted",
    .summary = "how much memory the kernel grants that nobody touches",
    .run = run_granted,
    .ops = 1,
    .samples = 1,
    .keys = GRANTED_KEYS,
};
LB_KERNEL(GRANTED);

static const struct lb_kernel TOUCH = {
    .name = "memory-touch",
    .summary =
        "what becomes of a process that touches what it was granted, in a control group of ours",
    .run = run_touch,
    .ops = 1,
    .samples = 1,
    .keys = TOUCH_KEYS,
};
LB_KERNEL(TOUCH);
