/* place-work: what an application asks of the system below it, in one place: calls, processes,
 * memory, files.
 *
 * The same work with the same arguments in every place; nothing of it needs a file, a library or a
 * privilege.
 */
#include "lb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* a copy is larger than the caches of a core */
enum { PAGE = 4096, PAGES = 256, COPY = 16 << 20, SMALL = 4096 };

static char *from, *to;
static int there[2], back[2];
static pid_t partner;
static const char *folder;

static void call(void *state, int64_t ops)
{
    for ((void)state; ops--;)
        syscall(SYS_getppid);
}

static void gone(pid_t child)
{
    int status;
    if (child < 0)
        lb_fail("cannot fork: %s", strerror(errno));
    if (waitpid(child, &status, 0) != child || status)
        lb_fail("a child did not end as it should: status %d", status);
}

static void forks(void *state, int64_t ops)
{
    for ((void)state; ops--;) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        gone(child);
    }
}

static void execs(void *state, int64_t ops)
{
    static char *const words[] = {"liebench-core", "--nothing", NULL};
    static char *const nothing[] = {NULL};
    for ((void)state; ops--;) {
        pid_t child = vfork();
        if (child == 0) {
            execve("/proc/self/exe", words, nothing);
            _exit(127);
        }
        gone(child);
    }
}

static void switches(void *state, int64_t ops)
{
    char token = 0;
    for ((void)state; ops--;)
        if (write(there[1], &token, 1) != 1 || read(back[0], &token, 1) != 1)
            lb_fail("the other process is gone: %s", strerror(errno));
}

static void faults(void *state, int64_t ops)
{
    for ((void)state; ops > 0; ops -= PAGES) {
        char *room =
            mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (room == MAP_FAILED)
            lb_fail("no memory: %s", strerror(errno));
        madvise(room, PAGES * PAGE, MADV_NOHUGEPAGE);
        for (int64_t i = 0; i < PAGES && i < ops; i++)
            room[i * PAGE] = 1;
        munmap(room, PAGES * PAGE);
    }
}

static void copies(void *state, int64_t ops)
{
    for ((void)state; ops > 0; ops -= COPY / SMALL) { /* an operation is 4 KiB */
        memcpy(to, from, COPY);
        __asm__ volatile("" : : "r"(to) : "memory"); /* the copy is not for nothing */
    }
}

static void files(void *state, int64_t ops)
{
    char path[256];
    snprintf(path, sizeof path, "%s/liebench-%d", folder, getpid());
    for ((void)state; ops--;) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, from, SMALL) != SMALL || close(fd) || unlink(path))
            lb_fail("cannot write a file in %s: %s", folder, strerror(errno));
    }
}

static void answer_switches(void)
{
    char token;
    if (pipe(there) || pipe(back))
        lb_fail("no pipes: %s", strerror(errno));
    partner = fork();
    if (partner)
        return;
    close(there[1]), close(back[0]);
    while (read(there[0], &token, 1) == 1 && write(back[1], &token, 1) == 1)
        ;
    _exit(0);
}

static int run(struct lb_run *run)
{
    static lb_batch *const WORKS[] = {call, forks, execs, switches, faults, copies, files};
    lb_batch *work = WORKS[lb_int(run, "work")];
    folder = lb_text(run, "folder") ? lb_text(run, "folder") : "/tmp";
    size_t room = work == copies ? COPY : SMALL;
    from = lb_room(room, 1), to = lb_room(room, 1);
    if (work == switches)
        answer_switches();
    int status = lb_batched(run, work, NULL);
    if (partner) {
        close(there[1]);
        gone(partner);
    }
    free(from), free(to);
    return status;
}

static const struct lb_key KEYS[] = {
    {"work", 'w', 0, 0, 0, "call fork exec switch fault copy file"},
    {"folder", 's', 0, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel PLACE_WORK = {
    .name = "place-work",
    .summary = "calls, processes, faults, copies and files, as an application asks for them",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 1000,
    .samples = 20,
    .keys = KEYS,
};
LB_KERNEL(PLACE_WORK);
