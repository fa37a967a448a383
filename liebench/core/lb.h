/* Interface between the core and its kernels. A kernel is one C file with one `struct lb_kernel` and LB_KERNEL().
 *
 * Law: a timed region calls no libc function except the thing under test. lb_now(), lb_chain() and the kernel's own
 * batch are all that stands between two stamps.
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
enum { LB_SERIES = 4, LB_KEYS = 24, LB_MAX_CPU = 8191 };
#define LB_MAX_OPS 1e9
#define LB_MAX_SAMPLES 1e5 /* what a run file keeps raw; a kernel with more events brings a histogram and its largest */

/* ---- errors (main.c): one line on stderr, then the end ---- */
_Noreturn void lb_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void lb_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
int lb_measure(int argc, char **argv); /* one kernel with its arguments, once in the life of a process */
void lb_watchdog(unsigned seconds); /* (re)arms the wall clock limit; 0: none. The CPU limit stays. */

/* ---- arguments (args.c) ---- */
struct lb_key {
    const char *name;
    char type;                  /* 'i' whole number, 'f' number, 'w' one of `words`, 's' text */
    double low, high, fallback; /* bounds are inclusive; fallback stands where the key is absent */
    const char *words;          /* for 'w': separated by one space; the value is the index */
};

struct lb_run;
enum { LB_PLANTS = 1, LB_BATCHED = 2 | LB_PLANTS };

struct lb_kernel {
    const char *name, *summary;
    int (*run)(struct lb_run *);
    unsigned flags;       /* LB_PLANTS: takes plant_ns; LB_BATCHED: takes ops, plant_work, plant_share and calibrate too */
    double ops, samples;  /* defaults */
    const struct lb_key *keys; /* own keys, ended by a null name; NULL: none */
};

/* Puts a kernel on the list without a table that every new probe would have to edit. */
#define LB_KERNEL(kernel) \
    static const struct lb_kernel *const lb_listed_##kernel __attribute__((used, section("lb_kernels"))) = &(kernel)

void lb_parse(struct lb_run *run, int argc, char **argv);
bool lb_given(const struct lb_run *run, const char *key);
double lb_num(const struct lb_run *run, const char *key);
int64_t lb_int(const struct lb_run *run, const char *key); /* also the index of a word */
const char *lb_text(const struct lb_run *run, const char *key); /* as given, NULL where absent */

/* ---- clocks (clock.c, vdso.c) ---- */
typedef int lb_gettime(clockid_t, struct timespec *);
lb_gettime *lb_vdso_gettime(void); /* NULL where the kernel maps no vDSO */
extern lb_gettime *lb_clock_gettime; /* the vDSO's, else the bare system call; set by lb_timer_init */

struct lb_timer {
    double step_ns, gcd_ns, read_ns;
    bool vdso;
};
void lb_timer_init(struct lb_timer *timer);

#define LB_CLOCKS "counter monotonic realtime raw boottime tai realtime-coarse monotonic-coarse process-cpu thread-cpu"
clockid_t lb_clock_id(int64_t word); /* index in LB_CLOCKS; -1 for the counter */

static inline int64_t lb_ns(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

static inline int lb_syscall_gettime(clockid_t clock, struct timespec *t)
{
    return (int)lb_syscall2(SYS_clock_gettime, clock, (long)t);
}

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
void lb_alibi_open(void);
void lb_alibi_read(struct lb_edge *edge);
int64_t lb_run_delay(void); /* ns waited for a CPU so far, -1 where unknown */
int lb_cpu(void);
void lb_affinity_open(void); /* remembers the CPUs that may be used, before anything is pinned */
bool lb_usable(int64_t cpu); /* whether this process was started with that CPU */
void lb_pin(int64_t cpu); /* the calling thread */

/* ---- sentinel and planted work (work.c) ---- */
struct lb_sentinel { double chain1_ns, chain8_ns; };
void lb_sentinel_read(struct lb_sentinel *sentinel); /* keeps the smaller of what it holds and what it sees */
double lb_chain_ns(void);                            /* one iteration of lb_chain, measured now */

/* ---- one repetition (repeat.c) ---- */
struct lb_series {
    const char *quantity;
    double *values;
};

struct lb_run {
    const struct lb_kernel *kernel;
    struct lb_key keys[LB_KEYS];
    double values[LB_KEYS];
    const char *texts[LB_KEYS];
    int key_count, argc;
    char **argv;
    struct lb_timer timer;
    int64_t ops, samples;
    double plant_work;  /* iterations of lb_chain per operation */
    double plant_share; /* operations that are made again for each that is counted */
    struct lb_series series[LB_SERIES];
    int series_count;
    int64_t *offsets;
    int64_t start_ns, elapsed_ns;
    struct lb_edge before, after;
    bool migrated;
    struct lb_sentinel sentinel;
    char facts[2048];
    size_t facts_used;
};

typedef void lb_batch(void *state, int64_t ops);

double *lb_series(struct lb_run *run, const char *quantity); /* room for run->samples values, already touched */
extern bool lb_edges; /* a line on stdout at both ends of a repetition, for a clock outside this machine */
void lb_begin(struct lb_run *run); /* alibi and sentinel, then the repetition starts */
void lb_end(struct lb_run *run);
void lb_place(struct lb_run *run); /* between samples: notes a migration */
int lb_batched(struct lb_run *run, lb_batch *batch, void *state); /* the whole life of a batched kernel */
void *lb_room(size_t count, size_t size); /* zeroed and touched, or the end */
uint32_t *lb_order(size_t count, uint64_t seed); /* 0 to count - 1 in random order; the caller frees it */

/* xorshift (Marsaglia 2003): noise and places, the same ones for the same seed, which is not 0. */
static inline uint64_t lb_random(uint64_t *seed)
{
    *seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
    return *seed;
}
#define LB_SEED UINT64_C(88172645463325252)

/* ---- co-processes (serve.c) ---- */
typedef int lb_answer(const struct lb_run *run, void *state); /* prints one line and flushes it */
int lb_asked(const struct lb_run *run); /* what one read of stdin asks for; -1 at its end */
int lb_serve(const struct lb_run *run, lb_answer *answer, void *state);

/* ---- output (output.c) ---- */
void lb_fact_num(struct lb_run *run, const char *name, double value);
void lb_fact_text(struct lb_run *run, const char *name, const char *value);
void lb_put_num(double value, int digits); /* a number, or null where it is not finite */
void lb_put_text(const char *text);
int lb_output(struct lb_run *run);
int lb_output_calibration(struct lb_run *run, int64_t ops, double op_ns);
int lb_flush(void); /* LB_FAILED, said on stderr, where the answer could not be written */

#endif
