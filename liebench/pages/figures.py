"""ECDF and strip of one case: samples become pixels. Pure; the SVG macros only draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median

from liebench.contract import Better, Case
from liebench.pages.plot import Axis, dots, ecdf, is_log, widened
from liebench.runfile.fields import Json
from liebench.stats.intervals import quantile
from liebench.words import clean, quantity

LEFT, RIGHT, TOP, BOTTOM = 40, 430, 8, 178  # the frame of both pictures, in a view box of 440 x 200
BAR = "v6v-6"  # there and back, so that the next point is relative to this one
TO_THE_RIGHT = 300  # a label that starts beyond would leave the picture: it stands left of its curve
PLACES = (0.7, 0.4, 0.85, 0.25, 0.55)  # heights of the labels, so that they do not meet


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """One arm: a stair, or a line where all samples are one number (a claim)."""

    arm: str
    path: str
    x: float
    y: float
    anchor: str
    dots: str
    crosses: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Curves per arm, and one dot per repetition in time order. ``describes``: the same in numbers."""

    curves: Sequence[Curve]
    ticks: Sequence[Tick]
    strip_ticks: Sequence[Tick]
    describes: str
    minutes: str
    better: str
    scale: str
    flagged: int
    repetitions: int


def ticked(axis: Axis, unit: str, most: int = 4) -> list[Tick]:
    """Round values of an axis with the unit that people read."""
    return [Tick(axis.at(t), clean(quantity(t, clean(unit, 8)), 16)) for t in axis.ticks(most)]


Series = dict[str, list[tuple[int, list[float], bool]]]


def series_of(blocks: Sequence[Json], case: Case) -> Series:
    """Arm -> (time, samples, flagged) of each repetition of a case's ordinary blocks, in time order.

    Arms without samples are left out.
    """
    found: Series = {a.id: [] for a in case.arms}
    for block in blocks:
        for arm, rep in block["reps"].items():
            values = rep["samples"].get(case.quantity)
            if values and arm in found:
                times = int(block.get("t_ns") or 0)
                found[arm].append((times, [float(v) for v in values], bool(rep.get("flags"))))
    return {arm: reps for arm, reps in found.items() if reps}


def _curve(
    arm: str, place: float, values: Sequence[float], axis: Axis, reps: Sequence[tuple[float, float, bool]]
) -> Curve:
    x = axis.at(quantile(values, place))
    left = x > TO_THE_RIGHT
    one = len(set(values)) == 1
    return Curve(
        arm=clean(arm, 24),
        path=f"M{x:g} {TOP}V{BOTTOM}" if one else ecdf(values, axis, TOP, BOTTOM),
        x=round(x - 7 if left else x + 7, 1),
        y=round(BOTTOM - (BOTTOM - TOP) * place, 1),
        anchor="end" if left else "start",
        dots=dots((x, y) for x, y, bad in reps if not bad),
        crosses=dots(((x, y) for x, y, bad in reps if bad), draw=BAR),
    )


def figure(blocks: Sequence[Json], case: Case) -> Figure | None:
    """ECDF and strip of a case with samples; None where every arm gave one number only."""
    return figure_of(series_of(blocks, case), case)


def figure_of(series: Series, case: Case) -> Figure | None:
    """The same of any series whose samples are the quantity of this case."""
    pooled = {a: [v for _, values, _ in reps for v in values] for a, reps in series.items()}
    if not any(len(set(values)) > 1 for values in pooled.values()):
        return None
    # the far tail would squeeze everything else to a line: the axis ends at p99.5 and says so by clamping
    shown = [v for values in pooled.values() for v in (quantile(values, 0.002), quantile(values, 0.995))]
    log = is_log(shown)
    axis = Axis(*widened(shown, log), LEFT, RIGHT, log)
    times = [t for reps in series.values() for t, _, _ in reps]
    across = Axis(min(times), max(times), LEFT + 6, RIGHT - 6)
    middles = [median(v) for reps in series.values() for _, v, _ in reps]
    log_up = is_log(middles)
    up = Axis(*widened(middles, log_up), BOTTOM, TOP, log_up)
    curves = []
    for (arm, values), place in zip(pooled.items(), cycle(PLACES)):
        reps = [(across.at(t), up.at(median(v)), bad) for t, v, bad in series[arm]]
        curves.append(_curve(arm, place, values, axis, reps))
    says = [
        f"{clean(a, 24)}: median {quantity(median(v), case.unit)}, p99 {quantity(quantile(v, 0.99), case.unit)}"
        for a, v in pooled.items()
    ]
    flags = [bad for reps in series.values() for _, _, bad in reps]
    return Figure(
        curves=curves,
        ticks=ticked(axis, case.unit),
        strip_ticks=ticked(up, case.unit),
        describes=f"{'; '.join(says)}.",
        minutes=_lasting((max(times) - min(times)) / 1e9),
        better="right is better" if case.better is Better.HIGHER else "",
        scale="logarithmic" if log else "",
        flagged=sum(flags),
        repetitions=len(flags),
    )


def _lasting(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
