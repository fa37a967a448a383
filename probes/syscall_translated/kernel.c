/* syscall-translated: what one system call costs with somebody between the program and the kernel.
 *
 * The call is getppid: it takes no argument, and the kernel does next to nothing for it. A child of
 * this process is measured; its filters, its tracer and its supervisor end with it. Whoever answers
 * in the kernel's place says 42, and every batch checks what all its calls returned and how many of
 * them were answered.
 */
#include "lb.h"
#include "rigs/seccomp.h"
#include "rigs/translate.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum way { NATIVE, CACHED, UNCACHED, CONTAINER, DENIED, TRAP, NOTIFY, SELECTOR, DISPATCH, TRACED };
enum { ANSWER = 42, FILTERS = 64 };

struct caller {
    int64_t expected;           /* what a call returns */
    struct lb_answers *answers; /* NULL where the kernel answers */
    double extra;               /* planted: more calls for each that counts */
    int64_t calls;
};

/* Outside the calls, inside the sample: an addition and a compare for hundreds of calls. */
static void settle(struct caller *caller, int64_t calls, int64_t sum)
{
    caller->calls += calls;
    if (sum != calls * caller->expected)
        lb_fail("%lld calls of getppid returned %lld in all, and each should have returned %lld",
                (long long)calls, (long long)sum, (long long)caller->expected);
    if (caller->answers && caller->answers->count != caller->calls)
        lb_fail("%lld calls were made and %lld were answered", (long long)caller->calls,
                (long long)caller->answers->count);
}

static int64_t with_plant(const struct caller *caller, int64_t ops)
{
    return ops + llround(caller->extra * (double)ops);
}

/* The argument is a number for whoever answers; the kernel looks at none. */
static void call(void *state, int64_t ops)
{
    struct caller *caller = state;
    int64_t first = caller->calls, after = first + with_plant(caller, ops), sum = 0;
    for (int64_t number = first; number < after; number++)
        sum += lb_syscall2(SYS_getppid, number, 0);
    settle(caller, after - first, sum);
}

static void call_dispatched(void *state, int64_t ops)
{
    struct caller *caller = state;
    int64_t first = caller->calls, after = first + with_plant(caller, ops), sum = 0;
    for (int64_t number = first; number < after; number++) {
        lb_selector = LB_STOP;
        sum += lb_syscall2(SYS_getppid, number, 0);
    }
    settle(caller, after - first, sum);
}

static void stand_between(const struct lb_run *run, enum way way, struct lb_answers *answers)
{
    switch (way) {
    case CACHED: lb_seccomp_action(SECCOMP_RET_ALLOW); break;
    case UNCACHED:
        for (int64_t i = 0; i < lb_int(run, "filters"); i++)
            lb_seccomp_uncached((int)lb_int(run, "compares"));
        break;
    case CONTAINER: lb_seccomp_list(); break;
    case DENIED: lb_seccomp_action(SECCOMP_RET_ERRNO | EPERM); break;
    case TRAP:
        lb_answer_signals(answers);
        lb_seccomp_action(SECCOMP_RET_TRAP);
        break;
    case DISPATCH:
        lb_answer_signals(answers);
        lb_dispatch();
        break;
    case SELECTOR: lb_dispatch(); break;
    case TRACED: lb_be_traced(); break;
    case NATIVE:
    case NOTIFY: /* its filter was there before this process */ break;
    }
}

/* What the kernel itself says of this process (proc_pid_status(5)). */
static void tell(struct lb_run *run)
{
    char line[256], word[64];
    double filters = NAN, tracer = NAN;
    FILE *status = fopen("/proc/self/status", "re");
    while (status && fgets(line, sizeof line, status)) {
        if (sscanf(line, "Seccomp_filters: %lf", &filters) ||
            sscanf(line, "TracerPid: %lf", &tracer))
            continue;
        if (sscanf(line, "Speculation_Store_Bypass: %63[a-z ]", word) == 1)
            lb_fact_text(run, "store_bypass", word);
    }
    if (status)
        fclose(status);
    lb_fact_num(run, "filters", filters);
    lb_fact_num(run, "tracer", tracer);
}

static int measured(struct lb_run *run, enum way way, struct lb_answers *answers, pid_t parent)
{
    bool answered = way == TRAP || way == NOTIFY || way == DISPATCH || way == TRACED;
    struct caller caller = {.expected = answered ? ANSWER : way == DENIED ? -EPERM : parent};
    caller.answers = answered ? answers : NULL;
    caller.extra = lb_num(run, "plant_extra");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* it was gone before; a notification would then end in ENOSYS */
    if (way != NOTIFY && getppid() != parent)
        _exit(LB_FAILED);
    lb_watchdog((unsigned)lb_int(run, "limit_s"));
    lb_alibi_open(); /* the one that is open is our parent's */
    stand_between(run, way, answers);
    tell(run);
    if (lb_int(run, "setup"))
        return lb_output(run);
    return lb_batched(run, way == DISPATCH ? call_dispatched : call, &caller);
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) != child)
        if (errno != EINTR)
            lb_fail("the process that is measured is not to be found: %s", strerror(errno));
    return status;
}

static int run(struct lb_run *run)
{
    enum way way = (enum way)lb_int(run, "way");
    struct lb_answers *answers = lb_answers(lb_int(run, "answer"));
    int listener = -1;
    if (way == NOTIFY) {
        lb_leave_with_child();
        listener = lb_seccomp_listener();
    }
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        lb_fail("cannot start the process to be measured: %s", strerror(errno));
    if (child == 0) {
        if (listener >= 0)
            close(listener); /* when our parent goes, the last one who could answer goes */
        return measured(run, way, answers, parent);
    }
    if (lb_given(run, "supervisor"))
        lb_pin(lb_int(run, "supervisor"));
    if (way == NOTIFY)
        lb_notified(listener, answers);
    return lb_ended(way == TRACED ? lb_trace(child, answers) : wait_for(child));
}

static const struct lb_key KEYS[] = {
    {"way", 'w', 0, 0, 0,
     "native cached uncached container denied trap notify selector dispatch ptrace"},
    {"filters", 'i', 1, FILTERS, 1, NULL},       /* of the uncached ones, one over the other */
    {"compares", 'i', 0, LB_COMPARES, 0, NULL},  /* in each of them */
    {"supervisor", 'i', 0, LB_MAX_CPU, -1, NULL}, /* its CPU; absent: the caller's */
    /* of whoever stands between; any but 42 must be noticed */
    {"answer", 'i', 0, 1000, ANSWER, NULL},
    {"setup", 'i', 0, 1, 0, NULL},               /* 1: no calls; whether it can be set up here */
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel SYSCALL_TRANSLATED = {
    .name = "syscall-translated",
    .summary = "getppid natively, below seccomp filters, and answered by somebody else",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 100,
    .samples = 12,
    .keys = KEYS,
};
LB_KERNEL(SYSCALL_TRANSLATED);
