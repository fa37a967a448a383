/* TCP connections between two network namespaces. */
#include "tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct sockaddr_in lb_address(const char *ip, int64_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, ip ? ip : "127.0.0.1", &at.sin_addr) != 1)
        lb_usage("%s is no IPv4 address", ip);
    return at;
}

struct lb_tcp_wish lb_tcp_wish(struct lb_run *run)
{
    struct lb_tcp_wish wish = {
        .near = lb_text(run, "near"), .far = lb_text(run, "far"), .to = lb_text(run, "to")};
    wish.via = lb_text(run, "via") ? lb_text(run, "via") : wish.to;
    wish.port = lb_int(run, "port");
    return wish;
}

bool lb_alive(const struct lb_run *run, bool asked)
{
    int times = asked ? lb_asked(run) : 0;
    for (int i = 0; i < times; i++)
        printf("{\"pid\":%d}\n", getpid());
    return times >= 0 && (!times || lb_flush() == LB_OK);
}

static int opened(void)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        lb_fail("cannot open a socket: %s", strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void room(int fd, int which, int bytes)
{
    if (bytes && setsockopt(fd, SOL_SOCKET, which, &bytes, sizeof bytes))
        lb_fail("cannot give a socket %d bytes: %s", bytes, strerror(errno));
}

static void control(int fd, const char *name)
{
    if (name && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)))
        lb_fail("this kernel has no congestion control %s for us: %s", name, strerror(errno));
}

void lb_tcp_connect(const struct lb_tcp_wish *wish, struct lb_tcp *ends, int64_t count)
{
    struct sockaddr_in at = lb_address(wish->to, wish->port);
    socklen_t length = sizeof at;
    lb_net_enter(wish->far);
    int ear = opened();
    setsockopt(ear, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    /* before listen(2), or the window scale is not chosen for it: tcp(7) */
    room(ear, SO_RCVBUF, wish->far_room);
    if (bind(ear, (struct sockaddr *)&at, sizeof at) || listen(ear, 128) ||
        getsockname(ear, (struct sockaddr *)&at, &length))
        lb_fail("cannot listen on %s: %s", wish->to ? wish->to : "loopback", strerror(errno));
    lb_net_enter(wish->near);
    at = lb_address(wish->via, ntohs(at.sin_port));
    for (int64_t i = 0; i < count; i++) {
        ends[i].near = opened();
        room(ends[i].near, SO_SNDBUF, wish->near_room);
        control(ends[i].near, wish->congestion);
        if (connect(ends[i].near, (struct sockaddr *)&at, sizeof at))
            lb_fail("cannot reach %s: %s", wish->via ? wish->via : "loopback", strerror(errno));
        ends[i].far = accept4(ear, NULL, NULL, SOCK_CLOEXEC);
        if (ends[i].far < 0)
            lb_fail("cannot accept a connection: %s", strerror(errno));
        int one = 1;
        setsockopt(ends[i].far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    close(ear);
}

struct tcp_info lb_tcp_info(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
        lb_fail("TCP_INFO cannot be read: %s", strerror(errno));
    return info;
}

void lb_tcp_congestion(int fd, char name[16])
{
    socklen_t length = 16;
    if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &length))
        lb_fail("TCP_CONGESTION cannot be read: %s", strerror(errno));
}

void lb_send(int fd, const void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t put = send(fd, (const char *)bytes + done, length - done, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR)
            lb_fail("cannot send: %s", strerror(errno));
        done += put > 0 ? (size_t)put : 0;
    }
}

void lb_receive(int fd, void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        ssize_t got = recv(fd, (char *)bytes + done, length - done, 0);
        if (got == 0 || (got < 0 && errno != EINTR))
            lb_fail("cannot receive: %s", got ? strerror(errno) : "the other end is gone");
        done += got > 0 ? (size_t)got : 0;
    }
}
