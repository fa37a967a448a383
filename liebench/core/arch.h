/* What differs between processors: the system call instruction, the counter, and work that no
 * compiler can fold.
 *
 * Everything here is inline assembly on purpose: the same instructions run whatever compiler, libc
 * or optimisation level built the file, so numbers from two builds speak of the same machine code.
 */
#ifndef LB_ARCH_H
#define LB_ARCH_H

#include <stdint.h>

#if !defined(__linux__) || !(defined(__x86_64__) || defined(__aarch64__))
#error "liebench-core knows Linux on x86-64 and aarch64"
#endif

/* Repeats one line of assembly; the text is pasted into an asm statement. */
#define LB_TIMES_8(line) line line line line line line line line
#define LB_TIMES_64(line) LB_TIMES_8(LB_TIMES_8(line))

#if defined(__x86_64__)

#define LB_ARCH "x86_64"

/* A system call with two arguments and no libc around it: the kernel's answer, negative errno on
 * failure. */
static inline long lb_syscall2(long number, long first, long second)
{
    long answer;
    __asm__ volatile("syscall"
                     : "=a"(answer)
                     : "0"(number), "D"(first), "S"(second)
                     : "rcx", "r11", "memory");
    return answer;
}

/* The time stamp counter, plain and unfenced: what the cheapest application read costs. */
static inline uint64_t lb_counter(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Fenced on both sides: for stamps that are compared across processors (bare reads warp by 100 ns
 * and more). */
static inline uint64_t lb_counter_ordered(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static inline void lb_relax(void) { __asm__ volatile("pause" : : : "memory"); }

/* Dependent chain: 3 cycles an iteration, one multiplier busy a third of the time, so neither the
 * loop's own instructions, nor its alignment, nor a busy sibling thread change what an iteration
 * costs. */
static inline void lb_chain(uint64_t iterations)
{
    uint64_t value = 1;
    if (iterations)
        __asm__ volatile("1:\n\timul $3, %0, %0\n\tdec %1\n\tjnz 1b"
                         : "+r"(value), "+r"(iterations)
                         :
                         : "cc");
}

/* Register operands, not "add $1": recent cores (Golden Cove and later) add small immediates at
 * rename, for free. */
static inline void lb_add1_64(uint64_t *value, uint64_t one)
{
    __asm__ volatile(LB_TIMES_64("add %1, %0\n\t") : "+r"(*value) : "r"(one) : "cc");
}

static inline void lb_add8_64(uint64_t v[8], uint64_t one)
{
    __asm__ volatile(LB_TIMES_8("add %8, %0\n\tadd %8, %1\n\tadd %8, %2\n\tadd %8, %3\n\t"
                                "add %8, %4\n\tadd %8, %5\n\tadd %8, %6\n\tadd %8, %7\n\t")
                     : "+r"(v[0]), "+r"(v[1]), "+r"(v[2]), "+r"(v[3]), "+r"(v[4]), "+r"(v[5]),
                       "+r"(v[6]), "+r"(v[7])
                     : "r"(one)
                     : "cc");
}

static inline void lb_mul_64(uint64_t *value, uint64_t factor)
{
    __asm__ volatile(LB_TIMES_64("imul %1, %0\n\t") : "+r"(*value) : "r"(factor) : "cc");
}

/* Eight dependent divisions of a large number by three: long latencies, next to no
 * micro-operations. */
static inline void lb_div_8(uint64_t *value)
{
    uint64_t high;
    for (int i = 0; i < 8; i++) {
        *value |= UINT64_C(0x7000000000000000);
        __asm__ volatile("xor %k1, %k1\n\tdiv %2"
                         : "+a"(*value), "=&d"(high)
                         : "r"(UINT64_C(3))
                         : "cc");
    }
}

#else /* aarch64 */

#define LB_ARCH "aarch64"

static inline long lb_syscall2(long number, long first, long second)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = first;
    register long x1 __asm__("x1") = second;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1) : "memory");
    return x0;
}

static inline uint64_t lb_counter(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}

static inline uint64_t lb_counter_ordered(void)
{
    uint64_t ticks;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks) : : "memory");
    return ticks;
}

static inline void lb_relax(void) { __asm__ volatile("yield" : : : "memory"); }

static inline void lb_chain(uint64_t iterations)
{
    uint64_t value = 1;
    if (iterations)
        __asm__ volatile("1:\n\tmul %0, %0, %2\n\tsubs %1, %1, #1\n\tb.ne 1b"
                         : "+r"(value), "+r"(iterations)
                         : "r"((uint64_t)3)
                         : "cc");
}

static inline void lb_add1_64(uint64_t *value, uint64_t one)
{
    __asm__ volatile(LB_TIMES_64("add %0, %0, %1\n\t") : "+r"(*value) : "r"(one));
}

static inline void lb_add8_64(uint64_t v[8], uint64_t one)
{
    __asm__ volatile(
        LB_TIMES_8("add %0, %0, %8\n\tadd %1, %1, %8\n\tadd %2, %2, %8\n\tadd %3, %3, %8\n\t"
                   "add %4, %4, %8\n\tadd %5, %5, %8\n\tadd %6, %6, %8\n\tadd %7, %7, %8\n\t")
        : "+r"(v[0]), "+r"(v[1]), "+r"(v[2]), "+r"(v[3]), "+r"(v[4]), "+r"(v[5]), "+r"(v[6]),
          "+r"(v[7])
        : "r"(one));
}

static inline void lb_mul_64(uint64_t *value, uint64_t factor)
{
    __asm__ volatile(LB_TIMES_64("mul %0, %0, %1\n\t") : "+r"(*value) : "r"(factor));
}

static inline void lb_div_8(uint64_t *value)
{
    for (int i = 0; i < 8; i++) {
        *value |= UINT64_C(0x7000000000000000);
        __asm__ volatile("udiv %0, %0, %1" : "+r"(*value) : "r"(UINT64_C(3)));
    }
}

#endif
#endif
