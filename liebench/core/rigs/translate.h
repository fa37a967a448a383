/* Somebody else who answers getppid: this process in a signal handler, or another process that
 * supervises it. */
#ifndef LB_TRANSLATE_H
#define LB_TRANSLATE_H

#include "lb.h"

#include <sys/types.h>

enum { LB_PASS, LB_STOP }; /* SYSCALL_DISPATCH_FILTER_ALLOW and _BLOCK */

struct lb_answers {
    int64_t value;          /* what getppid returns then */
    volatile int64_t count; /* calls that were answered */
};

struct lb_answers *lb_answers(int64_t value); /* memory of this process and of those it forks */
void lb_answer_signals(struct lb_answers *answers); /* SIGSYS; sets lb_selector to LB_PASS */

extern volatile char lb_selector;
/* from now on lb_selector says whether a call goes to the kernel or becomes a SIGSYS */
void lb_dispatch(void);

void lb_be_traced(void);                                    /* by the parent */
int lb_trace(pid_t child, struct lb_answers *answers);      /* until it ends; its wait status */
/* before the fork: ends as the child ends */
void lb_leave_with_child(void);
_Noreturn void lb_notified(int listener, struct lb_answers *answers);

int lb_ended(int status); /* the exit status to pass on */

#endif
