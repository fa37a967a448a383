/* cpuid-dump: the leaves that say who we are told to run on, as this processor answers them now.
 *
 * The fact `leaves` holds "leaf.subleaf:eax,ebx,ecx,edx;" in hexadecimal, for liebench.facts.cpuid
 * to decode.
 */
#include "lb.h"

#if defined(__x86_64__)

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint32_t LEAVES[][2] = {
    {0, 0},          {1, 0},          {7, 0},          {0xb, 0},        {0x15, 0},
    {0x16, 0},       {0x40000000, 0}, {0x40000001, 0}, {0x40000002, 0}, {0x40000003, 0},
    {0x40000004, 0}, {0x40000005, 0}, {0x40000006, 0}, {0x40000010, 0}, {0x40000100, 0},
    {0x40000101, 0}, {0x80000000, 0}, {0x80000001, 0}, {0x80000007, 0}, {0x80000008, 0},
    {0x8000001e, 0},
};

static void refused(int signal)
{
    static const char said[] =
        "liebench-core: cpuid is not allowed here (CPUID faulting, arch_prctl(2))\n";
    ssize_t put = write(2, said, sizeof said - 1);
    (void)put, (void)signal;
    _exit(LB_FAILED);
}

static int run(struct lb_run *run)
{
    static char text[1800];
    size_t used = 0;
    struct sigaction act = {.sa_handler = refused};
    sigaction(SIGSEGV, &act, NULL);
    double *values = lb_series(run, "leaves");
    lb_begin(run);
    for (size_t i = 0; i < sizeof LEAVES / sizeof *LEAVES; i++) {
        uint32_t a = LEAVES[i][0], b = 0, c = LEAVES[i][1], d = 0;
        __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
        int put = snprintf(text + used, sizeof text - used, "%x.%x:%x,%x,%x,%x;", LEAVES[i][0],
                           LEAVES[i][1], a, b, c, d);
        if (put < 0 || used + (size_t)put >= sizeof text)
            break;
        used += (size_t)put;
    }
    lb_end(run);
    for (int64_t i = 0; i < run->samples; i++)
        values[i] = (double)(sizeof LEAVES / sizeof *LEAVES);
    lb_fact_text(run, "leaves", text);
    return lb_output(run);
}

static const struct lb_kernel CPUID_DUMP = {
    .name = "cpuid-dump",
    .summary = "what cpuid says about the processor and the hypervisor",
    .run = run,
    .ops = 1,
    .samples = 1,
};
LB_KERNEL(CPUID_DUMP);

#endif
