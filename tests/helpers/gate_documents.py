"""Small gates with known answers, as the runner of pairs would store them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from tests.helpers.run_documents import Doc, block, document, rep

Costs = Mapping[str, float]  # arm -> level


def pair_blocks(
    count: int, before: Costs, after: Costs, *, seed: int = 1, spread: float = 0.01, name: str = "c", start: int = 0,
    quantity: str = "ns", samples: int = 20, stall: float = 0.0,
) -> list[Doc]:  # fmt: skip
    """Pairs in coin order. ``stall``: 2 % of the candidate's operations take so much longer that its mean rises by
    this share."""
    rng = random.Random(seed)
    found: list[Doc] = []
    for i in range(count):
        sides = [("baseline", before), ("candidate", after)]
        rng.shuffle(sides)
        for side, levels in sides:
            reps = {}
            for arm, level in levels.items():
                values = [level * rng.lognormvariate(0, spread) for _ in range(samples)]
                if stall and side == "candidate":
                    values = [v * (1 + stall / 0.02 if rng.random() < 0.02 else 1) for v in values]
                reps[arm] = rep({quantity: values})
            found.append(block(start + len(found), reps, name=name, side=side, pair=i))
    return found


def gate_doc(cases: dict[str, Doc], blocks: list[Doc], **more: Any) -> Doc:
    doc = document(cases, blocks, **more)
    doc["kind"], doc["id"], doc["started"] = "gate", "20260101T000000Z-00000000", "2026-01-01T00:00:00Z"
    doc["probes"]["p"]["claim"] = {"layer": "cpu"}
    return doc


def failed(doc: Doc, name: str, *, cases: dict[str, Doc] | None = None, preview: bool = False) -> Doc:
    """The same gate with a probe beside it that failed."""
    row = {"state": "failed", "error": "no such device", "claim": {"layer": "cpu"}}
    doc["probes"][name] = row | {"cases": cases or {}, "preview": preview}
    return doc
