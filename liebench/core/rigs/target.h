/* What block kernels read and write: a file, or a block device that nobody else has. */
#ifndef LB_TARGET_H
#define LB_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#define LB_PIECE ((size_t)1 << 20)

/* a device that is in use is never written to */
int lb_target(const char *path, bool writes, bool direct);
size_t lb_target_bytes(int fd);
/* aligned as O_DIRECT wants it, and nothing that a layer could shortcut */
char *lb_aligned_noise(size_t bytes);

#endif
