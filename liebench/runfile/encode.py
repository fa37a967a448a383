"""What a run file holds of a repetition and of a case: plain data. Here samples are rounded, once (law 17)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from liebench.contract import Case, Rep
from liebench.runfile.rounding import rounded, to_us

PER_NS = {"ns": 1.0, "us": 1e-3, "ms": 1e-6, "s": 1e-9}  # units of time


def stored_rep(rep: Rep, case: Case) -> dict[str, Any]:
    """A repetition as it is judged and stored: samples rounded with their steps beside them, offsets and alibis to the
    microsecond."""
    row = asdict(rep)
    exact = frozenset(("low", "high")) if case.bounds else frozenset()
    row["samples"], row["steps"] = rounded(rep.samples, exact, _timer_step(rep, case))
    row["offsets_ns"], row["flags"] = [to_us(v) for v in rep.offsets_ns], list(rep.flags)
    row["alibi"] = {name: to_us(value) if name.endswith("_ns") else value for name, value in rep.alibi.items()}
    return row


def _timer_step(rep: Rep, case: Case) -> float:
    """The step of the timer in the unit of the case, for each operation of a batch; 0 where that is no time."""
    timer, batch = rep.facts.get("timer") or {}, rep.args.get("ops") or 1
    step = timer.get("step_ns") or 0.0
    return float(step) * PER_NS.get(case.unit, 0.0) / float(batch)


def stored_case(case: Case) -> dict[str, Any]:
    """A case as the run file holds it."""
    row = asdict(case)
    for key in ("id", "needs"):
        row.pop(key)
    for arm in row["arms"]:
        arm.pop("touches")
    return row | {"skipped": None}
