/* Interface between the core and its kernels. A kernel is one C file with one `struct lb_kernel`
 * and LB_KERNEL(). What its process says and how it ends stands in PROTOCOL.md.
 *
 * Law: a timed region calls no libc function except the thing under test. lb_now(), lb_chain() and
 * the kernel's own batch are all that stands between two stamps.
 *
 * Functions that return nothing of a failure end the process by lb_fail or lb_usage instead.
 */
#ifndef LB_H
#define LB_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "arch.h"

#ifndef LB_VERSION
#define LB_VERSION "unversioned"
#endif
#ifndef LB_BUILD_ID
#define LB_BUILD_ID "unknown"
#endif

enum { LB_OK = 0, LB_FAILED = 1, LB_USAGE = 2 };
enum { LB_SERIES = 4, LB_KEYS = 24, LB_FACTS = 64, LB_MAX_CPU = 8191 };
#define LB_MAX_OPS 1e9
/* What a run file keeps raw; a kernel with more events brings a histogram and its largest. */
#define LB_MAX_SAMPLES 1e5

/* ---- errors (fail.c): one line on stderr, then the end ---- */

/* What was seen and what to do, as for printf; exit status 1. For whatever the machine refuses. */
_Noreturn void lb_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same with exit status 2, for arguments that cannot be meant. */
_Noreturn void lb_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- a process and its kernel (main.c) ---- */

/* One kernel (argv[0]) with its key=value arguments, once in a process's life; the exit status. */
int lb_measure(int argc, char **argv);
/* (Re)arms the wall clock limit; 0: none. The CPU limit stays. */
void lb_watchdog(unsigned seconds);

/* ---- arguments (args.c) ---- */
struct lb_key {
    const char *name;
    char type;                  /* 'i' whole number, 'f' number, 'w' one of `words`, 's' text */
    double low, high, fallback; /* bounds are inclusive; fallback stands where the key is absent */
    const char *words; /* for 'w': separated by one space; the value is the index */
};

struct lb_run;

/* LB_PLANTS: takes plant_ns. LB_BATCHED: takes ops, plant_work, plant_share and calibrate too. */
enum { LB_PLANTS = 1, LB_BATCHED = 2 | LB_PLANTS };

struct lb_kernel {
    const char *name, *summary;
    int (*run)(struct lb_run *); /* its exit status: what lb_output or lb_serve returned */
    unsigned flags;
    double ops, samples; /* defaults */
    const struct lb_key *keys; /* own keys, ended by a null name; NULL: none */
};

/* Puts a kernel on the list without a table that every new probe would have to edit. */
#define LB_KERNEL(kernel) \
    static const struct lb_kernel *const lb_listed_##kernel \
        __attribute__((used, section("lb_kernels"))) = &(kernel)

/* Reads all arguments of run->kernel; ends with usage at the first that cannot be understood. */
void lb_parse(struct lb_run *run, int argc, char **argv);
/* Whether the key was given. It is a failure to ask these four for a key that is not declared. */
bool lb_given(const struct lb_run *run, const char *key);
/* The value within its bounds, or the fallback. */
double lb_num(const struct lb_run *run, const char *key);
/* The same of a whole number; of a word, its index. */
int64_t lb_int(const struct lb_run *run, const char *key);
/* The text as it was given, printable ASCII; NULL where the key is absent. */
const char *lb_text(const struct lb_run *run, const char *key);

/* ---- clocks (clock.c, vdso.c) ---- */
typedef int lb_gettime(clockid_t, struct timespec *);

/* The vDSO's clock_gettime; NULL where the kernel maps no vDSO. */
lb_gettime *lb_vdso_gettime(void);
/* The vDSO's, else the bare system call; set by lb_timer_init. */
extern lb_gettime *lb_clock_gettime;

/* The timer behind lb_now, in ns: its smallest step seen, the common divisor of steps, a read. */
struct lb_timer {
    double step_ns, gcd_ns, read_ns;
    bool vdso;
};
/* Chooses the way to read clocks and measures it, within 0.3 ms. */
void lb_timer_init(struct lb_timer *timer);

#define LB_CLOCKS \
    "counter monotonic realtime raw boottime tai realtime-coarse monotonic-coarse process-cpu " \
    "thread-cpu"
/* The clock of an index in LB_CLOCKS; -1 for the counter. */
clockid_t lb_clock_id(int64_t word);

/* A moment or a length in ns. */
static inline int64_t lb_ns(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* clock_gettime by the bare system call: 0, or a negative errno. */
static inline int lb_syscall_gettime(clockid_t clock, struct timespec *t)
{
    return (int)lb_syscall2(SYS_clock_gettime, clock, (long)t);
}

/* A clock in ns. */
static inline int64_t lb_read(clockid_t clock)
{
    struct timespec t;
    lb_clock_gettime(clock, &t);
    return lb_ns(t);
}

/* The stamp of every timed region: CLOCK_MONOTONIC_RAW in ns, which nobody steers. */
static inline int64_t lb_now(void) { return lb_read(CLOCK_MONOTONIC_RAW); }

/* ---- alibi of the calling thread (alibi.c) ---- */
struct lb_edge { /* at one edge of a repetition; -1: the kernel does not tell */
    int64_t cpu_ns, run_delay_ns, slices, steal, irq, softirq;
    struct rusage usage;
    int cpu;
};
/* Opens what lb_alibi_read reads; called by the measuring thread, before anything is timed. */
void lb_alibi_open(void);
/* What happened to this thread and its CPU so far. */
void lb_alibi_read(struct lb_edge *edge);
/* ns that this thread waited for a CPU so far, -1 where unknown. */
int64_t lb_run_delay(void);
/* The CPU on which the caller runs now. */
int lb_cpu(void);
/* Remembers the CPUs that may be used, before anything is pinned. */
void lb_affinity_open(void);
/* Whether this process was started with that CPU. */
bool lb_usable(int64_t cpu);
/* The calling thread runs on that CPU alone from now on. */
void lb_pin(int64_t cpu);

/* ---- sentinel and planted work (work.c) ---- */
struct lb_sentinel { /* ns per operation of a latency-bound and of a port-bound loop; 0: unread */
    double chain1_ns, chain8_ns;
};
/* Keeps the smaller of what it holds and what it sees. */
void lb_sentinel_read(struct lb_sentinel *sentinel);
/* ns of one iteration of lb_chain, measured now. */
double lb_chain_ns(void);

/* ---- one repetition (repeat.c) ---- */
struct lb_series {
    const char *quantity;
    double *values;
};

struct lb_fact { /* beside the samples: a number, or a text where that is not NULL */
    char *name, *text;
    double value;
};

struct lb_run {
    const struct lb_kernel *kernel;
    struct lb_key keys[LB_KEYS];
    double values[LB_KEYS];
    const char *texts[LB_KEYS];
    int given[LB_KEYS]; /* indices of the keys that were given, in the order of the arguments */
    int key_count, given_count;
    struct lb_timer timer;
    int64_t ops, samples;
    double plant_work; /* iterations of lb_chain per operation */
    double plant_share; /* operations that are made again for each that is counted */
    struct lb_series series[LB_SERIES];
    int series_count;
    int64_t *offsets; /* start of each sample in ns since start_ns */
    int64_t start_ns, elapsed_ns;
    struct lb_edge before, after;
    bool migrated;
    struct lb_sentinel sentinel;
    struct lb_fact facts[LB_FACTS];
    int fact_count;
};

/* `ops` operations under test, and nothing else. */
typedef void lb_batch(void *state, int64_t ops);

/* Room for run->samples values of a quantity, already touched. Their unit ends its name. */
double *lb_series(struct lb_run *run, const char *quantity);
/* Whether both ends of a repetition print a line on stdout, for a clock outside this machine. */
extern bool lb_edges;
/* Alibi and sentinel, then the repetition starts. */
void lb_begin(struct lb_run *run);
/* The repetition ends; alibi and sentinel again. */
void lb_end(struct lb_run *run);
/* Between samples: notes a migration. */
void lb_place(struct lb_run *run);
/* The whole life of a batched kernel: calibrates or measures, and writes the answer. */
int lb_batched(struct lb_run *run, lb_batch *batch, void *state);
/* `count` times `size` bytes, zeroed and touched, or the end; the caller frees them. */
void *lb_room(size_t count, size_t size);

/* ---- order (order.c), never inside a timed region ---- */

/* Ascending, in place. */
void lb_sort(double *values, size_t count);
/* 0 to count - 1 in random order, the same one for the same seed (not 0); the caller frees it. */
uint32_t *lb_order(size_t count, uint64_t seed);

/* xorshift (Marsaglia 2003): noise and places, the same ones for the same seed, which is not 0. */
static inline uint64_t lb_random(uint64_t *seed)
{
    *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
    return *seed;
}
#define LB_SEED UINT64_C(88172645463325252)

/* ---- co-processes (serve.c) ---- */

/* Prints one line and flushes it: LB_OK, or LB_FAILED to end. */
typedef int lb_answer(const struct lb_run *run, void *state);
/* How many answers one read of stdin asks for; -1 at its end. */
int lb_asked(const struct lb_run *run);
/* Answers until stdin ends; the exit status. */
int lb_serve(const struct lb_run *run, lb_answer *answer, void *state);

/* ---- JSON on stdout (json.c) ---- */

/* A string: quotes, backslashes and control bytes are escaped, what is no UTF-8 becomes U+FFFD. */
void lb_put_text(const char *text);
/* The same, and the colon behind a name. */
void lb_put_name(const char *name);
/* A number of so many significant digits, or null where it is not finite. */
void lb_put_num(double value, int digits);
/* A whole number, or null. */
void lb_put_int(int64_t value, bool is_known);

/* ---- the answer (output.c) ---- */

/* A fact beside the samples, null in the answer where it is not finite. The name is copied. */
void lb_fact_num(struct lb_run *run, const char *name, double value);
/* A fact that is a text. Both are copied. */
void lb_fact_text(struct lb_run *run, const char *name, const char *value);
/* The whole answer of a repetition on one line; the exit status. */
int lb_output(struct lb_run *run);
/* The answer to calibrate=1: operations that fill a sample, and what one costs. */
int lb_output_calibration(struct lb_run *run, int64_t ops, double op_ns);
/* LB_FAILED, said on stderr, where the answer could not be written. */
int lb_flush(void);

#endif
