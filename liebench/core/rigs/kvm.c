/* A hypervisor of our own, small enough to know what it does: one virtual CPU, 64-bit mode, no devices, no interrupts.
 *
 * kvm-exit   the guest leaves `ops` times a sample; the host spins spin_us before it goes back in
 * kvm-gap    the guest reads its counter in a loop and adds up the gaps; the host holds the CPU back for off_us in turns
 * kvm-touch  the guest writes to every page; the host dropped what lies behind them before (drop=1) or not
 * kvm-cpuid  the guest asks cpuid who its hypervisor is; the host answers with `signature`
 *
 * The guests are position-independent code below; they talk by `out` to a port and by one page of memory. Interface:
 * Documentation/virt/kvm/api.rst; long mode set up as in the AMD64 manual, volume 2, 14. Every run of the virtual CPU
 * stands under the process's watchdog.
 */
#include "lb.h"

#if defined(__x86_64__)

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MEMORY = 64 << 20, TABLES = 0x2000, DESCRIPTORS = 0x8000, MAIL = 0x9000, CODE = 0x10000, STACK = 0x1f000 };
enum { FIELD = 32 << 20, PAGE = 4096, PORT_WORK = 0x10, PORT_DONE = 0x11, WATCHDOG_S = 40 };

/* What lies in the mail page: in by the host, out by the guest. */
struct mail {
    uint64_t count, threshold, ticks, gaps, longest, field;
};

/* rbx: mail page. kvm-exit: count times out; ticks = counter difference. */
__asm__(".pushsection .rodata\n"
        "lb_guest_exit:\n"
        "1: mov (%rbx), %rcx\n rdtsc\n shl $32, %rdx\n or %rdx, %rax\n mov %rax, %r8\n"
        "2: out %al, $0x10\n dec %rcx\n jnz 2b\n"
        "rdtsc\n shl $32, %rdx\n or %rdx, %rax\n sub %r8, %rax\n mov %rax, 16(%rbx)\n"
        "out %al, $0x11\n jmp 1b\n"
        "lb_guest_exit_end:\n"
        /* kvm-gap: until `count` ticks have passed, add up differences above `threshold` */
        "lb_guest_gap:\n"
        "1: xor %r9, %r9\n xor %r10, %r10\n rdtsc\n shl $32, %rdx\n or %rdx, %rax\n mov %rax, %r8\n mov %rax, %r11\n"
        "2: rdtsc\n shl $32, %rdx\n or %rdx, %rax\n mov %rax, %r12\n sub %r11, %rax\n mov %r12, %r11\n"
        "cmp 8(%rbx), %rax\n jbe 3f\n add %rax, %r9\n cmp %r10, %rax\n jbe 3f\n mov %rax, %r10\n"
        "3: sub %r8, %r12\n cmp (%rbx), %r12\n jb 2b\n"
        "mov %r12, 16(%rbx)\n mov %r9, 24(%rbx)\n mov %r10, 32(%rbx)\n"
        "out %al, $0x11\n jmp 1b\n"
        "lb_guest_gap_end:\n"
        /* kvm-touch: write one byte to each of `count` pages of the field */
        "lb_guest_touch:\n"
        "1: mov (%rbx), %rcx\n mov 40(%rbx), %rsi\n rdtsc\n shl $32, %rdx\n or %rdx, %rax\n mov %rax, %r8\n"
        "2: movb $1, (%rsi)\n add $4096, %rsi\n dec %rcx\n jnz 2b\n"
        "rdtsc\n shl $32, %rdx\n or %rdx, %rax\n sub %r8, %rax\n mov %rax, 16(%rbx)\n"
        "out %al, $0x11\n jmp 1b\n"
        "lb_guest_touch_end:\n"
        /* kvm-cpuid: leaf `count`, answer in ticks (eax), gaps (ebx), longest (ecx), field (edx) */
        "lb_guest_cpuid:\n"
        "mov %rbx, %r8\n"
        "1: mov (%r8), %rax\n xor %rcx, %rcx\n cpuid\n"
        "mov %rax, 16(%r8)\n mov %rbx, 24(%r8)\n mov %rcx, 32(%r8)\n mov %rdx, 40(%r8)\n"
        "out %al, $0x11\n jmp 1b\n"
        "lb_guest_cpuid_end:\n"
        ".popsection");

extern const unsigned char lb_guest_exit[], lb_guest_exit_end[], lb_guest_gap[], lb_guest_gap_end[];
extern const unsigned char lb_guest_touch[], lb_guest_touch_end[], lb_guest_cpuid[], lb_guest_cpuid_end[];

struct machine {
    int cpu;
    unsigned char *memory;
    struct kvm_run *run;
    struct mail *mail;
};

static int must(int answer, const char *what)
{
    if (answer < 0)
        lb_fail("the hypervisor refused %s: %s", what, strerror(errno));
    return answer;
}

/* Every address is what it says: one gigabyte in pages of two megabytes. */
static void map_memory(unsigned char *memory)
{
    uint64_t *top = (uint64_t *)(memory + TABLES), *next = top + 512, *pages = next + 512;
    top[0] = (TABLES + PAGE) | 3;
    next[0] = (TABLES + 2 * PAGE) | 3;
    for (uint64_t i = 0; i < 512; i++)
        pages[i] = i << 21 | 0x83;
}

static void enter_long_mode(int cpu, unsigned char *memory)
{
    struct kvm_sregs s;
    must(ioctl(cpu, KVM_GET_SREGS, &s), "KVM_GET_SREGS");
    struct kvm_segment code = {.limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    uint64_t *descriptors = (uint64_t *)(memory + DESCRIPTORS);
    descriptors[1] = 0x00af9b000000ffff;
    descriptors[2] = 0x00cf93000000ffff;
    s.gdt.base = DESCRIPTORS;
    s.gdt.limit = 23;
    s.cs = code;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.cr3 = TABLES;
    s.cr4 = 0x20;       /* PAE */
    s.cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
    s.efer = 0x500;     /* LMA, LME */
    must(ioctl(cpu, KVM_SET_SREGS, &s), "KVM_SET_SREGS");
    struct kvm_regs r = {.rip = CODE, .rbx = MAIL, .rsp = STACK, .rflags = 2};
    must(ioctl(cpu, KVM_SET_REGS, &r), "KVM_SET_REGS");
}

/* What the host offers its guest; with a signature, leaf 0x40000000 says that instead. */
static void pass_cpuid(int kvm, int cpu, const char *signature)
{
    enum { MOST = 256 };
    struct kvm_cpuid2 *leaves = lb_room(1, sizeof *leaves + MOST * sizeof leaves->entries[0]);
    leaves->nent = MOST;
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, leaves) != 0)
        leaves->nent = 0;
    for (uint32_t i = 0; signature && i < leaves->nent; i++)
        if (leaves->entries[i].function == 0x40000000) {
            memcpy(&leaves->entries[i].ebx, signature, 4);
            memcpy(&leaves->entries[i].ecx, signature + 4, 4);
            memcpy(&leaves->entries[i].edx, signature + 8, 4);
        }
    if (leaves->nent)
        must(ioctl(cpu, KVM_SET_CPUID2, leaves), "KVM_SET_CPUID2");
    free(leaves);
}

static struct machine make(const unsigned char *code, const unsigned char *end, const char *signature)
{
    struct machine m;
    lb_watchdog(WATCHDOG_S);
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        lb_fail("needs /dev/kvm: %s; use a host or an instance that offers virtualization", strerror(errno));
    int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    m.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (m.memory == MAP_FAILED)
        lb_fail("no memory for a guest of %d MiB", MEMORY >> 20);
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY, .userspace_addr = (uint64_t)(uintptr_t)m.memory};
    must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
    m.cpu = must(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
    size_t size = (size_t)must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
    m.run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, m.cpu, 0);
    if (m.run == MAP_FAILED)
        lb_fail("cannot map the virtual CPU: %s", strerror(errno));
    pass_cpuid(kvm, m.cpu, signature);
    map_memory(m.memory);
    memcpy(m.memory + CODE, code, (size_t)(end - code));
    enter_long_mode(m.cpu, m.memory);
    m.mail = (struct mail *)(m.memory + MAIL);
    return m;
}

/* Run until the guest writes to a port: that port; -1 where a signal came. */
static int until_exit(struct machine *m)
{
    if (ioctl(m->cpu, KVM_RUN, 0) < 0) {
        if (errno == EINTR || errno == EAGAIN)
            return -1;
        lb_fail("the guest does not run: %s", strerror(errno));
    }
    if (m->run->exit_reason != KVM_EXIT_IO)
        lb_fail("the guest stopped for reason %u instead of reporting", m->run->exit_reason);
    return m->run->io.port;
}

/* ns per tick of the counter, over 20 ms: host and guest count the same one unless the hypervisor scales it. */
static double tick_ns(void)
{
    uint64_t ticks = lb_counter_ordered();
    int64_t from = lb_now(), now;
    while ((now = lb_now()) < from + 20000000)
        lb_relax();
    return (double)(now - from) / (double)(lb_counter_ordered() - ticks);
}

static void spin(int64_t ns)
{
    for (int64_t until = lb_now() + ns; lb_now() < until;)
        lb_relax();
}

static int run_exit(struct lb_run *run)
{
    struct machine m = make(lb_guest_exit, lb_guest_exit_end, NULL);
    int64_t spin_ns = llround(lb_num(run, "spin_us") * 1000);
    double *values = lb_series(run, "ns"), unit = tick_ns();
    m.mail->count = (uint64_t)run->ops;
    lb_begin(run);
    for (int64_t i = -1; i < run->samples; i++) { /* the first only warms */
        int64_t from = lb_now();
        int port;
        while ((port = until_exit(&m)) != PORT_DONE)
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
    struct machine m = make(lb_guest_gap, lb_guest_gap_end, NULL);
    double *seen = lb_series(run, "seen"), *held = lb_series(run, "held"), unit = tick_ns();
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
        while (until_exit(&m) < 0) {
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
    struct machine m = make(lb_guest_touch, lb_guest_touch_end, NULL);
    int64_t pages = lb_int(run, "pages");
    double *values = lb_series(run, "ns"), unit = tick_ns();
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
        while (until_exit(&m) != PORT_DONE)
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
    struct machine m = make(lb_guest_cpuid, lb_guest_cpuid_end, signature);
    double *values = lb_series(run, "leaf");
    m.mail->count = 0x40000000;
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        while (until_exit(&m) != PORT_DONE)
            ;
        values[i] = (double)(uint32_t)m.mail->ticks;
    }
    lb_end(run);
    memcpy(inside, &m.mail->gaps, 4);
    memcpy(inside + 4, &m.mail->longest, 4);
    memcpy(inside + 8, &m.mail->field, 4);
    for (char *c = inside; *c; c++) /* it came from a guest: only what is safe to print */
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
            *c = '?';
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
    .summary = "share of its time that a guest of ours sees missing, against what its host held back",
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
