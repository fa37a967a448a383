/* TCP connections between two network namespaces. */
#include "tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const LOOPBACK = "127.0.0.1";

static struct sockaddr_in address(const char *to)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, to ? to : LOOPBACK, &at.sin_addr) != 1)
        lb_usage("to=%s is no IPv4 address", to);
    return at;
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
    struct sockaddr_in at = address(wish->to);
    socklen_t length = sizeof at;
    lb_net_enter(wish->far);
    int ear = opened();
    room(ear, SO_RCVBUF, wish->far_room); /* before listen(2), or the window scale is not chosen for it: tcp(7) */
    if (bind(ear, (struct sockaddr *)&at, sizeof at) || listen(ear, 128) ||
        getsockname(ear, (struct sockaddr *)&at, &length))
        lb_fail("cannot listen on %s: %s", wish->to ? wish->to : LOOPBACK, strerror(errno));
    lb_net_enter(wish->near);
    for (int64_t i = 0; i < count; i++) {
        ends[i].near = opened();
        room(ends[i].near, SO_SNDBUF, wish->near_room);
        control(ends[i].near, wish->congestion);
        if (connect(ends[i].near, (struct sockaddr *)&at, sizeof at))
            lb_fail("cannot reach %s: %s", wish->to ? wish->to : LOOPBACK, strerror(errno));
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
