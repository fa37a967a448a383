/* TCP connections whose two ends lie in two network namespaces, and what the kernel says. */
#ifndef LB_TCP_H
#define LB_TCP_H

#include "netns.h"

#include <linux/tcp.h>
#include <netinet/in.h>

struct lb_tcp_wish {
    const char *near, *far, *to, *via; /* as the keys of the same names */
    int64_t port;
    const char *congestion; /* NULL: as the namespace has it */
    /* SO_RCVBUF of the far end, SO_SNDBUF of the near one; 0: autotuning */
    int far_room, near_room;
};

struct lb_tcp {
    int near, far;
};

struct lb_tcp_wish lb_tcp_wish(struct lb_run *run); /* from LB_NET_KEYS, with autotuning */
void lb_tcp_connect(const struct lb_tcp_wish *wish, struct lb_tcp *ends, int64_t count);
struct tcp_info lb_tcp_info(int fd);
void lb_tcp_congestion(int fd, char name[16]);
struct sockaddr_in lb_address(const char *ip, int64_t port); /* NULL: loopback */
/* of a hop: answers who asked with its pid; false: the end */
bool lb_alive(const struct lb_run *run, bool asked);
void lb_send(int fd, const void *bytes, size_t length); /* all of it, or the end */
void lb_receive(int fd, void *bytes, size_t length);

#endif
