/* What a guest and its host agree on, for C and for the assembler (guest.S): ports, and places in
 * the mail page. */
#ifndef LB_GUEST_H
#define LB_GUEST_H

#define PORT_WORK 0x10 /* written by a guest whose exit is timed */
#define PORT_DONE 0x11 /* written when the answer lies in the mail page */

/* Offsets of the fields of struct mail (machine.h). */
#define MAIL_COUNT 0
#define MAIL_THRESHOLD 8
#define MAIL_TICKS 16
#define MAIL_GAPS 24
#define MAIL_LONGEST 32
#define MAIL_FIELD 40

#ifndef __ASSEMBLER__
/* First byte of each guest, and the byte behind its last. */
extern const unsigned char lb_guest_exit[], lb_guest_exit_end[], lb_guest_gap[], lb_guest_gap_end[];
extern const unsigned char lb_guest_touch[], lb_guest_touch_end[];
extern const unsigned char lb_guest_cpuid[], lb_guest_cpuid_end[];
#endif

#endif
