/* net-hold: network namespaces that live as long as this process, named by its file descriptors.
 *
 * A namespace lasts as long as something refers to it (namespaces(7)); when this process goes, so
 * do its links. net-plain switches the offloads of a link off.
 */
#include "mounts.h"
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { MOST = 8 };

struct held {
    int64_t count;
    bool user;
    int nets[MOST];
};

static int answer(const struct lb_run *run, void *state)
{
    struct held *held = state;
    (void)run;
    printf("{\"pid\":%d,\"user\":%s,\"nets\":[", getpid(), held->user ? "true" : "false");
    for (int64_t i = 0; i < held->count; i++)
        printf("%s%d", i ? "," : "", held->nets[i]);
    puts("]}");
    return lb_flush();
}

static int hold(struct lb_run *run)
{
    struct held held = {.count = lb_int(run, "count")};
    for (int64_t i = 0; i < held.count; i++) {
        if (unshare(CLONE_NEWNET)) {
            if (held.user || i)
                lb_fail("cannot make a network namespace: %s", strerror(errno));
            lb_become_root();
            held.user = true;
            i--;
            continue;
        }
        held.nets[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (held.nets[i] < 0)
            lb_fail("cannot hold a network namespace: %s", strerror(errno));
        lb_link_up("lo");
    }
    prctl(PR_SET_DUMPABLE, 1); /* or nobody but root may name our descriptors */
    return lb_serve(run, answer, &held);
}

static int plain(struct lb_run *run)
{
    lb_net_user(lb_text(run, "user"));
    lb_net_enter(lb_text(run, "near"));
    lb_link_plain(lb_text(run, "link"));
    return lb_output(run);
}

static const struct lb_key HOLD_KEYS[] = {
    {"count", 'i', 1, MOST, 1, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};
static const struct lb_key PLAIN_KEYS[] = {
    LB_NET_KEYS,
    {"link", 's', 0, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel NET_HOLD = {
    .name = "net-hold",
    .summary = "co-process: network namespaces that live as long as it does",
    .run = hold,
    .ops = 1,
    .samples = 1,
    .keys = HOLD_KEYS,
};
static const struct lb_kernel NET_PLAIN = {
    .name = "net-plain",
    .summary = "a link of a namespace without offloads",
    .run = plain,
    .ops = 1,
    .samples = 1,
    .keys = PLAIN_KEYS,
};
LB_KERNEL(NET_HOLD);
LB_KERNEL(NET_PLAIN);
