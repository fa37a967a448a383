"""What the kernel claims about its clocks, and how many independent oscillators there are to ask."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from liebench.facts.reader import Reader

SOURCES = "/sys/devices/system/clocksource/clocksource0"
STA_UNSYNC = 0x40
USER_HZ_TICK_US = 10_000  # tick of struct timex at USER_HZ = 100: one unit is 100 ppm


class Timex(ctypes.Structure):
    """``struct timex`` of a 64-bit Linux (include/uapi/linux/timex.h)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("tv_sec", ctypes.c_long),
        ("tv_usec", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_char * 256),
    )


def adjtimex(timex: Timex) -> int:
    """adjtimex(2): the clock state (0-5), or -1 with errno set."""
    return int(ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)))


def stated_ppm() -> float | None:
    """The rate the kernel says it adds to its clocks: frequency and tick of adjtimex(2), in ppm."""
    timex = Timex()
    if adjtimex(timex) < 0:
        return None
    return float(timex.freq / 65536 + (timex.tick - USER_HZ_TICK_US) * 100.0)


def _discipline() -> dict[str, Any] | None:
    timex = Timex()
    if adjtimex(timex) < 0:
        return None
    return {
        "freq_ppm": timex.freq / 65536,
        "tick_us": timex.tick,
        "unsync": bool(timex.status & STA_UNSYNC),
        "maxerror_us": timex.maxerror,
        "esterror_us": timex.esterror,
    }


def facts(reader: Reader, live: bool) -> dict[str, Any]:
    current = reader.text(f"{SOURCES}/current_clocksource")
    available = (reader.text(f"{SOURCES}/available_clocksource") or current or "").split()
    flags = (reader.field("/proc/cpuinfo", "flags") or "").split()
    ptp = [f"/dev/{name}" for name in reader.names("/dev", "ptp[0-9]*")]
    return {
        "current": current,
        "available": available,
        "tsc_constant": "constant_tsc" in flags,
        "tsc_nonstop": "nonstop_tsc" in flags,
        "ptp": ptp,
        "rtc": reader.names("/sys/class/rtc"),
        # RTC and HPET are oscillators of their own too, but no kernel of ours reads them yet
        "oscillators": [current or "counter", *(Path(p).name for p in ptp)],
        "adjtimex": _discipline() if live else None,
        "timer_slack_ns": reader.number("/proc/self/timerslack_ns"),
        "time_namespace": _shifted(reader.text("/proc/self/timens_offsets")),
    }


def _shifted(text: str | None) -> bool | None:
    if text is None:
        return None
    return any(word not in ("0",) for line in text.splitlines() for word in line.split()[1:])
