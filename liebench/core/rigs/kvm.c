/* A hypervisor of our own, small enough to know what it does: one virtual CPU, 64-bit mode, no
 * devices, no interrupts.
 *
 * - kvm-exit: the guest leaves `ops` times a sample; the host spins spin_us before it goes back in
 * - kvm-gap: the guest reads its counter in a loop and adds up the gaps; the host holds the CPU
 *   back for off_us in turns
 * - kvm-touch: the guest writes to every page; the host dropped what lies behind them before
 *   (drop=1) or not
 * - kvm-cpuid: the guest asks cpuid who its hypervisor is; the host answers with `signature`
 *
 * The guests are written in guest.S; they talk by `out` to a port and by one page of memory. Every
 * run of the virtual CPU stands under the process's watchdog.
 */
#include "lb.h"

#if defined(__x86_64__)

#include "machine.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

static void spin(int64_t ns)
{
    for (int64_t until = lb_now() + ns; lb_now() < until;)
        lb_relax();
}

static int run_exit(struct lb_run *run)
{
    struct machine m = lb_machine(lb_guest_exit, lb_guest_exit_end, NULL);
    int64_t spin_ns = llround(lb_num(run, "spin_us") * 1000);
    double *values = lb_series(run, "ns"), unit = lb_tick_ns();
    m.mail->count = (uint64_t)run->ops;
    lb_begin(run);
    for (int64_t i = -1; i < run->samples; i++) { /* the first only warms */
        int64_t from = lb_now();
        int port;
        while ((port = lb_machine_run(&m)) != PORT_DONE)
            if (port == PORT_WORK && spin_ns)
                spin(spin_ns);
        if (i < 0)
            continue;
        run->offsets[i] = from - run->start_ns;
        values[i] = (double)m.mail->ticks * unit / (double)run->ops;
    }
    lb_end(run);
    return lb_output(run);
}

/* ---- holding the virtual CPU back ---- */
static struct {
    pthread_t vcpu;
    int64_t on_ns, off_ns;
    atomic_int stop, hold;
    struct kvm_run *run;
} holder;

static void nothing(int signal) { (void)signal; }

static void rest(int64_t ns)
{
    struct timespec t = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    nanosleep(&t, NULL);
}

static void *hold(void *unused)
{
    (void)unused;
    while (!atomic_load(&holder.stop)) {
        rest(holder.on_ns);
        atomic_store(&holder.hold, 1);
        holder.run->immediate_exit = 1;
        pthread_kill(holder.vcpu, SIGUSR1);
        rest(holder.off_ns);
    }
    return NULL;
}

static int run_gap(struct lb_run *run)
{
    struct machine m = lb_machine(lb_guest_gap, lb_guest_gap_end, NULL);
    double *seen = lb_series(run, "seen"), *held = lb_series(run, "held"), unit = lb_tick_ns();
    struct sigaction act = {.sa_handler = nothing};
    pthread_t thread;
    sigaction(SIGUSR1, &act, NULL);
    holder.vcpu = pthread_self();
    holder.on_ns = lb_int(run, "on_us") * 1000;
    holder.off_ns = lb_int(run, "off_us") * 1000;
    holder.run = m.run;
    m.mail->count = (uint64_t)((double)lb_int(run, "window_ms") * 1e6 / unit);
    m.mail->threshold = (uint64_t)((double)lb_int(run, "threshold_us") * 1e3 / unit);
    if (holder.off_ns && pthread_create(&thread, NULL, hold, NULL))
        lb_fail("cannot start a second thread");
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t from = lb_now(), away = 0;
        while (lb_machine_run(&m) < 0) {
            m.run->immediate_exit = 0;
            if (!atomic_exchange(&holder.hold, 0))
                continue;
            int64_t left = lb_now();
            rest(holder.off_ns);
            away += lb_now() - left;
        }
        run->offsets[i] = from - run->start_ns;
        seen[i] = 100 * (double)m.mail->gaps / (double)m.mail->ticks;
        held[i] = 100 * (double)away / (double)(lb_now() - from);
    }
    lb_end(run);
    atomic_store(&holder.stop, 1);
    if (holder.off_ns)
        pthread_join(thread, NULL);
    lb_fact_num(run, "longest_ms", (double)m.mail->longest * unit / 1e6);
    return lb_output(run);
}

static int run_touch(struct lb_run *run)
{
    struct machine m = lb_machine(lb_guest_touch, lb_guest_touch_end, NULL);
    int64_t pages = lb_int(run, "pages");
    double *values = lb_series(run, "ns"), unit = lb_tick_ns();
    struct rusage before, after;
    m.mail->count = (uint64_t)pages;
    m.mail->field = FIELD;
    madvise(m.memory + FIELD, (size_t)pages * PAGE, MADV_NOHUGEPAGE);
    int64_t faults = 0;
    lb_begin(run);
    for (int64_t i = -1; i < run->samples; i++) {
        /* shared memory: DONTNEED would leave the page behind, REMOVE (madvise(2)) frees it */
        if (lb_int(run, "drop") && madvise(m.memory + FIELD, (size_t)pages * PAGE, MADV_REMOVE))
            lb_fail("cannot drop the guest's memory: %s", strerror(errno));
        getrusage(RUSAGE_THREAD, &before);
        while (lb_machine_run(&m) != PORT_DONE)
            ;
        getrusage(RUSAGE_THREAD, &after);
        if (i < 0)
            continue;
        run->offsets[i] = lb_now() - run->start_ns;
        faults += after.ru_minflt - before.ru_minflt;
        values[i] = (double)m.mail->ticks * unit / (double)pages;
    }
    lb_end(run);
    lb_fact_num(run, "faults_per_page", (double)faults / (double)(pages * run->samples));
    return lb_output(run);
}

static int run_cpuid(struct lb_run *run)
{
    const char *signature = lb_text(run, "signature");
    char inside[13] = "";
    if (signature && strlen(signature) != 12)
        lb_usage("a signature has twelve characters");
    struct machine m = lb_machine(lb_guest_cpuid, lb_guest_cpuid_end, signature);
    double *values = lb_series(run, "leaf");
    m.mail->count = 0x40000000;
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        while (lb_machine_run(&m) != PORT_DONE)
            ;
        values[i] = (double)(uint32_t)m.mail->ticks;
    }
    lb_end(run);
    memcpy(inside, &m.mail->gaps, 4);
    memcpy(inside + 4, &m.mail->longest, 4);
    memcpy(inside + 8, &m.mail->field, 4);
    lb_fact_text(run, "inside", inside);
    return lb_output(run);
}

#else /* aarch64: the guest would need another start; the rig says so instead of pretending */

static int unsupported(struct lb_run *run)
{
    (void)run;
    lb_fail("our own guest exists on x86-64 only");
}
#define run_exit unsupported
#define run_gap unsupported
#define run_touch unsupported
#define run_cpuid unsupported

#endif

static const struct lb_key EXIT_KEYS[] = {
    {"spin_us", 'f', 0, 10000, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key GAP_KEYS[] = {
    {"on_us", 'i', 100, 1e6, 5000, NULL},
    {"off_us", 'i', 0, 1e6, 0, NULL},
    {"window_ms", 'i', 1, 5000, 200, NULL},
    {"threshold_us", 'i', 1, 100000, 100, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key TOUCH_KEYS[] = {
    {"pages", 'i', 1, 8000, 1000, NULL},
    {"drop", 'i', 0, 1, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel KVM_EXIT_KERNEL = {
    .name = "kvm-exit",
    .summary = "round trip out of a guest of ours whose host spins spin_us",
    .run = run_exit,
    .ops = 100,
    .samples = 10,
    .keys = EXIT_KEYS,
};
LB_KERNEL(KVM_EXIT_KERNEL);

static const struct lb_kernel KVM_GAP_KERNEL = {
    .name = "kvm-gap",
    .summary =
        "share of its time that a guest of ours sees missing, against what its host held back",
    .run = run_gap,
    .ops = 1,
    .samples = 2,
    .keys = GAP_KEYS,
};
LB_KERNEL(KVM_GAP_KERNEL);

static const struct lb_kernel KVM_TOUCH_KERNEL = {
    .name = "kvm-touch",
    .summary = "first touch in a guest of ours whose memory was dropped by its host",
    .run = run_touch,
    .ops = 1,
    .samples = 5,
    .keys = TOUCH_KEYS,
};
LB_KERNEL(KVM_TOUCH_KERNEL);

static const struct lb_key CPUID_KEYS[] = {
    {"signature", 's', 0, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel KVM_CPUID_KERNEL = {
    .name = "kvm-cpuid",
    .summary = "who a guest of ours is told that it runs on",
    .run = run_cpuid,
    .ops = 1,
    .samples = 1,
    .keys = CPUID_KEYS,
};
LB_KERNEL(KVM_CPUID_KERNEL);
