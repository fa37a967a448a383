/* liebench-core KERNEL key=value... : one kernel, one repetition, one JSON object. Exit 0, 1
 * failed, 2 usage. */
#include "lb.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Filled by LB_KERNEL; the linker names the two ends of a section whose name is an identifier. */
extern const struct lb_kernel *const __start_lb_kernels[], *const __stop_lb_kernels[];

static void stop(int signal)
{
    static const char wall[] =
        "liebench-core: stopped: it ran longer than limit_s; ask for fewer ops or samples\n";
    static const char cpu[] =
        "liebench-core: stopped: it used more CPU than limit_s; ask for fewer ops or samples\n";
    ssize_t put =
        signal == SIGALRM ? write(2, wall, sizeof wall - 1) : write(2, cpu, sizeof cpu - 1);
    (void)put;
    _exit(LB_FAILED);
}

void lb_watchdog(unsigned seconds) { alarm(seconds); }

/* Nothing that goes wrong in here may outlive its parent or its limit. */
static void guard(unsigned seconds)
{
    /* then SIGKILL, handler or not */
    struct rlimit limit = {.rlim_cur = seconds, .rlim_max = seconds + 2};
    struct rlimit found;
    if (getrlimit(RLIMIT_CPU, &found) == 0 && found.rlim_max != RLIM_INFINITY &&
        found.rlim_max < limit.rlim_max)
        limit.rlim_max = found.rlim_max;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    signal(SIGALRM, stop);
    signal(SIGXCPU, stop);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is a write error, and said */
    setrlimit(RLIMIT_CPU, &limit);
    lb_watchdog(seconds);
}

static const struct lb_kernel *find(const char *name)
{
    for (const struct lb_kernel *const *k = __start_lb_kernels; k < __stop_lb_kernels; k++)
        if (strcmp((*k)->name, name) == 0)
            return *k;
    lb_usage("there is no kernel \"%.60s\"", name);
}

static int list(void)
{
    for (const struct lb_kernel *const *k = __start_lb_kernels; k < __stop_lb_kernels; k++)
        printf("%s\t%s\t%s\n", (*k)->name,
               (*k)->flags & LB_BATCHED & ~LB_PLANTS ? "batched" : "plain", (*k)->summary);
    return lb_flush();
}

static int help(void)
{
    puts("usage: liebench-core KERNEL [key=value ...]\n"
         "       liebench-core --list | --version | --help | --nothing\n\n"
         "keys of every kernel:\n"
         "  cpu=N            run on this CPU (absent: wherever the kernel puts it)\n"
         "  ops=N samples=N  operations per sample, samples per repetition\n"
         "  plant_ns=F       planted lie: F ns of work per operation\n"
         "  plant_work=F     planted lie: F iterations of work per operation\n"
         "  plant_share=F    planted lie: F operations more for each that is counted\n"
         "  sentinel=0|1     look for a busy sibling thread before and after (1)\n"
         "  calibrate=1      say how many ops make a sample of target_ns=F, instead of measuring\n"
         "  limit_s=N        stop after so many seconds (60)\n\n"
         "The answer is one JSON object on stdout. Exit: 0 measured, 1 failed, 2 usage.");
    return lb_flush();
}

static int version(void)
{
    printf("liebench-core %s %s\n", LB_VERSION, LB_BUILD_ID);
    return lb_flush();
}

int lb_measure(int argc, char **argv)
{
    static struct lb_run run; /* zeroed, and not on the stack */
    memset(&run, 0, sizeof run); /* the child of a place has its parent's */
    run.kernel = find(argv[0]);
    lb_parse(&run, argc - 1, argv + 1);
    guard((unsigned)lb_int(&run, "limit_s"));
    lb_affinity_open();
    if (lb_given(&run, "cpu"))
        lb_pin(lb_int(&run, "cpu"));
    lb_timer_init(&run.timer);
    lb_alibi_open();
    return run.kernel->run(&run);
}

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc < 2)
        lb_usage("no kernel is named");
    if (strcmp(argv[1], "--version") == 0)
        return version();
    if (strcmp(argv[1], "--list") == 0)
        return list();
    if (strcmp(argv[1], "--help") == 0)
        return help();
    if (strcmp(argv[1], "--nothing") == 0) /* what starting a program costs */
        return LB_OK;
    return lb_measure(argc - 1, argv + 1);
}
