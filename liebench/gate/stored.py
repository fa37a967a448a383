"""Gates by stored runs: history, fleet, trend. Weaker than measuring both sides now, and they say so. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from liebench.compare.baseline import Baseline
from liebench.compare.history import FEWEST_TREND, line_of
from liebench.compare.metrics import FACT, LEVEL, Key, RunMetrics, direction
from liebench.compare.sides import GONE, OTHER_WORK, Comparison, compare, compare_table
from liebench.contract import Case, Kind, Outcome
from liebench.errors import NotComparable
from liebench.gate.policy import Level, LevelRule, Policy
from liebench.gate.table import INCONCLUSIVE, OK, exit_code
from liebench.judge.family import Limits
from liebench.judge.rows import Row, Table

FEWEST_HISTORY = 10
FEWEST_FLEET = 19  # hosts beside ours: 1 / 20 is the smallest rank that says 5 %
OUTLIER = 0.05


RuleOf = Callable[[Key], LevelRule]


def _rules(policy: Policy, runs: Sequence[RunMetrics]) -> RuleOf:
    """The rule of a metric by what these runs say of its probe: its layer, and whether it is a preview."""
    layers = {name: layer for r in runs for name, layer in r.layers.items()}
    previews = {name for r in runs for name in r.previews}
    return lambda key: policy.rule(layers.get(key.probe, ""), key.probe, key.case, key.arm, key.probe in previews)


def _compared(before: Sequence[RunMetrics], after: RunMetrics, rule: RuleOf) -> Comparison:
    def limits(key: Key, case: Case) -> Limits | None:
        return None if rule(key).level is Level.OFF else rule(key).limits("median")

    found = compare(before, [after], limits)
    return replace(found, rows=[replace(r, level=rule(_key(r)).level.value) for r in found.rows])


def _key(row: Row) -> Key:
    return Key(row.probe, row.case, row.arm, row.what)


def _drifted(baseline: Baseline, after: RunMetrics, rule: RuleOf) -> tuple[set[str], list[str]]:
    """(names of rows that are worse than the anchor, a note where the anchor cannot say)."""
    if not baseline.anchor:
        return set(), []
    if len(baseline.anchor) < FEWEST_HISTORY:
        return set(), [
            f"the anchor holds {len(baseline.anchor)} runs, {FEWEST_HISTORY} are needed: slow losses are not seen"
        ]
    try:
        rows = _compared(baseline.anchor, after, rule).rows
    except NotComparable as error:
        return set(), [f"the anchor says nothing any more: {error}"]
    return {r.name for r in rows if r.word == Outcome.WORSE}, []


def _lost(found: Comparison, runs: Sequence[RunMetrics], rule: RuleOf) -> dict[str, str]:
    """What this gate guards and cannot compare now: numbers that are gone, and work that became another."""
    strict = {k.name for r in runs for k in r.values if rule(k).level is Level.ERROR}
    return {
        name: f"{why}; the gate is not green without it"
        for name, why in found.refused.items()
        if name in strict and why in (GONE, OTHER_WORK)
    }


def history_table(baseline: Baseline, after: RunMetrics, policy: Policy) -> Table:
    """A new run against at least ten of the same host: each number within where the next is expected, or not.

    Fewer than ten say inconclusive by construction. What is worse than the anchor is worse, however slowly it came.
    Raises NotComparable where nothing is comparable.
    """
    if after.host not in {m.host for m in baseline.runs}:
        raise NotComparable("the baseline is another host's; measure it on this one, or use --mode fleet")
    rule = _rules(policy, [*baseline.anchor, *baseline.runs, after])
    found, rows = _compared(baseline.runs, after, rule), []
    drifted, notes = _drifted(baseline, after, rule)
    for row in found.rows:
        if row.name in drifted and row.word != Outcome.WORSE:
            row = replace(row, word=Outcome.WORSE.value, why="worse than the anchor, if not than the last baseline")
        elif len(baseline.runs) < FEWEST_HISTORY and row.unit != "fact":
            why = (
                f"{len(baseline.runs)} runs of the past; {FEWEST_HISTORY} are needed to say where the next is expected"
            )
            row = replace(row, word=Outcome.INCONCLUSIVE.value, why=why)
        rows.append(row)
    table = compare_table(found, after, f"this run against {len(baseline.runs)} of {baseline.name}")
    lost = _lost(found, [*baseline.runs, after], rule)
    code = exit_code(rows, lost, policy)
    return replace(table, kind="gate", rows=rows, failed=lost, exit=code, notes=[*notes, *table.notes])


def fleet_table(others: Sequence[RunMetrics], ours: RunMetrics, policy: Policy) -> Table:
    """Our lies among those of other hosts, by rank: typical or outlier, never a regression.

    Only ratios within a host and claims are compared. The rank's p is (1 + hosts at least as bad) / (hosts + 1)
    (conformal; Vovk and others 2005); each host counts once, by its newest run.
    """
    newest = {m.host: m for m in sorted(others, key=lambda m: (m.started, m.id)) if m.host != ours.host}
    rule_of, rows = _rules(policy, [*newest.values(), ours]), []
    for key, value in sorted(ours.values.items(), key=lambda item: item[0]):
        rule = rule_of(key)
        if key.what in (LEVEL, FACT) or rule.level is Level.OFF:
            continue
        case, work = ours.cases[key[:2]], ours.works[key[:2]]
        rest = [
            direction(case, m.values[key].value)
            for m in newest.values()
            if key in m.values and m.works.get(key[:2]) == work
        ]
        rows.append(_ranked(key, case, direction(case, value.value), rest, rule))
    if not rows:
        raise NotComparable("this run holds no lie that other hosts' could be held against")
    words = {r.word for r in rows if r.level == Level.ERROR}
    code = INCONCLUSIVE if Outcome.INCONCLUSIVE in words and policy.inconclusive_fails else OK
    table = compare_table(Comparison(rows, ()), ours, f"this host among {len(newest)} others")
    return replace(table, kind="gate", exit=code)


def _ranked(key: Key, case: Case, value: float, rest: Sequence[float], rule: LevelRule) -> Row:
    ratio = case.kind is not Kind.READING
    as_bad = sum(v >= value for v in rest)
    p = (1 + as_bad) / (len(rest) + 1)
    typical = median(rest) if rest else math.nan
    outcome, why = Outcome.SAME, f"typical: {as_bad} of {len(rest)} hosts are at least as bad"
    if len(rest) < FEWEST_FLEET:
        outcome, why = Outcome.INCONCLUSIVE, f"{len(rest)} other hosts; {FEWEST_FLEET} are needed for a rank of 5 %"
    elif p <= OUTLIER and value - typical > (rule.limits("median").beyond if ratio else case.matters):
        outcome, why = Outcome.INCONCLUSIVE, f"outlier: {as_bad} of {len(rest)} hosts are as bad; look at this host"
    shown = _factor(value - typical) if ratio else value - typical
    before, after = (_factor(v) if ratio else v for v in (typical, value))
    return Row(
        **key._asdict(),
        word=outcome.value,
        value=shown if rest else None,
        unit="ratio" if ratio else case.unit,
        blocks=len(rest),
        why=why,
        level=rule.level.value,
        before=before if rest else None,
        after=after,
        of_unit="ratio" if ratio else case.unit,
    )


def _factor(effect: float) -> float:
    return math.exp(min(effect, 700.0))


def trend_table(runs: Sequence[RunMetrics], policy: Policy) -> Table:
    """Change points of the newest host's runs: warnings only, for a level that was chosen is not a proof."""
    if not runs:
        raise NotComparable("a trend needs runs; name the folder that holds them")
    ordered = sorted({m.id: m for m in runs}.values(), key=lambda m: (m.started, m.id))
    ours = [m for m in ordered if m.host == ordered[-1].host]
    if len(ours) < FEWEST_TREND:
        raise NotComparable(f"a trend needs {FEWEST_TREND} runs of one host, these are {len(ours)}")
    rule_of, rows = _rules(policy, ours), []
    for key in sorted({k for m in ours for k, v in m.values.items() if not v.word}):
        rule = rule_of(key)
        if rule.level is Level.OFF:
            continue
        case = next(m.cases[key[:2]] for m in reversed(ours) if key in m.values)
        ratio = case.kind is not Kind.READING
        line = line_of(key, ours, rule.limits("median").beyond if ratio else case.matters)
        if not line.changes:
            continue
        at = line.changes[-1]
        before, after = (median(p.value for p in part) for part in (line.points[:at], line.points[at:]))
        known = [what for i, what in line.marks if i == at]
        outcome = Outcome.WORSE if after > before else Outcome.BETTER
        why = f"a new level since {line.points[at].started}" + (f"; the {known[0]} changed there" if known else "")
        rows.append(
            Row(
                **key._asdict(),
                word=outcome.value,
                value=_factor(after - before) if ratio else after - before,
                unit="ratio" if ratio else case.unit,
                blocks=len(line.points),
                why=why,
                level=Level.WARN.value,
            )
        )
    table = compare_table(Comparison(rows, ()), ours[-1], f"{len(ours)} runs of this host")
    return replace(table, kind="gate", exit=OK)
