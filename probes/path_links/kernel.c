/* path-links: what it costs to find a file by its name, warm or for the first time.
 *
 * The tree stands in `dir`: a file, a hard link, a chain of symbolic links, a deep path, and a bind
 * mount of the file's folder that only this process sees. An operation is one stat(2). With first=1
 * every sample is the first look at a name of its own (`build=1` makes those names, and does no
 * more): cold where somebody emptied the caches in between.
 */
#include "lb.h"
#include "rigs/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { DIRECT, SYMLINK, HARDLINK, BIND, DEEP };
enum { NAMES = 200 };

static char name[PATH_MAX];

static void link_to(int (*make)(const char *, const char *), const char *from, const char *to)
{
    if (make(from, to) && errno != EEXIST)
        lb_fail("cannot make the link %s: %s", to, strerror(errno));
}

/* Names the file `hops` folders further down; makes the folders where they are to be made. */
static void deep(const char *dir, int64_t hops, int64_t tag, bool make)
{
    size_t used = (size_t)snprintf(name, sizeof name, "%s/%lld", dir, (long long)tag);
    for (int64_t i = 0; i < hops; i++) {
        used += (size_t)snprintf(name + used, sizeof name - used, "/d");
        if (make)
            lb_make_dir("%s", name);
    }
    snprintf(name + used, sizeof name - used, "/file");
}

/* A path of `hops` symbolic links, or folders, that ends at the file; `tag` keeps trees apart. */
static void find(const char *dir, enum kind kind, int64_t hops, int64_t tag)
{
    char target[PATH_MAX];
    lb_make_dir("%s/%lld", dir, (long long)tag);
    snprintf(name, sizeof name, "%s/%lld/file", dir, (long long)tag);
    lb_fill(name, 64, 1);
    if (kind == HARDLINK) {
        snprintf(target, sizeof target, "%s/%lld/hard", dir, (long long)tag);
        link_to(link, name, target);
        strcpy(name, target);
    }
    /* short targets: ext4 keeps up to 59 bytes in the inode */
    for (int64_t i = 0; kind == SYMLINK && i < hops; i++) {
        if (i)
            snprintf(target, sizeof target, "link%lld", (long long)i - 1);
        snprintf(name, sizeof name, "%s/%lld/link%lld", dir, (long long)tag, (long long)i);
        link_to(symlink, i ? target : "file", name);
    }
    if (kind == BIND) {
        lb_own_mounts();
        lb_make_dir("%s/bound", dir);
        snprintf(name, sizeof name, "%s/bound", dir);
        snprintf(target, sizeof target, "%s/%lld", dir, (long long)tag);
        lb_bind(target, name);
        strcat(name, "/file");
    }
    if (kind == DEEP) {
        deep(dir, hops, tag, true);
        lb_fill(name, 64, 1);
    }
}

static void stats(void *state, int64_t ops)
{
    struct stat found;
    while (ops--)
        if (stat(state, &found))
            lb_fail("%s is gone: %s", (char *)state, strerror(errno));
}

static int run(struct lb_run *run)
{
    const char *dir = lb_text(run, "dir");
    if (!dir)
        lb_usage("path-links needs dir=FOLDER, which it fills");
    find(dir, (enum kind)lb_int(run, "kind"), lb_int(run, "hops"), 0);
    return lb_batched(run, stats, name);
}

static int run_first(struct lb_run *run)
{
    const char *dir = lb_text(run, "dir");
    if (!dir)
        lb_usage("path-first needs dir=FOLDER, which it fills");
    bool build = lb_int(run, "build");
    double *ns = lb_series(run, "ns");
    lb_begin(run);
    for (int64_t i = 0; i < run->samples; i++) {
        int64_t tag = i % NAMES + 1;
        struct stat found;
        if (build) {
            find(dir, DEEP, lb_int(run, "hops"), tag);
            ns[i] = 0;
            continue;
        }
        deep(dir, lb_int(run, "hops"), tag, false);
        int64_t from = lb_now();
        run->offsets[i] = from - run->start_ns;
        if (stat(name, &found))
            lb_fail("%s is gone: %s", name, strerror(errno));
        ns[i] = (double)(lb_now() - from);
    }
    lb_end(run);
    return lb_output(run);
}

static const struct lb_key KEYS[] = {
    {"dir", 's', 0, 0, 0, NULL},
    {"kind", 'w', 0, 0, 0, "direct symlink hardlink bind deep"},
    /* the kernel follows no more than 40 links (path_resolution(7)) */
    {"hops", 'i', 0, 40, 1, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key FIRST_KEYS[] = {
    {"dir", 's', 0, 0, 0, NULL},
    {"hops", 'i', 0, 40, 1, NULL},
    {"build", 'i', 0, 1, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel PATH_LINKS = {
    .name = "path-links",
    .summary =
        "stat of a file by its name: directly, by links, through a bind mount, down a deep path",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 100,
    .samples = 20,
    .keys = KEYS,
};
LB_KERNEL(PATH_LINKS);

static const struct lb_kernel PATH_FIRST = {
    .name = "path-first",
    .summary = "the first stat of names that were not looked up before",
    .run = run_first,
    .ops = 1,
    .samples = 50,
    .keys = FIRST_KEYS,
};
LB_KERNEL(PATH_FIRST);
