/* wake-pair: one round trip between two threads that sleep until the other wakes them, on two
 * processors or on one.
 *
 * Each side waits on a futex (futex(2)), so every turn ends an idle and begins one: what a wake-up
 * across processors costs, with whatever a guest does between halting and polling.
 */
#include "lb.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static struct {
    int64_t peer;
    _Alignas(128) atomic_int turn; /* 0: ours, 1: the peer's, 2: the end */
} wake;

static void hand_over(int to)
{
    atomic_store_explicit(&wake.turn, to, memory_order_release);
    syscall(SYS_futex, &wake.turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int wait_while(int turn)
{
    int now;
    while ((now = atomic_load_explicit(&wake.turn, memory_order_acquire)) == turn)
        syscall(SYS_futex, &wake.turn, FUTEX_WAIT_PRIVATE, turn, NULL, NULL, 0);
    return now;
}

static void *answer(void *unused)
{
    (void)unused;
    lb_pin(wake.peer);
    while (wait_while(0) == 1)
        hand_over(0);
    return NULL;
}

static void round_trips(void *state, int64_t ops)
{
    (void)state;
    while (ops--) {
        hand_over(1);
        wait_while(1);
    }
}

static int run(struct lb_run *run)
{
    pthread_t thread;
    if (!lb_given(run, "cpu") || !lb_given(run, "peer"))
        lb_usage("wake-pair has two sides: give cpu=A and peer=B, which may be the same");
    wake.peer = lb_int(run, "peer");
    if (pthread_create(&thread, NULL, answer, NULL))
        lb_fail("cannot start a second thread");
    int status = lb_batched(run, round_trips, NULL);
    hand_over(2);
    pthread_join(thread, NULL);
    return status;
}

static const struct lb_key KEYS[] = {
    {"peer", 'i', 0, LB_MAX_CPU, -1, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static const struct lb_kernel WAKE_PAIR = {
    .name = "wake-pair",
    .summary = "a round trip between two sleeping threads on two processors",
    .run = run,
    .flags = LB_BATCHED,
    .ops = 20,
    .samples = 40,
    .keys = KEYS,
};
LB_KERNEL(WAKE_PAIR);
