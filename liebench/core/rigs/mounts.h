/* Mounts that nobody else sees: a mount namespace of this process, gone with it, also when killed.
 */
#ifndef LB_MOUNTS_H
#define LB_MOUNTS_H

#include <stddef.h>

void lb_become_root(void); /* in a user namespace of ours, with mounts of its own */
/* as root, else in a user namespace; ends with a sentence where neither is allowed */
void lb_own_mounts(void);
void lb_bind(const char *from, const char *to);
/* layers l1..ln of dir (ln on top), up, work -> dir/merged, new upper */
void lb_overlay(const char *dir, int layers);
/* and options of the mount: ",metacopy=on" */
void lb_overlay_with(const char *dir, int layers, const char *options);
/* the same by fuse-overlayfs, a process of ours that dies with us */
void lb_fuse_overlay(const char *dir, int layers);
void lb_make_dir(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* a file of noise, written back; kept where it stands */
void lb_fill(const char *path, size_t bytes, unsigned seed);
/* everything below dir/name, so that it is empty again */
void lb_clear(const char *dir, const char *name);

#endif
