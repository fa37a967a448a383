/* overlay-lookup: what a file costs that lies below n layers of an overlay, against one in a plain
 * folder.
 *
 * Layers l1 (lowest) to ln stand in `dir`; every layer has the folder `d`, and the files lie in the
 * lowest one, so that a lookup has to ask them all (Documentation/filesystems/overlayfs.rst). The
 * overlay is mounted anew in each repetition, seen by this process alone: its own names are cold,
 * the layers below are warm. layers=0 is the plain folder, which is always warm.
 */
#include "lb.h"
#include "rigs/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum op { FIRST, ABSENT, WARM, OPEN, LIST };
enum { FILES = 200, DEEPEST = 128 };

static char base[PATH_MAX];

static void build(const char *dir, int layers)
{
    char path[PATH_MAX];
    for (int i = 1; i <= layers; i++) {
        lb_make_dir("%s/l%d", dir, i);
        lb_make_dir("%s/l%d/d", dir, i);
    }
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/l1/d/f%d", dir, i);
        lb_fill(path, 64, 1);
    }
}

static void look(enum op op, int64_t i, bool again)
{
    char path[PATH_MAX + 32];
    struct stat found;
    snprintf(path, sizeof path, op == ABSENT ? "%s/none%lld" : "%s/f%lld", base,
             (long long)(i % FILES));
    int fd = -1, error = op == OPEN && again ? (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0
                                             : stat(path, &found);
    if (fd >= 0)
        close(fd);
    if (!error == (op == ABSENT))
        lb_fail("%s: %s", path, error ? strerror(errno) : "it is there, and should not be");
}

static void list(void)
{
    DIR *folder = opendir(base);
    int seen = 0;
    while (folder && readdir(folder))
        seen++;
    if (!folder || seen < FILES)
        lb_fail("%s holds %d names: %s", base, seen, strerror(errno));
    closedir(folder);
}

/* Several names a sample, so that a stamp costs next to nothing of it. */
static int run(struct lb_run *run)
{
    const char *dir = lb_text(run, "dir");
    int layers = (int)lb_int(run, "layers");
    enum op op = (enum op)lb_int(run, "op");
    if (!dir)
        lb_usage("overlay-lookup needs dir=FOLDER, which it fills");
    build(dir, layers ? layers : 1);
    snprintf(base, sizeof base, "%s/%s/d", dir, layers ? "merged" : "l1");
    if (layers) {
        lb_own_mounts();
        (lb_int(run, "fuse") ? lb_fuse_overlay : lb_overlay)(dir, layers);
    }
    int64_t each = op == LIST ? 1 : FILES / run->samples ? FILES / run->samples : 1;
    int64_t extra = llround(lb_num(run, "plant_extra") * (double)each);
    double *ns = lb_series(run, "ns");
    if (op != FIRST && op != ABSENT)
        for (int64_t i = 0; i < FILES; i++)
            look(op, i, false);
    lb_begin(run);
    for (int64_t s = 0, next = 0; s < run->samples; s++) {
        int64_t from = lb_now();
        run->offsets[s] = from - run->start_ns;
        for (int64_t i = 0; i < each + extra; i++) {
            if (op == LIST)
                list();
            else
                look(op, next++, true);
        }
        ns[s] = (double)(lb_now() - from) / (double)each;
        lb_place(run);
    }
    lb_end(run);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"dir", 's', 0, 0, 0, NULL},
    {"layers", 'i', 0, DEEPEST, 1, NULL},
    {"fuse", 'i', 0, 1, 0, NULL}, /* by fuse-overlayfs */
    {"op", 'w', 0, 0, 0, "first absent warm open list"},
    {"plant_extra", 'f', 0, 10, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel OVERLAY_LOOKUP = {
    .name = "overlay-lookup",
    .summary = "finding, opening and listing files below n layers of an overlay",
    .run = run,
    .ops = 1,
    .samples = 20,
    .keys = KEYS,
};
LB_KERNEL(OVERLAY_LOOKUP);
