/* Network namespaces: entering them, their links and settings. */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void join(const char *path, int kind)
{
    if (!path)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, kind))
        lb_fail("cannot enter the namespace %s: %s", path, strerror(errno));
    close(fd);
}

void lb_net_user(const char *path) { join(path, CLONE_NEWUSER); }
void lb_net_enter(const char *path) { join(path, CLONE_NEWNET); }

static char *last_number(char *text)
{
    text[strcspn(text, "\n")] = 0;
    size_t length = strlen(text);
    while (length && text[length - 1] != ' ' && text[length - 1] != '\t')
        length--;
    return text + length;
}

void lb_net_set(const char *key, int64_t value)
{
    char path[128], text[128] = "", back[128] = "";
    snprintf(path, sizeof path, "/proc/sys/%s", key);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, text, sizeof text / 2, 0) < 0)
        lb_fail("cannot read %s (%s); this kernel does not have it in a namespace", path,
                strerror(errno));
    char *last = last_number(text);
    snprintf(last, sizeof text / 2, "%lld", (long long)value);
    if (pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        lb_fail("cannot write %s (%s); this kernel does not have it in a namespace", path,
                strerror(errno));
    if (pread(fd, back, sizeof back - 1, 0) < 0 || strcmp(last_number(back), last))
        lb_fail("%s ends with %s after %lld was written", path, last_number(back),
                (long long)value);
    close(fd);
}

static int asking(const char *name, struct ifreq *request)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        lb_fail("cannot open a socket: %s", strerror(errno));
    memset(request, 0, sizeof *request);
    if (!name || strlen(name) >= sizeof request->ifr_name)
        lb_usage("a link is named by up to %zu characters", sizeof request->ifr_name - 1);
    memcpy(request->ifr_name, name, strlen(name));
    return fd;
}

void lb_link_up(const char *name)
{
    struct ifreq request;
    int fd = asking(name, &request);
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(fd, SIOCSIFFLAGS, &request))
        lb_fail("cannot bring up %s: %s", name, strerror(errno));
    close(fd);
}

/* A device that has none of an offload refuses to switch it, which is as good. */
void lb_link_plain(const char *name)
{
    static const uint32_t off[] = {ETHTOOL_SGRO,    ETHTOOL_SGSO,    ETHTOOL_STSO,
                                   ETHTOOL_SRXCSUM, ETHTOOL_STXCSUM, ETHTOOL_SSG};
    struct ifreq request;
    int fd = asking(name, &request);
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        struct ethtool_value value = {.cmd = off[i], .data = 0};
        request.ifr_data = (void *)&value;
        if (ioctl(fd, SIOCETHTOOL, &request) && errno != EOPNOTSUPP && errno != EINVAL)
            lb_fail("cannot switch the offloads of %s off: %s", name, strerror(errno));
    }
    close(fd);
}
