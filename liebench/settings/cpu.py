"""Processors and clocks."""

from __future__ import annotations

from liebench.settings.knob import Knob, Scope, Trial, named, whole

POLL = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"
SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"

KNOBS = (
    Knob(
        "halt-poll",
        POLL,
        POLL,
        Scope.HOST,
        whole(0, 1_000_000),
        "an idle CPU that polls burns power, and time of the sibling or of a neighbour",
        "200000",
        "Documentation/virt/guest-halt-polling.rst",
        trial=Trial("paravirt", ("halt-poll",), Scope.HOST, "halting", {"poll": "{to}"}),
    ),
    Knob(
        "clocksource",
        SOURCE,
        SOURCE,
        Scope.HOST,
        named(r"[a-z0-9_-]{1,31}", "a clocksource that the kernel lists as available"),
        "a counter that is not in step on all CPUs lets time jump: the skew cases of clock-rate must be honest first",
        "chosen by the kernel at boot",
        "Documentation/timers/timekeeping.rst",
        trial=Trial("clock-read", ("monotonic", "realtime"), Scope.HOST, "*", settle_s=0.05),
    ),
    Knob(
        "cpu-burst",
        "cpu.max.burst of a control group (us)",
        "/sys/fs/cgroup/**/cpu.max.burst",
        Scope.CGROUP,
        whole(0, 10_000_000),
        "what a group did not use it takes later, at a time when its neighbours may want it: they wait for longer",
        "0",
        "Documentation/scheduler/sched-bwc.rst, since 5.14",
        trial=Trial("quota-spike", ("spike",), Scope.CGROUP, "limited", {"burst_us": "{to}"}, most=40_000),
        also=("/sys/fs/cgroup/cpu/**/cpu.cfs_burst_us", "/sys/fs/cgroup/cpu,cpuacct/**/cpu.cfs_burst_us"),
    ),
    Knob(
        "timer-slack",
        "timer slack of the process",
        "/proc/self/timerslack_ns",
        Scope.PROCESS,
        whole(1, 1_000_000_000),
        "timers are no longer gathered into one wake-up: more wake-ups, more power",
        "50000",
        "prctl(2), PR_SET_TIMERSLACK",
        trial=Trial("timer-wake", ("late-1ms", "late-100us"), Scope.PROCESS, "measured", {"slack_ns": "{to}"}),
    ),
)
