/* tlb-flush: what it costs to change a mapping that other processors may hold in their TLBs.
 *
 * The thread under test makes one kind of change again and again; helpers of the same process spin
 * on other processors, so that the kernel has to interrupt them (arch/x86/mm/tlb.c) each time.
 * membarrier interrupts them without any page table (membarrier(2)): the interrupt alone. helpers=0
 * is the same without anybody to interrupt.
 */
#include "lb.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void membarriers(void *state, int64_t ops)
{
    (void)state;
    while (ops--)
        lb_syscall2(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0);
}

static void protects(void *state, int64_t ops)
{
    volatile char *page = state;
    while (ops--) {
        mprotect(state, PAGE, PROT_READ);
        mprotect(state, PAGE, PROT_READ | PROT_WRITE);
        *page = 1;
    }
}

static void drops(void *state, int64_t ops)
{
    volatile char *page = state;
    while (ops--) {
        madvise(state, PAGE, MADV_DONTNEED);
        *page = 1;
    }
}

static void unmaps(void *state, int64_t ops)
{
    (void)state;
    while (ops--) {
        char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *(volatile char *)page = 1;
        munmap(page, PAGE);
    }
}

static atomic_int ready;

static void *spin(void *cpu)
{
    lb_pin((int64_t)(intptr_t)cpu);
    atomic_fetch_add(&ready, 1);
    for (;;)
        lb_relax();
    return NULL;
}

/* A thread that sleeps on our own processor: the process has two, and still nobody has to be
 * interrupted. */
static void *sleep_here(void *cpu)
{
    lb_pin((int64_t)(intptr_t)cpu);
    atomic_fetch_add(&ready, 1);
    for (;;)
        pause();
    return NULL;
}

static int64_t start_helpers(struct lb_run *run)
{
    int64_t wanted = lb_int(run, "helpers"), ours = lb_int(run, "cpu"), count = 0;
    for (int64_t cpu = 0; cpu <= LB_MAX_CPU && count < wanted; cpu++) {
        pthread_t thread;
        if (cpu == ours || !lb_usable(cpu))
            continue;
        if (pthread_create(&thread, NULL, spin, (void *)(intptr_t)cpu))
            lb_fail("cannot start a thread for CPU %lld", (long long)cpu);
        pthread_detach(thread);
        count++;
    }
    if (lb_int(run, "same")) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, sleep_here, (void *)(intptr_t)ours))
            lb_fail("cannot start a second thread");
        pthread_detach(thread);
        wanted = ++count;
    }
    if (count < wanted)
        lb_fail("%lld helpers need as many processors besides ours, and there are %lld",
                (long long)wanted, (long long)count);
    while (atomic_load(&ready) < count)
        sched_yield();
    return count;
}

static int run(struct lb_run *run)
{
    static lb_batch *const CHANGES[] = {membarriers, protects, drops, unmaps};
    int64_t op = lb_int(run, "op");
    if (!lb_given(run, "cpu"))
        lb_usage("tlb-flush needs to know which processor is ours: give cpu=A");
    if (CHANGES[op] == membarriers &&
        lb_syscall2(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0) != 0)
        lb_fail("this kernel has no private expedited membarrier");
    char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        lb_fail("no memory for a page");
    *page = 1;
    int64_t helpers = start_helpers(run);
    if (!lb_int(run, "calibrate"))
        lb_fact_num(run, "helpers", (double)helpers);
    return lb_batched(run, CHANGES[op], page);
}

static const struct lb_key KEYS[] = {
    {"op", 'w', 0, 0, 0, "membarrier mprotect madvise munmap"},
    {"helpers", 'i', 0, 1024, 0, NULL},
    {"same", 'i', 0, 1, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel TLB_FLUSH = {
    .name = "tlb-flush",
    .summary = "changing a mapping while threads of the process spin on other processors",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 50,
    .samples = 60,
    .keys = KEYS,
};
LB_KERNEL(TLB_FLUSH);
