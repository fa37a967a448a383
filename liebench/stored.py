"""What a run file holds of a repetition, a case and a probe: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from liebench.contract import Case, Rep
from liebench.plan import Planned


def stored_rep(rep: Rep) -> dict[str, Any]:
    row = asdict(rep)
    row["samples"] = {k: list(v) for k, v in rep.samples.items()}
    row["offsets_ns"], row["flags"] = list(rep.offsets_ns), list(rep.flags)
    return row


def stored_probe(part: Planned) -> dict[str, Any]:
    """A probe's row of the run file, as far as it is known before it measured."""
    probe = part.probe
    left: Mapping[str, Any] = {k: {"needs": s.needs, "cure": s.cure} for k, s in part.left_out.items()}
    return {
        "state": "skipped" if part.skipped or not part.cases else "measured",
        "claim": asdict(probe.claim),
        "preview": probe.preview,
        "cost": asdict(probe.cost),
        "needs": part.skipped.needs if part.skipped else None,
        "cure": part.skipped.cure if part.skipped else None,
        "error": None,
        "cases": {c.id: stored_case(c) for c in part.cases},
        "left_out": left,
        "events": None,
        "facts": {},
        "setup_s": 0.0,
    }


def stored_case(case: Case) -> dict[str, Any]:
    """A case as the run file holds it."""
    row = asdict(case)
    for key in ("id", "needs"):
        row.pop(key)
    for arm in row["arms"]:
        arm.pop("touches")
    return row | {"skipped": None}
