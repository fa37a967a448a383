/* Answers to getppid by SECCOMP_RET_TRAP, syscall user dispatch, seccomp user notification and
 * ptrace.
 *
 * Each answer is counted before it is given, in memory that both sides see: whoever called can
 * check that every call was answered once. A supervisor ends with the process it supervises, and
 * that one when its supervisor is gone.
 */
#include "translate.h"

#include <elf.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH /* Linux 5.11 */
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif

/* Where a call's number and its result stand. */
#if defined(__x86_64__)
#define SIGNAL_RESULT(context) (context)->uc_mcontext.gregs[REG_RAX]
#define TRACED_CALL(registers) (registers).orig_rax
#define TRACED_RESULT(registers) (registers).rax
#else
#define SIGNAL_RESULT(context) (context)->uc_mcontext.regs[0]
#define TRACED_CALL(registers) (registers).regs[8]
#define TRACED_RESULT(registers) (registers).regs[0]
#endif

volatile char lb_selector = LB_PASS;
static struct lb_answers *ours;

struct lb_answers *lb_answers(int64_t value)
{
    struct lb_answers *answers =
        mmap(NULL, sizeof *answers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (answers == MAP_FAILED)
        lb_fail("no memory that two processes share: %s", strerror(errno));
    *answers = (struct lb_answers){.value = value};
    return answers;
}

/* ---- in this process ---- */
static void answer_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info;
    lb_selector = LB_PASS; /* or the way back from this handler would be dispatched too */
    ours->count++;
    SIGNAL_RESULT((ucontext_t *)context) = ours->value;
}

void lb_answer_signals(struct lb_answers *answers)
{
    struct sigaction action = {.sa_sigaction = answer_signal, .sa_flags = SA_SIGINFO};
    ours = answers;
    if (sigaction(SIGSYS, &action, NULL))
        lb_fail("cannot handle SIGSYS: %s", strerror(errno));
}

void lb_dispatch(void)
{
    if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &lb_selector))
        lb_fail("this kernel has no syscall user dispatch on this processor: %s", strerror(errno));
}

/* ---- by a tracer ---- */
void lb_be_traced(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        lb_fail("cannot be traced: %s; is somebody tracing already?", strerror(errno));
    kill(getpid(), SIGSTOP);
}

/* At the exit of a call, where its result is written over. */
static void answer_traced(pid_t child, struct lb_answers *answers)
{
    struct user_regs_struct registers;
    struct iovec all = {&registers, sizeof registers};
    if (ptrace(PTRACE_GETREGSET, child, NT_PRSTATUS, &all) || TRACED_CALL(registers) != SYS_getppid)
        return;
    TRACED_RESULT(registers) = (unsigned long)answers->value;
    answers->count++;
    ptrace(PTRACE_SETREGSET, child, NT_PRSTATUS, &all);
}

int lb_trace(pid_t child, struct lb_answers *answers)
{
    int status, passed_on = 0;
    bool inside = false;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return status;
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD))
        lb_fail("cannot trace a process of ours: %s", strerror(errno));
    while (ptrace(PTRACE_SYSCALL, child, NULL, passed_on) == 0) {
        if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
            return status;
        bool is_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        passed_on = is_call ? 0 : WSTOPSIG(status);
        if (is_call && inside)
            answer_traced(child, answers);
        inside ^= is_call;
    }
    waitpid(child, &status, 0); /* it was killed between two stops */
    return status;
}

/* ---- by a supervisor ---- */
int lb_ended(int status)
{
    static const char killed[] = "liebench-core: the process that was measured was killed\n";
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    ssize_t put = write(STDERR_FILENO, killed, sizeof killed - 1);
    (void)put;
    return LB_FAILED;
}

static void leave(int signal)
{
    int status;
    (void)signal;
    if (waitpid(-1, &status, WNOHANG) > 0)
        _exit(lb_ended(status));
}

/* Before Linux 6.11 a supervisor that waits for a notification is not told that nobody is left to
 * send one. */
void lb_leave_with_child(void)
{
    struct sigaction action = {.sa_handler = leave, .sa_flags = SA_NOCLDSTOP};
    if (sigaction(SIGCHLD, &action, NULL))
        lb_fail("cannot handle SIGCHLD: %s", strerror(errno));
}

/* Calls are numbered in their first argument: one that a signal interrupts is begun anew and asked
 * about again, and the kernel may have taken the first answer by then and thrown it away. */
void lb_notified(int listener, struct lb_answers *answers)
{
    union {
        struct seccomp_notif call;
        char room[1024];
    } asked;
    struct seccomp_notif_sizes sizes;
    uint64_t latest = UINT64_MAX;
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) ||
        sizes.seccomp_notif > sizeof asked)
        lb_fail("this kernel's notifications do not fit %zu bytes", sizeof asked);
    for (;;) {
        memset(&asked, 0, sizes.seccomp_notif); /* the kernel refuses anything else */
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked.call)) {
            if (errno != EINTR && errno != ENOENT) /* ENOENT: whoever called is gone */
                lb_fail("cannot receive a notification: %s", strerror(errno));
            continue;
        }
        struct seccomp_notif_resp answer = {.id = asked.call.id, .val = answers->value};
        answers->count += asked.call.data.args[0] != latest;
        latest = asked.call.data.args[0];
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) && errno != ENOENT)
            lb_fail("cannot answer a notification: %s", strerror(errno));
    }
}
