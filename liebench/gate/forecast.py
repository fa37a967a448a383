"""What a gate will be able to show, said before it starts: from the newest noise of this host. Pure.

A width shrinks with the square root of the pairs, so what equal sides showed with n pairs says what the budget can.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from liebench.gate.noise import Noise, noise_of
from liebench.gate.pairs import Family, Question, pairs_of
from liebench.judge.family import LOOKS
from liebench.runfile.fields import Json, mapping


@dataclass(frozen=True, slots=True)
class Forecast:
    """``pairs`` of each case that the budget has room for; ``rise``: the largest that would be missed, a share."""

    pairs: int
    rise: float
    metric: str
    of: str  # when the noise was measured


def forecast(questions: Sequence[Question], noise: Json, family: Family, budget_s: float) -> Forecast | None:
    """None where that noise holds none of these questions. Raises RunUnreadable where it is damaged."""
    wanted = {(q.probe, q.case.id) for q in questions}
    rows = [r for r in noise_of(family, noise, noise["blocks"], ()) if r.metric[:2] in wanted]
    loop = mapping(noise.get("instrument") or {}, "instrument").get("loop_s")
    count = sum(map(len, pairs_of(noise["blocks"]).values()))
    if not rows or not count or not isinstance(loop, (int, float)):
        return None
    pairs = min(LOOKS[-1], int(budget_s / (float(loop) / count * len(questions))))
    worst = max(rows, key=lambda r: scaled(r, pairs))
    return Forecast(pairs, scaled(worst, pairs), "/".join(worst.metric[:3]), str(noise.get("started")))


def scaled(row: Noise, pairs: int) -> float:
    """The rise that would show with so many pairs."""
    if pairs <= 0 or not math.isfinite(row.rerun):
        return math.inf
    return math.expm1(min(math.log1p(row.rerun) * math.sqrt(row.pairs / pairs), 50))


def says(found: Forecast | None, limit: float) -> str:
    """One sentence for the start of a gate."""
    if found is None:
        return "what will show is not known before the first look; `liebench noise` measures it for this host"
    known = f"by the noise of {found.of}, about {found.pairs} pairs each"
    if not math.isfinite(found.rise):
        return f"{known}: too few to show anything; give it a larger --budget or fewer probes"
    shown = f"a rise of {100 * found.rise:.1f} % of {found.metric} and less of the others will show"
    if found.rise <= limit:
        return f"{known}: {shown}"
    return f"{known}: only {shown}, which is more than the limit of {100 * limit:g} %; expect inconclusive"
