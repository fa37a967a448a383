/* One virtual CPU in 64-bit mode, without devices or interrupts: see machine.c. */
#ifndef LB_MACHINE_H
#define LB_MACHINE_H

#include "guest.h"
#include "lb.h"

#include <linux/kvm.h>

enum { MEMORY = 64 << 20, TABLES = 0x2000, DESCRIPTORS = 0x8000, MAIL = 0x9000 };
enum { CODE = 0x10000, STACK = 0x1f000, FIELD = 32 << 20 };
enum { PAGE = 4096, WATCHDOG_S = 40 };

/* What lies in the mail page: in by the host, out by the guest. */
struct mail {
    uint64_t count, threshold, ticks, gaps, longest, field;
};
_Static_assert(offsetof(struct mail, count) == MAIL_COUNT &&
                   offsetof(struct mail, threshold) == MAIL_THRESHOLD &&
                   offsetof(struct mail, ticks) == MAIL_TICKS &&
                   offsetof(struct mail, gaps) == MAIL_GAPS &&
                   offsetof(struct mail, longest) == MAIL_LONGEST &&
                   offsetof(struct mail, field) == MAIL_FIELD,
               "guest.h names other places than struct mail has");

struct machine {
    int cpu;
    unsigned char *memory;
    struct kvm_run *run;
    struct mail *mail;
};

/* A machine that will run `code`; with a signature of twelve letters, cpuid leaf 0x40000000 says
 * that. */
struct machine lb_machine(const unsigned char *code, const unsigned char *end,
                          const char *signature);
/* until it writes to a port: that port; -1 where a signal came */
int lb_machine_run(struct machine *m);
double lb_tick_ns(void);               /* ns per tick of the counter */

#endif
