/* net-proxy: takes TCP connections and copies their bytes to another address, as a container
 * engine's proxy does. */
#include "tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PART = 1 << 16, ENDS = 128, FIRST = 2 };

struct proxy {
    struct sockaddr_in peer;
    /* stdin, the listener, then both ends of each connection side by side */
    struct pollfd ears[FIRST + ENDS];
    nfds_t count;
};

static bool copied(int from, int to)
{
    static char part[PART];
    ssize_t got = recv(from, part, sizeof part, 0);
    for (ssize_t done = 0, put; done < got; done += put)
        if ((put = send(to, part + done, (size_t)(got - done), MSG_NOSIGNAL)) <= 0)
            return false;
    return got > 0;
}

static void serve(struct proxy *proxy)
{
    for (nfds_t i = FIRST; i < proxy->count;) {
        struct pollfd *in = &proxy->ears[i], *out = in + 1;
        if ((!in->revents || copied(in->fd, out->fd)) &&
            (!out->revents || copied(out->fd, in->fd))) {
            i += 2;
            continue;
        }
        close(in->fd), close(out->fd);
        *in = proxy->ears[proxy->count - 2], *out = proxy->ears[proxy->count - 1];
        proxy->count -= 2;
    }
}

static void take(struct proxy *proxy)
{
    int one = 1, in = accept4(proxy->ears[1].fd, NULL, NULL, SOCK_CLOEXEC);
    int out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool full = proxy->count == FIRST + ENDS;
    if (in < 0 || out < 0 || full ||
        connect(out, (struct sockaddr *)&proxy->peer, sizeof proxy->peer)) {
        close(in), close(out);
        return;
    }
    setsockopt(in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    proxy->ears[proxy->count++] = (struct pollfd){in, POLLIN, 0};
    proxy->ears[proxy->count++] = (struct pollfd){out, POLLIN, 0};
}

static int run(struct lb_run *run)
{
    static struct proxy proxy = {.count = FIRST};
    int64_t port = lb_int(run, "port");
    struct sockaddr_in own = lb_address(lb_text(run, "own"), port);
    proxy.peer = lb_address(lb_text(run, "to"), port);
    lb_net_user(lb_text(run, "user"));
    lb_net_enter(lb_text(run, "near"));
    int one = 1, ear = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(ear, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(ear, (struct sockaddr *)&own, sizeof own) || listen(ear, 16))
        lb_fail("cannot listen on port %lld: %s", (long long)port, strerror(errno));
    proxy.ears[0] = (struct pollfd){0, POLLIN, 0}, proxy.ears[1] = (struct pollfd){ear, POLLIN, 0};
    lb_watchdog(0);
    while (poll(proxy.ears, proxy.count, -1) >= 0 || errno == EINTR) {
        bool asked = proxy.ears[0].revents, called = proxy.ears[1].revents;
        if (!lb_alive(run, asked))
            return LB_OK;
        serve(&proxy);
        if (called)
            take(&proxy);
    }
    lb_fail("cannot wait for connections: %s", strerror(errno));
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"own", 's', 0, 0, 0, NULL}, /* where it listens; to: where it connects */
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_PROXY = {
    .name = "net-proxy",
    .summary = "co-process: TCP connections copied to another address",
    .run = run,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(NET_PROXY);
