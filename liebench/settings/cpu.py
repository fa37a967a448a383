"""Processors and clocks."""

from __future__ import annotations

from liebench.settings.knob import Knob, Scope, Trial, named, whole

POLL = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"
SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"

KNOBS = (
    Knob(
        id="halt-poll",
        key=POLL,
        path=POLL,
        scope=Scope.HOST,
        valid=whole(0, 1_000_000),
        risk="an idle CPU that polls burns power, and time of the sibling or of a neighbour",
        default="200000",
        source="Documentation/virt/guest-halt-polling.rst",
        trial=Trial(probe="paravirt", cases=("halt-poll",), scope=Scope.HOST, arm="halting", args={"poll": "{to}"}),
    ),
    Knob(
        id="clocksource",
        key=SOURCE,
        path=SOURCE,
        scope=Scope.HOST,
        valid=named(r"[a-z0-9_-]{1,31}", "a clocksource that the kernel lists as available"),
        risk="a counter that is not in step on all CPUs lets time jump: the skew cases of clock-rate must "
        "be honest first",
        default="chosen by the kernel at boot",
        source="Documentation/timers/timekeeping.rst",
        trial=Trial(probe="clock-read", cases=("monotonic", "realtime"), scope=Scope.HOST, arm="*", settle_s=0.05),
    ),
    Knob(
        id="cpu-burst",
        key="cpu.max.burst of a control group (us)",
        path="/sys/fs/cgroup/**/cpu.max.burst",
        scope=Scope.CGROUP,
        valid=whole(0, 10_000_000),
        risk="what a group did not use it takes later, at a time when its neighbours may want it: they wait for longer",
        default="0",
        source="Documentation/scheduler/sched-bwc.rst, since 5.14",
        trial=Trial(
            probe="quota-spike",
            cases=("spike",),
            scope=Scope.CGROUP,
            arm="limited",
            args={"burst_us": "{to}"},
            most=40_000,
        ),
        steps=(
            "write {to} to cpu.max.burst (version 2) or cpu.cfs_burst_us (version 1) of the group",
            "write {now} there again",
        ),
        also=("/sys/fs/cgroup/cpu/**/cpu.cfs_burst_us", "/sys/fs/cgroup/cpu,cpuacct/**/cpu.cfs_burst_us"),
    ),
    Knob(
        id="timer-slack",
        key="timer slack of the process",
        path="/proc/self/timerslack_ns",
        scope=Scope.PROCESS,
        valid=whole(1, 1_000_000_000),
        risk="timers are no longer gathered into one wake-up: more wake-ups, more power",
        default="50000",
        source="prctl(2), PR_SET_TIMERSLACK",
        steps=(
            "prctl(PR_SET_TIMERSLACK, {to}) in the program, or TimerSlackNSec={to} in its systemd unit",
            "TimerSlackNSec={now}",
        ),
        trial=Trial(
            probe="timer-wake",
            cases=("late-1ms", "late-100us"),
            scope=Scope.PROCESS,
            arm="measured",
            args={"slack_ns": "{to}"},
        ),
    ),
)
