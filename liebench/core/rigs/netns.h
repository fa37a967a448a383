/* Network namespaces of ours. They are named by a path (/proc/PID/fd/N of the process that holds
 * them). */
#ifndef LB_NETNS_H
#define LB_NETNS_H

#include "lb.h"

/* Keys of every kernel that works in them: the user namespace that owns them, the two ends, the far
 * end's address, the address by which the near one reaches it where that is another (a proxy, a
 * translated one), its port (0: any). */
// clang-format off
#define LB_NET_KEYS \
    {"user", 's', 0, 0, 0, NULL}, \
    {"near", 's', 0, 0, 0, NULL}, \
    {"far", 's', 0, 0, 0, NULL}, \
    {"to", 's', 0, 0, 0, NULL}, \
    {"via", 's', 0, 0, 0, NULL}, \
    {"port", 'i', 0, 65535, 0, NULL}
// clang-format on

void lb_net_user(const char *path);  /* before any thread starts; NULL: stay where we are */
/* the calling thread, for the sockets that it opens next; NULL: stay */
void lb_net_enter(const char *path);
/* A sysctl of the namespace of the calling thread, net/...; of several numbers the last, the others
 * stay. It is read back: a kernel that makes something else of it ends the run. */
void lb_net_set(const char *key, int64_t value);
void lb_link_up(const char *name);
void lb_link_plain(const char *name); /* without offloads: every frame as a wire would carry it */

#endif
