"""What a run file holds of a repetition, a case and a probe: plain data."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from liebench.contract import Case, Rep


def stored_rep(rep: Rep) -> dict[str, Any]:
    row = asdict(rep)
    row["samples"] = {k: list(v) for k, v in rep.samples.items()}
    row["offsets_ns"], row["flags"] = list(rep.offsets_ns), list(rep.flags)
    return row


def stored_case(case: Case) -> dict[str, Any]:
    """A case as the run file holds it."""
    row = asdict(case)
    for key in ("id", "needs"):
        row.pop(key)
    for arm in row["arms"]:
        arm.pop("touches")
    return row | {"skipped": None}
