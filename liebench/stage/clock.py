"""Lies put into the clock itself, for tests and ``selftest --disturb host``: a wrong rate, a step. Taken back always.

Both are refused where the clock is disciplined: its keeper would fight the lie and hand on what it learned from it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from liebench.contract import Disturbs
from liebench.errors import StageRefused
from liebench.facts.clock import STA_UNSYNC, Timex, adjtimex
from liebench.stage.act import Act, acting

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

ADJ_FREQUENCY, ADJ_SETOFFSET, ADJ_NANO = 0x0002, 0x0100, 0x2000  # include/uapi/linux/timex.h
SAME_NS = 1_000_000  # two readings of one offset differ by microseconds
LEAST_STEP_NS = 10 * SAME_NS  # below it an undo could not tell whether the step was made
SETTLE_S = 0.5  # a new rate holds from the next update of the timekeeper; an idle kernel takes its time


def _permit(stage: Stage) -> None:
    """Raises StageRefused with the reason where the clock may not be touched."""
    if not any(t.clock for t in stage.touches) or stage.consent is not Disturbs.HOST:
        raise StageRefused("setting the clock needs --disturb host, and is done in selftest only")
    if not stage.host.can("CAP_SYS_TIME"):
        raise StageRefused("setting the clock needs CAP_SYS_TIME; run as root outside a container")
    now = Timex()
    if adjtimex(now) < 0 or not now.status & STA_UNSYNC:
        raise StageRefused(
            "the clock is disciplined (adjtimex); stop its keeper (chronyd, ntpd, systemd-timesyncd) first"
        )


def _set(timex: Timex) -> None:
    if adjtimex(timex) < 0:
        raise StageRefused("the kernel does not let this process set the clock (adjtimex)")


def _frequency() -> int:
    now = Timex()
    adjtimex(now)
    return int(now.freq)


def _offset_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC: only setting the clock moves it, steering turns both alike."""
    before = time.monotonic_ns()
    wall = time.time_ns()
    return wall - (before + time.monotonic_ns()) // 2


def _step(ns: int) -> None:
    whole, part = divmod(ns, 10**9)
    _set(Timex(modes=ADJ_SETOFFSET | ADJ_NANO, tv_sec=whole, tv_usec=part))


@contextlib.contextmanager
def rate(stage: Stage, ppm: float) -> Iterator[None]:
    """Every clock but RAW runs ``ppm`` faster inside this block."""
    _permit(stage)
    old = _frequency()
    new = old + round(ppm * 65536)
    with acting(stage.journal, RATE, "the rate of the clock (adjtimex freq)", old, new):
        _set(Timex(modes=ADJ_FREQUENCY, freq=new))
        time.sleep(SETTLE_S)
        yield
    time.sleep(SETTLE_S)


@contextlib.contextmanager
def step(stage: Stage, ns: int) -> Iterator[None]:
    """The wall clock stands ``ns`` later (at least 10 ms to either side) inside this block."""
    _permit(stage)
    if abs(ns) < LEAST_STEP_NS:
        raise ValueError(f"a step below {LEAST_STEP_NS} ns cannot be taken back safely")
    old = _offset_ns()
    with acting(stage.journal, STEP, "CLOCK_REALTIME", old, old + ns):
        _step(ns)
        try:
            yield
        finally:
            stage.traces.share({"clock.steps": 2})  # there and back


def _undo_rate(entry: dict[str, Any]) -> str:
    now = _frequency()
    if now == entry["old"]:
        return ""
    if now != entry["new"]:
        return "the rate of the clock is neither what we found nor what we set: somebody steers it, so it was left"
    _set(Timex(modes=ADJ_FREQUENCY, freq=entry["old"]))
    return "the rate of the clock is as it was"


def _undo_step(entry: dict[str, Any]) -> str:
    now = _offset_ns()
    if abs(now - entry["old"]) < SAME_NS:
        return ""
    if abs(now - entry["new"]) >= SAME_NS:
        return "CLOCK_REALTIME is neither where we found it nor where we put it: somebody set it, so it was left"
    _step(entry["old"] - entry["new"])
    return "CLOCK_REALTIME was stepped back"


RATE = Act("clock-rate", _undo_rate)
STEP = Act("clock-step", _undo_step)
