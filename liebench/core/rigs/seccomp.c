/* seccomp filters: classic BPF over struct seccomp_data, installed for this process and its
 * children until they end.
 *
 * Since Linux 5.11 the kernel knows for each call whether a filter always allows it, and then runs
 * no filter (kernel/seccomp.c, seccomp_cache_check_allow). It finds out by following the filter
 * with the number and the architecture alone, so a filter that looks at an argument on that path is
 * run every time.
 */
#include "seccomp.h"
#include "lb.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* a jump reaches 255 instructions; no call has that number or a higher one */
enum { GROUP = 250, NOWHERE = 5000 };

struct filter {
    struct sock_filter code[BPF_MAXINSNS];
    unsigned short length;
};

static void put(struct filter *filter, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    filter->code[filter->length++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

static void load(struct filter *filter, size_t offset)
{
    put(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}
static void end(struct filter *filter, uint32_t action)
{
    put(filter, BPF_RET | BPF_K, action, 0, 0);
}

/* Compares that lead to one jump target in each group, which is how libseccomp lays out a list. */
static void compare(struct filter *filter, uint32_t first, int count)
{
    for (int done = 0, now; done < count; done += now) {
        now = count - done < GROUP ? count - done : GROUP;
        for (int i = 0; i < now; i++)
            put(filter, BPF_JMP | BPF_JEQ | BPF_K, first + (uint32_t)(done + i), (uint8_t)(now - i),
                0);
        put(filter, BPF_JMP | BPF_JA, 1, 0, 0);
        end(filter, SECCOMP_RET_ALLOW);
    }
}

static int install(struct filter *filter, unsigned flags)
{
    struct sock_fprog program = {.len = filter->length, .filter = filter->code};
    /* without it only root may; that it failed is said next */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (fd < 0)
        lb_fail("cannot install a seccomp filter of %d instructions: %s", filter->length,
                strerror(errno));
    return (int)fd;
}

static int decide(uint32_t action, unsigned flags)
{
    static struct filter filter;
    filter.length = 0;
    load(&filter, offsetof(struct seccomp_data, nr));
    put(&filter, BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1);
    end(&filter, action);
    end(&filter, SECCOMP_RET_ALLOW);
    return install(&filter, flags);
}

void lb_seccomp_action(uint32_t action) { decide(action, 0); }
int lb_seccomp_listener(void)
{
    return decide(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

void lb_seccomp_uncached(int compares)
{
    static struct filter filter;
    filter.length = 0;
    load(&filter, offsetof(struct seccomp_data, nr));
    compare(&filter, NOWHERE, compares);
    load(&filter, offsetof(struct seccomp_data, args[0]));
    end(&filter, SECCOMP_RET_ALLOW);
    install(&filter, 0);
}

void lb_seccomp_list(void)
{
    static struct filter filter;
    filter.length = 0;
    load(&filter, offsetof(struct seccomp_data, arch));
    put(&filter, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    end(&filter, SECCOMP_RET_KILL_PROCESS);
    load(&filter, offsetof(struct seccomp_data, nr));
    compare(&filter, 0, LB_LISTED);
    end(&filter, SECCOMP_RET_ERRNO | EPERM);
    install(&filter, 0);
}
