"""What a repetition's alibi says about it, as flags. Most flags only mark; ``BELOW_TIMER_RES`` makes it void. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

STEPS = 1000  # of the timer, that one batched sample must last
FELT = 0.01  # of a repetition: a fifth of what matters by default
STEAL_NS = 1_000_000_000  # /proc/stat counts steal in ticks of 10 ms: below a second it is no evidence

Alibi = Mapping[str, float | None]


def flags(alibi: Alibi, elapsed_ns: int, throttled_us: int | None) -> tuple[str, ...]:
    """Flags of one repetition. What the kernel did not tell raises no flag and lowers none."""
    found = {
        "PREEMPTED": _preempted(alibi, elapsed_ns),
        "MIGRATED": _above_zero(alibi.get("migrated")),
        "MAJOR_FAULT": _above_zero(alibi.get("majflt")),
        "STOLEN": elapsed_ns >= STEAL_NS and _above_zero(alibi.get("steal_ticks")),
        "THROTTLED": _above_zero(throttled_us),
    }
    return tuple(name for name, holds in found.items() if holds)


def _preempted(alibi: Alibi, elapsed_ns: int) -> bool:
    """Others took the CPU for a share that can be felt; where nobody says for how long, that they took it at all."""
    delay = alibi.get("run_delay_ns")
    return _above_zero(alibi.get("nivcsw")) if delay is None else delay > FELT * elapsed_ns


def _above_zero(value: float | None) -> bool:
    return value is not None and value > 0


def below_timer(samples: Sequence[float], ops: int, step_ns: float) -> bool:
    """Whether the samples of a batched kernel (ns per operation) last too few timer steps to be believed."""
    return bool(samples) and step_ns > 0 and median(samples) * ops < STEPS * step_ns
