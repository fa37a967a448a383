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
        id="timer-slack",
        setting="timer slack of the process (ns)",
        scope="process",
        default="50000",
        risk="timers are no longer gathered into one wake-up: more wake-ups, more power",
        how="prctl(PR_SET_TIMERSLACK, {to}) in the program, or TimerSlackNSec={to} in its systemd unit",
        undo="TimerSlackNSec={now}",
        probe="timer-wake",
        now=_slack,
    ),
    Change(
        id="clocksource",
        setting="clocksource",
        scope="host",
        default="chosen by the kernel at boot",
        risk="a counter that is not in step on all CPUs lets time jump: the skew cases of clock-rate must "
        "be honest first",
        how=f"echo {{to}} > {SOURCE}",
        undo=f"echo {{now}} > {SOURCE}",
        probe="clock-read",
        now=_source,
    ),
    Change(
        id="coarse-clock",
        setting="clock id of time stamps",
        scope="process",
        default="CLOCK_REALTIME",
        risk="stamps are as coarse as the timer tick (1 to 10 ms)",
        how="use {to} where a stamp of some milliseconds is enough",
        undo="use {now} again",
        probe="clock-read",
        now=lambda host: "CLOCK_REALTIME",
    ),
    Change(
        id="chrony-phc",
        setting="reference clock",
        scope="host",
        default="none",
        risk="a wrong reference pulls the whole host with it; keep a second source",
        how="add `{to}` to chrony.conf",
        undo="remove that line from chrony.conf",
        probe="clock-rate",
        now=_discipline,
    ),
    Change(
        id="time-sync",
        setting="discipline of the clock",
        scope="host",
        default="none",
        risk="the first correction may step the wall clock (makestep)",
        how="install and start {to}",
        undo="stop it",
        probe="clock-rate",
        now=_discipline,
    ),
    Change(
        id="boottime-clock",
        setting="clock id of durations and time-outs",
        scope="process",
        default="CLOCK_REALTIME",
        risk="CLOCK_BOOTTIME counts suspended time, CLOCK_MONOTONIC does not; neither is wall time",
        how="measure durations with {to}",
        undo="use {now} again",
        probe="clock-jump",
        now=lambda host: "CLOCK_REALTIME",
    ),
)
