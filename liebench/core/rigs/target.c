#include "rigs/target.h"
#include "lb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* O_EXCL on a block device fails while it is mounted, swapped to or part of an array (open(2)). */
int lb_target(const char *path, bool writes, bool direct)
{
    static bool ours; /* a second exclusive open would find the first */
    struct stat what;
    bool device = stat(path, &what) == 0 && S_ISBLK(what.st_mode);
    int flags = O_CLOEXEC | (writes ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0) |
                (device && writes && !ours ? O_EXCL : 0);
    int fd = open(path, flags);
    if (fd < 0)
        lb_fail("cannot open %s%s: %s", path, direct ? " past the page cache" : "",
                strerror(errno));
    ours |= device && writes;
    return fd;
}

size_t lb_target_bytes(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    return end > 0 ? (size_t)end : 0;
}

char *lb_aligned_noise(size_t bytes)
{
    void *found;
    uint64_t seed = LB_SEED;
    if (posix_memalign(&found, 4096, bytes))
        lb_fail("no memory for %zu bytes", bytes);
    for (size_t i = 0; i < bytes / sizeof seed; i++)
        ((uint64_t *)found)[i] = lb_random(&seed);
    return found;
}
