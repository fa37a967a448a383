/* copy-up: the first change of a file of a lower layer, by the size of the file.
 *
 * A file of noise of that size lies in the one lower layer; the overlay has a new upper layer in
 * every repetition and is seen by this process alone. A sample opens one such file for writing,
 * writes its first byte and closes it: an overlay copies the whole file up before
 * (Documentation/filesystems/overlayfs.rst, "non-directories"). change=mode changes its mode
 * instead, for which everything is copied too, unless the mount has metacopy=on ("Metadata only
 * copy up"). plain=1 does the same in the lower folder itself. The files are in the page cache;
 * nothing waits for the disk but what the file system itself waits for.
 */
#include "lb.h"
#include "rigs/mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void warm(const char *path)
{
    static char part[1 << 16];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && read(fd, part, sizeof part) > 0) {
    }
    if (fd < 0)
        lb_fail("cannot read %s: %s", path, strerror(errno));
    close(fd);
}

static void write_first_byte(const char *path)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || close(fd))
        lb_fail("cannot write to %s: %s", path, strerror(errno));
}

enum { WRITE, MODE };

static void change_mode(const char *path)
{
    struct stat found;
    if (stat(path, &found) || chmod(path, found.st_mode ^ S_IXUSR))
        lb_fail("cannot change the mode of %s: %s", path, strerror(errno));
}

static int run(struct lb_run *run)
{
    static const char *const METACOPY[] = {"", ",metacopy=off", ",metacopy=on"};
    const char *dir = lb_text(run, "dir");
    int64_t kib = lb_int(run, "kib");
    bool plain = lb_int(run, "plain");
    char path[PATH_MAX];
    if (!dir)
        lb_usage("copy-up needs dir=FOLDER, which it fills");
    lb_make_dir("%s/l1", dir);
    int64_t each = 1 + lb_int(run, "plant_extra"); /* files a sample, of which one is counted */
    for (int64_t i = 0; i < run->samples * each; i++) {
        snprintf(path, sizeof path, "%s/l1/%lldk-%lld", dir, (long long)kib, (long long)i);
        lb_fill(path, (size_t)kib << 10, (unsigned)i);
        warm(path);
    }
    if (!plain) {
        lb_own_mounts();
        if (lb_int(run, "fuse"))
            lb_fuse_overlay(dir, 1);
        else
            lb_overlay_with(dir, 1, METACOPY[lb_int(run, "metacopy")]);
    }
    double *us = lb_series(run, "us");
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        us[i] = 0;
        for (int64_t file = i * each; file < (i + 1) * each; file++) {
            snprintf(path, sizeof path, "%s/%s/%lldk-%lld", dir, plain ? "l1" : "merged",
                     (long long)kib, (long long)file);
            int64_t from = lb_now();
            if (file == i * each)
                run->offsets[i] = from - run->start_ns;
            (lb_int(run, "change") == MODE ? change_mode : write_first_byte)(path);
            us[i] += (double)(lb_now() - from) / 1000;
        }
        lb_place(run);
    }
    lb_end(run);
    if (!plain)
        lb_clear(dir, "up"); /* what was copied up would fill the disk */
    lb_fact_num(run, "mib", (double)kib / 1024);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"dir", 's', 0, 0, 0, NULL},
    {"kib", 'i', 4, 1 << 20, 1024, NULL},
    {"plain", 'i', 0, 1, 0, NULL},
    {"fuse", 'i', 0, 1, 0, NULL}, /* by fuse-overlayfs */
    {"change", 'w', 0, 0, WRITE, "write mode"},
    {"metacopy", 'w', 0, 0, 0, "host N Y"}, /* as the host has it, or an option of the mount */
    {"plant_extra", 'i', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel COPY_UP = {
    .name = "copy-up",
    .summary = "the first change of a file that lies in a lower layer of an overlay",
    .run = run,
    .ops = 1,
    .samples = 2,
    .keys = KEYS,
};
LB_KERNEL(COPY_UP);
