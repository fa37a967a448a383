/* How the core ends where it cannot go on: one line on stderr that says what was seen, and an exit
 * status. */
#include "lb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void complain(const char *format, va_list list)
{
    fputs("liebench-core: ", stderr);
    vfprintf(stderr, format, list);
}

_Noreturn void lb_fail(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    complain(format, list);
    va_end(list);
    fputc('\n', stderr);
    exit(LB_FAILED);
}

_Noreturn void lb_usage(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    complain(format, list);
    va_end(list);
    fputs("; try: liebench-core --help\n", stderr);
    exit(LB_USAGE);
}
