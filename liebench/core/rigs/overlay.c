/* net-overlay: frames of a TAP device carried over UDP to its twin, as overlays without the
 * kernel's help do (Weave's sleeve, 2014). Two of them are one network. spin_us keeps each frame
 * that long: a hop of known cost.
 */
#include "tcp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME = 9216 };

static int tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (!name || strlen(name) >= sizeof request.ifr_name)
        lb_usage("net-overlay needs link=NAME");
    memcpy(request.ifr_name, name, strlen(name));
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request))
        lb_fail("cannot make the device %s through /dev/net/tun: %s", name, strerror(errno));
    return fd;
}

/* A device that is not up yet loses frames (EIO), as a wire does; its twin may send before. */
static bool lost(int error)
{
    return error == EAGAIN || error == ECONNREFUSED || error == ENOBUFS || error == EIO;
}

static void carry(int from, int to, int64_t spin)
{
    static char frame[FRAME];
    ssize_t length;
    while ((length = read(from, frame, sizeof frame)) > 0) {
        for (int64_t until = lb_now() + spin; spin && lb_now() < until;)
            lb_relax();
        if (write(to, frame, (size_t)length) < 0 && !lost(errno))
            lb_fail("cannot carry a frame on: %s", strerror(errno));
    }
}

static int overlay(struct lb_run *run)
{
    int64_t port = lb_int(run, "port"), spin = lb_int(run, "spin_us") * 1000;
    lb_net_user(lb_text(run, "user"));
    lb_net_enter(lb_text(run, "near"));
    int device = tap(lb_text(run, "link")),
        wire = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in own = lb_address(lb_text(run, "own"), port),
                       peer = lb_address(lb_text(run, "to"), port);
    if (bind(wire, (struct sockaddr *)&own, sizeof own) ||
        connect(wire, (struct sockaddr *)&peer, sizeof peer))
        lb_fail("cannot send from %s: %s", lb_text(run, "own"), strerror(errno));
    struct pollfd ears[] = {{0, POLLIN, 0}, {device, POLLIN, 0}, {wire, POLLIN, 0}};
    lb_watchdog(0);
    while (poll(ears, 3, -1) >= 0 || errno == EINTR) {
        if (!lb_alive(run, ears[0].revents))
            return LB_OK;
        carry(device, wire, spin);
        carry(wire, device, spin);
    }
    lb_fail("cannot wait for frames: %s", strerror(errno));
}

static const struct lb_key KEYS[] = {
    LB_NET_KEYS,
    {"link", 's', 0, 0, 0, NULL},
    {"own", 's', 0, 0, 0, NULL}, /* this end's address on the wire; to: its twin's */
    {"spin_us", 'i', 0, 1e5, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_OVERLAY = {
    .name = "net-overlay",
    .summary = "co-process: a device whose frames travel over UDP",
    .run = overlay,
    .ops = 1,
    .samples = 1,
    .keys = KEYS,
};
LB_KERNEL(NET_OVERLAY);
