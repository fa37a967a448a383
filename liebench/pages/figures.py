"""Figures of the report: samples and verdicts become pixels. Pure; the SVG macros only draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from liebench.contract import Case, Verdict
from liebench.judge import RunVerdicts
from liebench.pages.plot import Axis, ecdf, is_log, quantile, widened
from liebench.words import SHAPES, amount, clean, short, span

LEAST_RANGE = 1.5  # the forest's axis reaches at least this ratio, so that small lies look small


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ForestRow:
    name: str
    anchor: str
    word: str
    shape: str
    y: float
    x: float | None
    x0: float | None
    x1: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Forest:
    rows: Sequence[ForestRow]
    ticks: Sequence[Tick]
    band: tuple[float, float]
    one: float
    height: float
    describes: str


@dataclass(frozen=True, slots=True)
class Curve:
    arm: str
    path: str
    x: float
    y: float
    says: str


@dataclass(frozen=True, slots=True)
class Figure:
    """ECDF and strip of one case: curves per arm, and one dot per repetition in time order."""

    unit: str
    curves: Sequence[Curve]
    ticks: Sequence[Tick]
    dots: Sequence[tuple[int, float, float, bool]]  # arm number, x, y, flagged
    strip_ticks: Sequence[Tick]
    describes: str
    minutes: str


def forest(verdicts: RunVerdicts, names: Sequence[str], titles: Mapping[str, str]) -> Forest | None:
    """Every ratio on one log axis, the dearest on top; None where no verdict is a ratio."""
    ratios = [n for n in names if verdicts.probes[n].unit == "ratio" and verdicts.probes[n].value is not None]
    if not ratios:
        return None
    sizes = [v for n in ratios for v in _edges(verdicts.probes[n]) if v and v > 0]
    axis = Axis(min(0.9, *sizes) * 0.95, max(LEAST_RANGE, *sizes) * 1.1, 250, 660, log=True)
    rows = []
    for i, name in enumerate(ratios):
        v = verdicts.probes[name]
        low, high = v.low, v.high
        rows.append(
            ForestRow(
                clean(titles.get(name, name), 38),
                name,
                v.word.value,
                SHAPES[v.word],
                18 + 28.0 * i,
                axis.at(v.value) if v.value else None,
                axis.at(low) if low else axis.start,
                axis.at(high) if high else axis.end,
                f"{amount(v)} ({span(v)})",
            )
        )
    ticks = [Tick(axis.at(t), f"{short(t, 2).rstrip('.')} ×") for t in axis.ticks()]
    says = "; ".join(f"{r.name}: {r.text}, {r.word}" for r in rows)
    height = 28.0 * len(rows) + 8
    return Forest(rows, ticks, (axis.at(1 / 1.05), axis.at(1.05)), axis.at(1.0), height, says)


def _edges(v: Verdict) -> tuple[float | None, ...]:
    return v.value, v.low, v.high


def _series(doc: Mapping[str, Any], probe: str, case: Case) -> dict[str, list[tuple[int, list[float], bool]]]:
    """Arm -> (time, samples, flagged) of each ordinary repetition, in time order."""
    found: dict[str, list[tuple[int, list[float], bool]]] = {a.id: [] for a in case.arms}
    for block in doc["blocks"]:
        if block["probe"] != probe or block["case"] != case.id or block.get("control"):
            continue
        for arm, rep in block["reps"].items():
            values = rep["samples"].get(case.quantity)
            flagged = bool(rep.get("flags"))
            if values and arm in found:
                found[arm].append((int(block.get("t_ns") or 0), [float(v) for v in values], flagged))
    return found


def figure(doc: Mapping[str, Any], probe: str, case: Case) -> Figure | None:
    """ECDF and strip of a case with samples; claims that are one number draw no curve."""
    series = {a: reps for a, reps in _series(doc, probe, case).items() if reps}
    pooled = {a: [v for _, values, _ in reps for v in values] for a, reps in series.items()}
    drawn = {a: values for a, values in pooled.items() if len(set(values)) > 1}
    if not drawn:
        return None
    # the far tail would squeeze everything else to a line: the axis ends at p99.5 and says so by clamping
    shown = [v for values in drawn.values() for v in (quantile(values, 0.002), quantile(values, 0.995))]
    log = is_log(shown)
    axis = Axis(*widened(shown, log), 44, 440, log)
    curves = []
    for i, (arm, values) in enumerate(drawn.items()):
        says = f"{arm}: median {short(median(values))} {case.unit}, p99 {short(quantile(values, 0.99))} {case.unit}"
        place = 0.62 if i % 2 == 0 else 0.30
        x = min(axis.at(quantile(values, place)) + 8, 350)
        curves.append(Curve(clean(arm, 24), ecdf(values, axis, 10, 196), x, round(196 - 186 * place, 1), says))
    times = [t for reps in series.values() for t, _, _ in reps]
    across = Axis(min(times), max(times), 50, 370)
    middles = [median(v) for a in drawn for _, v, _ in series[a]]
    up = Axis(*widened(middles, log), 196, 10, log)
    dots = [(i, across.at(t), up.at(median(v)), bad) for i, a in enumerate(drawn) for t, v, bad in series[a]]
    return Figure(
        case.unit,
        curves,
        [Tick(axis.at(t), f"{short(t, 3)}") for t in axis.ticks(5)],
        dots,
        [Tick(up.at(t), f"{short(t, 3)}") for t in up.ticks(5)],
        "; ".join(c.says for c in curves),
        f"{(max(times) - min(times)) / 1e9:.0f} s",
    )
