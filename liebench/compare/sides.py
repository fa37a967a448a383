"""Run files against run files: better, same, worse or inconclusive, per arm and per lie. Pure.

The unit of replication is the run: what varies from one run to the next is not seen inside either. With runs on both
sides, the interval of a difference is Student's on one value per run with a pooled spread that is never below what
the runs themselves are uncertain by. With one run on each side there is no such spread: lies, whose arms stood back
to back in every block, are compared by their intervals within these two runs and speak of these two runs only; levels
are inconclusive (a t test against one stored run gave 25-79 % false alarms among 54 runs of a busy host).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import fmean
from typing import Any

from scipy.stats import t as student

from liebench.compare.host_diff import differences
from liebench.compare.metrics import FACT, LEVEL, LIE, Key, RunMetrics, Value, direction, run_metrics
from liebench.contract import Better, Case, Kind, Outcome
from liebench.errors import NotComparable
from liebench.judge.effects import outward
from liebench.judge.family import Limits
from liebench.judge.readings import limits as regions
from liebench.judge.rows import Row, Table
from liebench.judge.rule import ORDER
from liebench.runfile.fields import host_line
from liebench.stats.intervals import ALPHA, holm

FEWEST = 3  # degrees of freedom of the spread between runs: five runs in all
GONE, NEW = "the second side did not measure it", "the first side did not measure it"
OTHER_WORK = "the work differs (another version of the probe, or other options)"
TOO_FEW = "how much this host varies from run to run is not known; five in all are needed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """``notes`` say what else differs between the sides; ``refused`` what was not compared, and why."""

    rows: Sequence[Row]
    notes: Sequence[str]
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """B - A on the effect scale, with its interval at ``ALPHA`` and one-sided p of the floor to both sides."""

    estimate: float
    half: float
    p_worse: float
    p_better: float
    why: str = ""


UNKNOWN = Difference(math.nan, math.inf, 1.0, 1.0)


LimitsOf = Callable[[Key, Case], Limits | None]  # None: this metric is left out


def alike(limits: Limits) -> LimitsOf:
    """The same limits for every metric."""
    return lambda key, case: limits


def open_side(docs: Sequence[Mapping[str, Any]]) -> list[RunMetrics]:
    """One side's runs, each counted once (by id), in the order of time. Raises NotComparable without any."""
    return in_order([run_metrics(doc) for doc in docs])


def in_order(runs: Sequence[RunMetrics]) -> list[RunMetrics]:
    found = {m.id: m for m in runs}
    if not found:
        raise NotComparable("a side without a run cannot be compared; name at least one run file for each side")
    return sorted(found.values(), key=lambda m: (m.started, m.id))


def compare(a: Sequence[RunMetrics], b: Sequence[RunMetrics], limits: LimitsOf) -> Comparison:
    """Runs ``b`` against runs ``a`` (``open_side``). Raises NotComparable where nothing may be compared."""
    shared = {m.id for m in a} & {m.id for m in b}
    if shared:
        raise NotComparable(f"the run {min(shared)} stands on both sides; compare it with another one")
    notes, levels = _may(a, b)
    refused, pairs = {}, []
    for key in _keys(a, b):
        case = next(m.cases[key[:2]] for m in (*reversed(b), *reversed(a)) if key in m.values)
        bounds = limits(key, case)
        if bounds is None:
            continue
        why = _refusal(key, a, b, levels)
        if why:
            refused[key.name] = why
        else:
            pairs.append(_pair(key, case, a, b, bounds))
    if not pairs:
        why = next(iter(refused.values()), "they hold no common number")
        raise NotComparable(f"nothing of these runs may be compared: {why}; measure both with the same probes and core")
    return Comparison(_worded(pairs), notes, refused)


def _may(a: Sequence[RunMetrics], b: Sequence[RunMetrics]) -> tuple[list[str], str]:
    """(what differs, in words, first the most important; why levels must not be compared, else empty)."""
    notes, levels = [], ""
    if {m.host for m in a} != {m.host for m in b}:
        alike = {m.kind for m in a} == {m.kind for m in b}
        notes.append(f"two hosts{' of one kind' if alike else ' of different kinds'}: only ratios within each host")
        levels = "levels of different hosts"
    if {m.core for m in a} != {m.core for m in b}:
        notes.append("two builds of liebench-core: only ratios within each run")
        levels = levels or "levels of different builds of liebench-core"
    notes.extend(differences(a[-1].facts, b[-1].facts))
    return notes, levels


def _keys(a: Sequence[RunMetrics], b: Sequence[RunMetrics]) -> list[Key]:
    """Every metric of either side, in a stable order that no order of files can change."""
    return sorted({k for m in (*a, *b) for k in m.values})


def _refusal(key: Key, a: Sequence[RunMetrics], b: Sequence[RunMetrics], levels: str) -> str:
    if key.what == LEVEL and levels:
        return levels
    for side, why in ((a, NEW), (b, GONE)):
        if not any(key in m.values for m in side):
            return why
    if len({m.works[key[:2]] for m in (*a, *b) if key in m.values}) > 1:
        return OTHER_WORK
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """One metric of both sides. ``beyond`` and ``least``: limit and floor on the effect scale."""

    key: Key
    case: Case
    values: tuple[Sequence[Value], Sequence[Value]]
    found: Difference
    beyond: float
    least: float


def _pair(key: Key, case: Case, a: Sequence[RunMetrics], b: Sequence[RunMetrics], limits: Limits) -> Pair:
    x, y = ([m.values[key] for m in side if key in m.values] for side in (a, b))
    beyond, least = _of_unit(case) if case.kind is Kind.READING else (limits.beyond, limits.least)
    found = UNKNOWN if key.what == FACT else difference(case, x, y, least, single=key.what == LIE)
    return Pair(key=key, case=case, values=(x, y), found=found, beyond=beyond, least=least)


def _of_unit(case: Case) -> tuple[float, float]:
    """A reading's limit and floor, in its unit: what matters, and a fifth of it."""
    matters = regions(case)[0]
    return matters, matters / 5


def difference(case: Case, a: Sequence[Value], b: Sequence[Value], least: float, single: bool) -> Difference:
    """B - A by Student's t on runs; of one run each by their own intervals, where ``single`` allows that."""
    x, y = ([direction(case, v.value) for v in side] for side in (a, b))
    estimate, freedom = fmean(y) - fmean(x), len(x) + len(y) - 2
    within = [v.half / 1.96 for v in (*a, *b)]
    if single and freedom == 0:
        return _tested(estimate, math.hypot(*within), min(a[0].blocks, b[0].blocks) - 1, least, "these two runs only")
    if freedom < FEWEST:
        return replace(UNKNOWN, estimate=estimate, why=f"{len(x)} and {len(y)} runs: {TOO_FEW}")
    squares = sum((v - fmean(side)) ** 2 for side in (x, y) for v in side)
    spread = max(squares / freedom, _successive(x), _successive(y), fmean(w * w for w in within))
    return _tested(estimate, math.sqrt(spread * (1 / len(x) + 1 / len(y))), freedom, least, "")


def _successive(values: Sequence[float]) -> float:
    """Variance from neighbouring runs (von Neumann 1941): larger than the plain one where runs alternate."""
    steps = [(b - a) ** 2 for a, b in pairwise(values)]
    return fmean(steps) / 2 if len(steps) > 1 else 0.0


def _tested(estimate: float, spread: float, freedom: int, least: float, why: str) -> Difference:
    if not math.isfinite(spread) or freedom < 1:
        return replace(UNKNOWN, estimate=estimate, why="too few blocks for an interval")
    if spread == 0:  # equal to the last digit: counted, not timed
        return Difference(estimate, 0.0, float(estimate <= least), float(-estimate <= least), why)
    half = float(student.ppf(1 - ALPHA / 2, freedom)) * spread
    p = [float(student.sf((sign * estimate - least) / spread, freedom)) for sign in (1, -1)]
    return Difference(estimate, half, p[0], p[1], why)


def _worded(pairs: Sequence[Pair]) -> list[Row]:
    """The words: worse and better family-wise (Holm), same each for itself."""
    timed = [p for p in pairs if p.key.what != FACT]
    worse = dict(zip((p.key for p in timed), holm([p.found.p_worse for p in timed], ALPHA / 2), strict=True))
    better = dict(zip((p.key for p in timed), holm([p.found.p_better for p in timed], ALPHA / 2), strict=True))
    return [_fact(p) if p.key.what == FACT else _row(p, worse[p.key], better[p.key]) for p in pairs]


def _row(pair: Pair, worse: bool, better: bool) -> Row:
    key, found, ratio = pair.key, pair.found, pair.case.kind is not Kind.READING

    outcome = Outcome.INCONCLUSIVE
    if worse and found.estimate > pair.beyond:
        outcome = Outcome.WORSE
    elif better and found.estimate < -pair.beyond:
        outcome = Outcome.BETTER
    elif abs(found.estimate) + found.half < pair.beyond:
        outcome = Outcome.SAME
    before, after = (fmean(direction(pair.case, v.value) for v in side) for side in pair.values)
    rate = pair.case.better is Better.HIGHER and ratio and key.what == LEVEL  # a cost is a throughput's inverse
    return Row(
        probe=key.probe,
        case=key.case,
        arm=key.arm,
        what=key.what,
        word=outcome.value,
        value=outward(found.estimate, ratio),
        low=outward(found.estimate - found.half, ratio),
        high=outward(found.estimate + found.half, ratio),
        unit="ratio" if ratio else pair.case.unit,
        limit=outward(pair.least + 2 * found.half, ratio),
        statistic="median",
        blocks=sum(v.blocks for side in pair.values for v in side),
        why=found.why,
        before=outward(-before if rate else before, ratio),
        after=outward(-after if rate else after, ratio),
        of_unit="ratio" if ratio and key.what == LIE else pair.case.unit,
    )


def _fact(pair: Pair) -> Row:
    """A state is equal or it changed; which is better its own words say."""
    before, after = (side[-1].word for side in pair.values)
    said = pair.case.words
    if before == after:
        return Row(**pair.key._asdict(), word=Outcome.SAME.value, unit="fact", statistic="fact", why=after)
    ranks = [ORDER.index(said[v].word) if v in said and said[v].word in ORDER else None for v in (before, after)]
    outcome = Outcome.INCONCLUSIVE
    if ranks[0] is not None and ranks[1] is not None and ranks[0] != ranks[1]:
        outcome = Outcome.WORSE if ranks[1] > ranks[0] else Outcome.BETTER
    return Row(
        **pair.key._asdict(), word=outcome.value, unit="fact", statistic="fact", why=f"{before} before, {after} now"
    )


def compare_table(found: Comparison, last: RunMetrics, title: str) -> Table:
    """The table of a comparison: what differs first, then what was not compared, a line for each reason."""
    reasons: dict[str, int] = {}
    for why in found.refused.values():
        reasons[why] = reasons.get(why, 0) + 1
    left = [f"not compared: {n} metrics ({why})" for why, n in sorted(reasons.items())]
    machine = host_line({"host": last.facts})
    return Table(
        kind="compare",
        title=title,
        rows=found.rows,
        host=last.host,
        machine=machine,
        started=last.started,
        notes=[*found.notes, *left],
    )
