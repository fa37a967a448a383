/* A virtual machine small enough to know what it does: long mode by the AMD64 manual, volume 2, 14;
 * interface by Documentation/virt/kvm/api.rst. Its guests are position-independent code at CODE
 * with rbx at the mail page.
 */
#if defined(__x86_64__)

#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

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
    struct kvm_segment code = {
        .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    struct kvm_segment data = {
        .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1};
    uint64_t *descriptors = (uint64_t *)(memory + DESCRIPTORS);
    descriptors[1] = 0x00af9b000000ffff;
    descriptors[2] = 0x00cf93000000ffff;
    s.gdt.base = DESCRIPTORS;
    s.gdt.limit = 23;
    s.cs = code;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    s.cr3 = TABLES;
    s.cr4 = 0x20; /* PAE */
    s.cr0 = 0x80050033; /* PG, AM, WP, NE, ET, MP, PE */
    s.efer = 0x500; /* LMA, LME */
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

struct machine lb_machine(const unsigned char *code, const unsigned char *end,
                          const char *signature)
{
    struct machine m;
    lb_watchdog(WATCHDOG_S);
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0)
        lb_fail("needs /dev/kvm: %s; use a host or an instance that offers virtualization",
                strerror(errno));
    int vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    m.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (m.memory == MAP_FAILED)
        lb_fail("no memory for a guest of %d MiB", MEMORY >> 20);
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY,
                                                 .userspace_addr = (uint64_t)(uintptr_t)m.memory};
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
int lb_machine_run(struct machine *m)
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

/* ns per tick of the counter, over 20 ms: host and guest count the same one unless the hypervisor
 * scales it. */
double lb_tick_ns(void)
{
    uint64_t ticks = lb_counter_ordered();
    int64_t from = lb_now(), now;
    while ((now = lb_now()) < from + 20000000)
        lb_relax();
    return (double)(now - from) / (double)(lb_counter_ordered() - ticks);
}

#endif
