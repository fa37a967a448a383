"""Clocks: which source is in force, and what the kernel log holds about sources that the watchdog gave up on.

The words are those of kernel/time/clocksource.c and arch/x86/kernel/tsc*.c.
"""

from __future__ import annotations

import re
from typing import Any

from liebench.facts.clock import SOURCES
from liebench.facts.reader import Reader
from liebench.look.sign import OURS, Calm, Finding, Suspect, Unknown, Window, span

TROUBLE = re.compile(
    r"marked unstable|Marking clocksource .* unstable|[Cc]locksource .*skewed|Clocksource .*unstable"
    r"|TSC (found|not) .*|TSC warped|Measured \d+ cycles TSC warp|TSC_ADJUST differs|tsc: Marking TSC unstable"
)
SECONDS = re.compile(r"^(?:<\d+>)?\[\s*(\d+)\.\d+\]|^\d+,\d+,(\d+),")
SLOW = {  # what one reading costs beside 23-27 ns of tsc and kvm-clock
    "hpet": "each reading goes to a device, in a system call",
    "acpi_pm": "each reading goes to a port, in a system call",
    "xen": "redis #10604 measured 596 ns a reading, 27 ns with tsc",
    "jiffies": "it moves once a tick",
    "refined-jiffies": "it moves once a tick",
    "pit": "each reading goes to a port, in a system call",
}
READS = "liebench run clock-read"
RATE = "liebench run clock-rate"


def state(reader: Reader, log: str | None) -> dict[str, Any]:
    """``log`` is the kernel's; None where it may not be read."""
    lines = None if log is None else [line for line in log.splitlines() if TROUBLE.search(line)]
    available = (reader.text(f"{SOURCES}/available_clocksource") or "").split()
    return {"clocksource": reader.text(f"{SOURCES}/current_clocksource"), "available": available, "clock_log": lines}


def find(window: Window) -> list[Finding]:
    return [_source(window), _log(window)]


def _source(window: Window) -> Finding:
    current = window.state("clocksource")
    if current is None:
        return Unknown("clocksource", f"clocksource: {SOURCES} cannot be read")
    if current not in SLOW:
        return Calm("clocksource", f"clocksource ({current})")
    others = [name for name in window.state("available") if name not in SLOW]
    beside = f"; {', '.join(others)} is there too" if others else ""
    return Suspect(
        id="clocksource",
        says=f"the clock is read from {current}: {SLOW[current]}{beside}",
        since="now",
        score=2.0,
        settle=READS,
        limit=f"tsc or a paravirtual clock ({OURS}: where user space reads it)",
        values={"current": current},
    )


def _log(window: Window) -> Finding:
    """The last complaint counts; its own time since boot says when."""
    lines = window.state("clock_log")
    if lines is None:
        return Unknown(
            "clock-log", "the kernel log may not be read; `sudo dmesg | grep -iE 'clocksource|tsc'` shows it"
        )
    if not lines:
        return Calm("clock-log", "the clock in the kernel log")
    last = SECONDS.match(lines[-1])
    at = (int(last[1]) if last[1] else int(last[2]) / 1e6) if last else None
    uptime = window.after.uptime_s
    when = "since boot" if at is None or uptime is None else f"{span(max(0.0, uptime - at))} ago"
    text = re.sub(r"^(?:<\d+>)?\[[^\]]*\]\s*|^[^;]*;", "", lines[-1])
    times = "once" if len(lines) == 1 else f"{len(lines)} times, last"
    return Suspect(
        id="clock-log",
        says=f'the kernel complained about its clock {times}: "{text[:120]}"',
        since=when,
        score=3.0,
        settle=RATE,
        limit=f"one line ({OURS}: the kernel gives a clock up for good)",
        values={"lines": len(lines)},
    )
