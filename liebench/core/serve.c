/* Co-processes: who asks writes lines that hold one t, and reads one line for each. The end of
 * stdin ends them. */
#include "lb.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int lb_asked(const struct lb_run *run)
{
    static bool named; /* a 't' stands before this end of line */
    char text[64];
    int asked = 0;
    ssize_t got = read(0, text, sizeof text);
    if (got < 0 && errno == EINTR)
        return 0;
    if (got < 0)
        lb_fail("cannot read stdin: %s", strerror(errno));
    if (got == 0)
        return -1;
    for (ssize_t i = 0; i < got; i++) {
        if (text[i] != (named ? '\n' : 't'))
            lb_usage("%s is asked with lines that hold one t", run->kernel->name);
        asked += named;
        named = !named;
    }
    return asked;
}

int lb_serve(const struct lb_run *run, lb_answer *answer, void *state)
{
    for (;;) {
        lb_watchdog(0); /* waiting is no runaway: whoever asks may take hours */
        int asked = lb_asked(run);
        lb_watchdog((unsigned)lb_int(run, "limit_s"));
        if (asked < 0)
            return LB_OK;
        while (asked-- > 0)
            if (answer(run, state) != LB_OK)
                return LB_FAILED;
    }
}
