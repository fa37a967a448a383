"""Many hosts at once: which lies are costly on how many of them, and which hosts are odd. Pure.

A host is held against the others by robust scores: (value - median) / (1.4826 median absolute deviation) per lie, the
spread never below a floor, so that hosts which agree to the last digit do not make an odd one of a small difference.
A host is as odd as its number of lies beyond ``ODD`` to the worse side, and then its largest score. Only ratios within
a host are compared: levels of different hosts are different machines' (``compare``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from liebench.compare.metrics import LIE, RunMetrics, direction
from liebench.contract import Kind
from liebench.errors import NotComparable
from liebench.judge.readings import limits

COLUMNS = ("host", "probe", "case", "arm", "value", "matters", "hurts", "unit")  # value on the effect scale
LIE_OF = ["probe", "case", "arm"]
FLOOR = math.log(1.01)  # of a ratio; of a reading a fifth of what matters
ODD = 4.0  # robust standard deviations: 3 of 100,000 values of a normal fleet


@dataclass(frozen=True, slots=True)
class Fleet:
    """``lies``: one row per lie, the costliest first: hosts, how many of them beyond ``hurts`` and ``matters``, median,
    lowest and highest. ``hosts``: one row per host, the oddest first: lies, how many odd, the largest score and of
    which lie, how many costly. ``cells``: the frame with each value's robust score, and whether it is beyond a limit.
    Values of ratios are factors (in ``cells`` their logs), of readings in their unit."""

    lies: pd.DataFrame
    hosts: pd.DataFrame
    cells: pd.DataFrame


def frame_of(runs: Sequence[RunMetrics]) -> pd.DataFrame:
    """One row per host and lie, each host by its newest run. Raises NotComparable without any."""
    newest = {m.host: m for m in sorted(runs, key=lambda m: (m.started, m.id))}
    columns: dict[str, list[object]] = {c: [] for c in COLUMNS}
    for m in newest.values():
        for key, value in m.values.items():
            if key.what != LIE:
                continue
            case = m.cases[key[:2]]
            matters, hurts = limits(case)
            unit = case.unit if case.kind is Kind.READING else "ratio"
            row = (m.host, key.probe, key.case, key.arm, direction(case, value.value), matters, hurts, unit)
            for column, cell in zip(COLUMNS, row, strict=True):
                columns[column].append(cell)
    if not columns["host"]:
        raise NotComparable("these runs hold no lie; name a folder with runs of several hosts")
    frame = pd.DataFrame(columns)
    return frame.astype(dict.fromkeys(("host", *LIE_OF, "unit"), "category"))


def summarise(frame: pd.DataFrame) -> Fleet:
    """Costly lies and odd hosts of a frame as ``frame_of`` makes it."""
    ratio = frame["unit"] == "ratio"
    floor = np.where(ratio, FLOOR, frame["matters"] / 5)
    by = frame.groupby(LIE_OF, observed=True)["value"]
    middle = by.transform("median")
    away = (frame["value"] - middle).abs()
    spread = 1.4826 * away.groupby([frame[c] for c in LIE_OF], observed=True).transform("median")
    scored = frame.assign(
        score=(frame["value"] - middle) / np.maximum(spread, floor),
        costly=frame["value"] > frame["hurts"],
        matter=frame["value"] > frame["matters"],
    )
    return Fleet(_lies(scored), _hosts(scored), scored)


def _lies(scored: pd.DataFrame) -> pd.DataFrame:
    by = scored.groupby(LIE_OF, observed=True)
    found = by.agg(
        hosts=("host", "nunique"),
        costly=("costly", "sum"),
        matter=("matter", "sum"),
        median=("value", "median"),
        low=("value", "min"),
        high=("value", "max"),
        unit=("unit", "first"),
    ).reset_index()
    ratio = found["unit"] == "ratio"
    for column in ("median", "low", "high"):
        found[column] = np.where(ratio, np.exp(np.minimum(found[column], 700)), found[column])
    return found.sort_values(
        ["costly", "matter", *LIE_OF], ascending=[False, False, True, True, True], ignore_index=True
    )


def _hosts(scored: pd.DataFrame) -> pd.DataFrame:
    scored = scored.assign(odd=scored["score"] > ODD)
    by = scored.groupby("host", observed=True)
    found = by.agg(lies=("value", "size"), odd=("odd", "sum"), score=("score", "max"), costly=("costly", "sum"))
    worst = scored.loc[by["score"].idxmax().to_numpy()].set_index("host")
    found["worst"] = worst["probe"].astype(str) + "/" + worst["case"].astype(str) + "/" + worst["arm"].astype(str)
    found = found.reset_index()
    return found.sort_values(["odd", "score", "host"], ascending=[False, False, True], ignore_index=True)
