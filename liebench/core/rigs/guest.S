/* The guests of kvm.c: position-independent code that machine.c copies into a virtual machine.
 *
 * Each starts in 64-bit mode with rbx at the mail page, does its work, writes the answer there,
 * reports by `out` and begins again. None uses a stack. They are data to the executable itself,
 * which never runs them.
 */
#include "guest.h"

#if defined(__x86_64__)

/* to = the time stamp counter; rax and rdx are lost */
.macro stamp to
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        mov     %rax, \to
.endm

/* rax = ticks since the stamp in `from`; rdx is lost */
.macro since from
        rdtsc
        shl     $32, %rdx
        or      %rdx, %rax
        sub     \from, %rax
.endm

.macro guest name
        .globl  lb_guest_\name, lb_guest_\name\()_end
        .hidden lb_guest_\name, lb_guest_\name\()_end
lb_guest_\name:
.endm

.macro guest_end name
lb_guest_\name\()_end:
.endm

        .section .rodata

/* kvm-exit: `count` times out; ticks = how long that took */
guest exit
1:      mov     MAIL_COUNT(%rbx), %rcx
        stamp   %r8
2:      out     %al, $PORT_WORK
        dec     %rcx
        jnz     2b
        since   %r8
        mov     %rax, MAIL_TICKS(%rbx)
        out     %al, $PORT_DONE
        jmp     1b
guest_end exit

/* kvm-gap: until `count` ticks have passed, add up differences of the counter above `threshold`.
 * r8: start, r9: sum, r10: longest, r11: last stamp, r12: this stamp */
guest gap
1:      xor     %r9, %r9
        xor     %r10, %r10
        stamp   %r8
        mov     %rax, %r11
2:      stamp   %r12
        sub     %r11, %rax
        mov     %r12, %r11
        cmp     MAIL_THRESHOLD(%rbx), %rax
        jbe     3f
        add     %rax, %r9
        cmp     %r10, %rax
        jbe     3f
        mov     %rax, %r10
3:      sub     %r8, %r12
        cmp     MAIL_COUNT(%rbx), %r12
        jb      2b
        mov     %r12, MAIL_TICKS(%rbx)
        mov     %r9, MAIL_GAPS(%rbx)
        mov     %r10, MAIL_LONGEST(%rbx)
        out     %al, $PORT_DONE
        jmp     1b
guest_end gap

/* kvm-touch: write one byte to each of `count` pages from `field` on; ticks = how long that took */
guest touch
1:      mov     MAIL_COUNT(%rbx), %rcx
        mov     MAIL_FIELD(%rbx), %rsi
        stamp   %r8
2:      movb    $1, (%rsi)
        add     $4096, %rsi
        dec     %rcx
        jnz     2b
        since   %r8
        mov     %rax, MAIL_TICKS(%rbx)
        out     %al, $PORT_DONE
        jmp     1b
guest_end touch

/* kvm-cpuid: leaf `count`; eax, ebx, ecx and edx go to ticks, gaps, longest and field */
guest cpuid
        mov     %rbx, %r8
1:      mov     MAIL_COUNT(%r8), %rax
        xor     %rcx, %rcx
        cpuid
        mov     %rax, MAIL_TICKS(%r8)
        mov     %rbx, MAIL_GAPS(%r8)
        mov     %rcx, MAIL_LONGEST(%r8)
        mov     %rdx, MAIL_FIELD(%r8)
        out     %al, $PORT_DONE
        jmp     1b
guest_end cpuid

#endif

        /* without this note the linker would give the whole executable a stack that can be run */
        .section .note.GNU-stack, "", %progbits
