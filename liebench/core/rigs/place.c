/* place: a co-process that runs kernels where it lives, one line of arguments and one line of
 * answer each.
 *
 * Where it lives is the point: on the host, in a container, in namespaces of our own (root=FOLDER),
 * or as the first process of a guest (boot=1), always the same executable. Each line is run by a
 * child, so that a kernel that fails, hangs or leaks takes nothing else with it. A guest holds a
 * second place, in namespaces of its own: a line that begins with "inside" is for that one. A line
 * "end", or the end of stdin, ends the place; a guest then powers itself off, which only a line can
 * tell it: a serial line has no end. A line "hold KIB" makes the place itself larger.
 */
#include "mounts.h"
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { LINE = 8192, WORDS = 64 };
#define INSIDE "inside "
#define HOLD "hold "

static void mounted(const char *kind, const char *at, unsigned long flags)
{
    mkdir(at, 0755);
    if (mount(kind, at, kind, flags, NULL) && errno != EBUSY)
        lb_fail("cannot mount %s: %s", at, strerror(errno));
}

/* The first process of a guest: what a kernel leaves to it, and a serial line as our stdin and
 * stdout. */
static void boot(const char *tty)
{
    char path[64];
    struct termios raw;
    mounted("proc", "/proc", 0);
    mounted("sysfs", "/sys", 0);
    mounted("devtmpfs", "/dev", 0);
    mounted("tmpfs", "/tmp", 0);
    snprintf(path, sizeof path, "/dev/%s", tty ? tty : "ttyS1");
    int line = open(path, O_RDWR | O_NOCTTY);
    if (line < 0)
        lb_fail("this guest has no serial line %s: %s", path, strerror(errno));
    tcgetattr(line, &raw);
    cfmakeraw(&raw);
    tcsetattr(line, TCSANOW, &raw);
    dup2(line, STDIN_FILENO), dup2(line, STDOUT_FILENO);
    lb_link_up("lo");
}

/* What a guest boots into cannot be pivoted away from, but moved over (pivot_root(2),
 * switch_root(8)). */
static void change_root(void)
{
    mkdir("old", 0700);
    if (syscall(SYS_pivot_root, ".", "old") == 0) {
        if (chdir("/") || umount2("/old", MNT_DETACH) || rmdir("/old"))
            lb_fail("cannot leave the old root: %s", strerror(errno));
        return;
    }
    if (errno != EINVAL || mount(".", "/", NULL, MS_MOVE, NULL) || chroot(".") || chdir("/"))
        lb_fail("cannot change the root: %s", strerror(errno));
}

/* Namespaces of every kind and a root that holds this executable alone, as a container has them
 * (namespaces(7)). */
static void enclose(const char *root)
{
    int kinds = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET;
    lb_own_mounts();
    if (unshare(kinds))
        lb_fail("cannot make namespaces (%s); run as root, or allow user namespaces",
                strerror(errno));
    pid_t inner = fork(); /* the first of the new process namespace */
    if (inner < 0)
        lb_fail("cannot fork: %s", strerror(errno));
    if (inner > 0) {
        int status;
        close(STDIN_FILENO), close(STDOUT_FILENO);
        while (waitpid(inner, &status, 0) < 0 && errno == EINTR)
            ;
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : LB_FAILED);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) || chdir(root))
        lb_fail("cannot make %s a root: %s", root, strerror(errno));
    mkdir("proc", 0755), mkdir("tmp", 0755);
    if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL))
        lb_fail("cannot mount proc in %s: %s", root, strerror(errno));
    change_root();
    mounted("tmpfs", "/tmp", 0);
    lb_link_up("lo");
}

static int split(char *line, char **words)
{
    int count = 0;
    for (char *word = strtok(line, " \n"); word && count < WORDS; word = strtok(NULL, " \n"))
        words[count++] = word;
    return count;
}

static void put_error(int said, int status)
{
    char text[512];
    ssize_t got = read(said, text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    for (char *c = text; (c = strchr(c, '\n'));) /* one line, as whoever asked will show it */
        *c = ' ';
    fputs("{\"error\":", stdout);
    lb_put_text(*text ? text : "no word");
    printf(",\"status\":%d}\n", status);
    fflush(stdout);
}

static void run_line(char *line)
{
    char *words[WORDS];
    int count = split(line, words), said[2], status;
    if (!count || pipe(said))
        lb_fail("a place is asked with a kernel and its arguments");
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(said[1], STDERR_FILENO);
        close(said[0]), close(said[1]);
        exit(lb_measure(count, words));
    }
    close(said[1]);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
        put_error(said[0], child < 0 ? errno : status);
    close(said[0]);
}

/* Not at once: read(2) gives what is there, and a line may come in parts. */
static bool next_line(char *line)
{
    size_t used = 0;
    for (ssize_t got; used < LINE - 1 && (got = read(STDIN_FILENO, line + used, 1)) > 0; used++)
        if (line[used] == '\n') {
            line[used] = '\0';
            return true;
        }
    return false;
}

/* Memory that is touched and kept until the next such line: a place that takes more than usual. */
static void hold(size_t kib)
{
    static char *held;
    static size_t size;
    if (held)
        munmap(held, size);
    size = kib << 10;
    held = size ? mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
                : NULL;
    if (held == MAP_FAILED)
        lb_fail("no memory: %s", strerror(errno));
    printf("{\"held\":%zu}\n", kib);
    fflush(stdout);
}

/* Lines until the end; those for the place inside are handed on, and it answers by itself: stdout
 * is the same. */
static void serve(int inside)
{
    static char line[LINE];
    while (next_line(line) && strcmp(line, "end")) {
        bool is_inside = strncmp(line, INSIDE, sizeof INSIDE - 1) == 0;
        if (is_inside && dprintf(inside, "%s\n", line + sizeof INSIDE - 1) < 0)
            lb_fail("there is no place inside this one: %s", strerror(errno));
        else if (strncmp(line, HOLD, sizeof HOLD - 1) == 0)
            hold(strtoul(line + sizeof HOLD - 1, NULL, 10));
        else if (!is_inside)
            run_line(line);
    }
}

/* Returns where lines for it are written. */
static int place_inside(const char *root)
{
    int ends[2];
    if (pipe(ends))
        lb_fail("no pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0)
        lb_fail("cannot fork: %s", strerror(errno));
    if (child > 0) {
        close(ends[0]);
        return ends[1];
    }
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]), close(ends[1]);
    enclose(root);
    serve(-1);
    _exit(LB_OK);
}

static int run(struct lb_run *run)
{
    const char *root = lb_text(run, "root");
    bool is_guest = lb_int(run, "boot");
    int inside = -1;
    lb_watchdog(0);
    if (is_guest) {
        lb_edges = true;
        boot(lb_text(run, "tty"));
        inside = place_inside("/tmp");
    } else if (root) {
        enclose(root);
    }
    puts("{\"place\":1}");
    fflush(stdout);
    serve(inside);
    if (is_guest)
        reboot(RB_POWER_OFF);
    return LB_OK;
}

static const struct lb_key KEYS[] = {
    {"boot", 'i', 0, 1, 0, NULL},
    {"root", 's', 0, 0, 0, NULL},
    {"tty", 's', 0, 0, 0, NULL}, /* of a guest; ttyS1 where none is named */
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel PLACE = {
    .name = "place",
    .summary = "co-process: runs kernels where it lives, a line each",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(PLACE);
