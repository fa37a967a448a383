/* Private mounts for the file system probes. */
#include "mounts.h"

#include "lb.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_root_here = true;

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        lb_fail("cannot write %s (%s); this host allows no user namespaces: run as root", path,
                strerror(errno));
    close(fd);
}

/* A user namespace in which we are root: user_namespaces(7) wants setgroups denied before the group
 * is mapped. */
void lb_become_root(void)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
        lb_fail("cannot make a user namespace (%s); run as root, or allow user namespaces",
                strerror(errno));
    put("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", uid);
    put("/proc/self/uid_map", map);
    snprintf(map, sizeof map, "0 %u 1", gid);
    put("/proc/self/gid_map", map);
}

void lb_own_mounts(void)
{
    if (unshare(CLONE_NEWNS)) {
        is_root_here = false;
        lb_become_root();
    }
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        lb_fail("cannot make mounts private (%s); run as root outside a container",
                strerror(errno));
}

void lb_bind(const char *from, const char *to)
{
    if (mount(from, to, NULL, MS_BIND, NULL))
        lb_fail("cannot bind %s to %s: %s", from, to, strerror(errno));
}

void lb_make_dir(const char *format, ...)
{
    char path[4096];
    va_list rest;
    va_start(rest, format);
    vsnprintf(path, sizeof path, format, rest);
    va_end(rest);
    if (mkdir(path, 0755) && errno != EEXIST)
        lb_fail("cannot make the folder %s: %s", path, strerror(errno));
}

void lb_fill(const char *path, size_t bytes, unsigned seed)
{
    enum { PART = 1 << 16 };
    static uint64_t noise[PART / sizeof(uint64_t)];
    struct stat known;
    if (stat(path, &known) == 0 && (size_t)known.st_size == bytes)
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        lb_fail("cannot make %s: %s", path, strerror(errno));
    uint64_t x = LB_SEED + seed;
    for (size_t done = 0; done < bytes;) {
        for (size_t i = 0; i < PART / sizeof *noise; i++)
            noise[i] = lb_random(&x);
        size_t part = bytes - done < PART ? bytes - done : PART;
        ssize_t put = write(fd, noise, part);
        if (put <= 0)
            lb_fail("cannot write %s after %zu bytes: %s", path, done, strerror(errno));
        done += (size_t)put;
    }
    if (fsync(fd) || close(fd))
        lb_fail("cannot write %s back: %s", path, strerror(errno));
}

static int gone(const char *path, const struct stat *what, int kind, struct FTW *at)
{
    (void)what, (void)kind;
    return at->level ? remove(path) : 0;
}

void lb_clear(const char *dir, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    lb_make_dir("%s", path);
    if (nftw(path, gone, 16, FTW_DEPTH | FTW_PHYS))
        lb_fail("cannot empty %s: %s", path, strerror(errno));
}

/* Names are relative, for the options of a mount must fit on one page
 * (Documentation/filesystems/overlayfs.rst). */
static void prepare(const char *dir, int layers, char *options, size_t room)
{
    size_t used = (size_t)snprintf(options, room, "lowerdir=");
    umount2("merged", MNT_DETACH);
    lb_clear(dir, "up");
    lb_clear(dir, "work");
    lb_make_dir("%s/merged", dir);
    if (chdir(dir))
        lb_fail("cannot enter %s: %s", dir, strerror(errno));
    umount2("merged", MNT_DETACH);
    for (int i = layers; i > 0; i--)
        used += (size_t)snprintf(options + used, room - used, i > 1 ? "l%d:" : "l%d", i);
    snprintf(options + used, room - used, ",upperdir=up,workdir=work");
}

void lb_overlay_with(const char *dir, int layers, const char *more)
{
    char options[4096];
    prepare(dir, layers, options, sizeof options - sizeof ",userxattr" - strlen(more));
    strcat(options, more);
    if (!is_root_here)
        strcat(options, ",userxattr");
    if (mount("liebench", "merged", "overlay", 0, options))
        lb_fail("cannot mount an overlay of %d layers%s in %s (%s); "
                "run as root, on a file system that can hold an upper layer",
                layers, more, dir, strerror(errno));
}

void lb_overlay(const char *dir, int layers) { lb_overlay_with(dir, layers, ""); }

static pid_t helper;

static void end_helper(void)
{
    kill(helper, SIGKILL);
    waitpid(helper, NULL, 0);
}

/* In the foreground, so that it can be killed with us: as a daemon in our mount namespace it would
 * keep that alive. */
void lb_fuse_overlay(const char *dir, int layers)
{
    enum { PATIENCE_MS = 5000 };
    char options[4096];
    struct stat before, after;
    prepare(dir, layers, options, sizeof options);
    if (stat("merged", &before))
        lb_fail("cannot see %s/merged: %s", dir, strerror(errno));
    pid_t parent = getpid();
    helper = fork();
    if (helper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(STDERR_FILENO, STDOUT_FILENO); /* our answer stands on the other one */
        if (getppid() == parent)
            execlp("fuse-overlayfs", "fuse-overlayfs", "-f", "-o", options, "merged", (char *)NULL);
        _exit(127);
    }
    if (helper > 0)
        atexit(end_helper);
    for (int ms = 0; helper > 0 && ms < PATIENCE_MS && waitpid(helper, NULL, WNOHANG) == 0; ms++) {
        if (stat("merged", &after) == 0 && after.st_dev != before.st_dev)
            return;
        usleep(1000);
    }
    lb_fail("fuse-overlayfs does not mount %d layers in %s; "
            "is it installed, and may /dev/fuse be used?",
            layers, dir);
}
