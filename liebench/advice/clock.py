"""Changes around clocks and timers."""

from __future__ import annotations

from liebench.advice.change import Change
from liebench.host import Host

SOURCE = "/sys/devices/system/clocksource/clocksource0/current_clocksource"


def _slack(host: Host) -> str:
    value = host.facts["clock"]["timer_slack_ns"]
    return "unknown" if value is None else str(value)


def _source(host: Host) -> str:
    return str(host.facts["clock"]["current"] or "unknown")


def _discipline(host: Host) -> str:
    state = host.facts["clock"]["adjtimex"]
    return "unknown" if state is None else "nobody" if state["unsync"] else "disciplined"


CHANGES = (
    Change(
        "timer-slack",
        "timer slack of the process (ns)",
        "process",
        "50000",
        "timers are no longer gathered into one wake-up: more wake-ups, more power",
        "prctl(PR_SET_TIMERSLACK, {to}) in the program, or TimerSlackNSec={to} in its systemd unit",
        "TimerSlackNSec={now}",
        "timer-wake",
        _slack,
    ),
    Change(
        "clocksource",
        "clocksource",
        "host",
        "chosen by the kernel at boot",
        "a counter that is not in step on all CPUs lets time jump: the skew cases of clock-rate must be honest first",
        f"echo {{to}} > {SOURCE}",
        f"echo {{now}} > {SOURCE}",
        "clock-read",
        _source,
    ),
    Change(
        "coarse-clock",
        "clock id of time stamps",
        "process",
        "CLOCK_REALTIME",
        "stamps are as coarse as the timer tick (1 to 10 ms)",
        "use {to} where a stamp of some milliseconds is enough",
        "use {now} again",
        "clock-read",
        lambda host: "CLOCK_REALTIME",
    ),
    Change(
        "chrony-phc",
        "reference clock",
        "host",
        "none",
        "a wrong reference pulls the whole host with it; keep a second source",
        "add `{to}` to chrony.conf",
        "remove that line from chrony.conf",
        "clock-rate",
        _discipline,
    ),
    Change(
        "time-sync",
        "discipline of the clock",
        "host",
        "none",
        "the first correction may step the wall clock (makestep)",
        "install and start {to}",
        "stop it",
        "clock-rate",
        _discipline,
    ),
    Change(
        "boottime-clock",
        "clock id of durations and time-outs",
        "process",
        "CLOCK_REALTIME",
        "CLOCK_BOOTTIME counts suspended time, CLOCK_MONOTONIC does not; neither is wall time",
        "measure durations with {to}",
        "use {now} again",
        "clock-jump",
        lambda host: "CLOCK_REALTIME",
    ),
)
