"""View model of a fleet: a map of hosts by lies, odd hosts named first, a strip of all hosts per lie. Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liebench.compare.fleet import ODD, Fleet
from liebench.pages.forest import Forest, axis_of, drawn
from liebench.pages.plot import Axis
from liebench.words import clean, quantity

MOST_HOSTS, MOST_LIES = 120, 40  # of the map: the oddest, and the costliest
NAMED = 3  # odd hosts in the first sentence
LEFT, CELL = 96, 16  # pixels of the map
SIDES = {"costly": 14, "harmless": 10, "helpful": 10, "honest": 4}  # of a square: what has no colour still has a size
Record = Mapping[Hashable, Any]  # a row of a frame
Lie = tuple[str, str, str]  # probe, case, arm
SHORT = 10  # characters of a host's hash


@dataclass(frozen=True, kw_only=True, slots=True)
class Heat:
    """``cells``: (word, path). ``marks``: a frame around each odd cell."""

    width: int
    height: int
    left: int
    top: int
    cells: Sequence[tuple[str, str]]
    marks: str
    rows: Sequence[tuple[float, str]]
    columns: Sequence[tuple[float, str]]
    says: str
    describes: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Strip:
    """All hosts on one axis, in per cent of its width; a reading has no ratio and is said in words only."""

    name: str
    word: str
    xs: Sequence[float]
    middle: float
    size: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetPage:
    title: str
    head: str
    says: str
    odd: Sequence[tuple[str, str]]  # host, why
    heat: Heat
    grid: Forest
    strips: Sequence[Strip]


def fleet(found: Fleet) -> FleetPage:
    """The page of a summary (``liebench.compare.fleet``)."""
    hosts, lies, cells = (f.to_dict("records") for f in (found.hosts, found.lies, found.cells))
    odd = [h for h in hosts if h["odd"]]
    axis = axis_of(math.exp(min(c["value"], 700)) for c in cells if c["unit"] == "ratio")
    held: dict[Lie, list[float]] = {}
    for cell in cells:
        held.setdefault(_lie(cell), []).append(cell["value"])
    return FleetPage(
        title=f"{len(hosts)} hosts",
        head=_head(len(odd), len(hosts)),
        says=_says(odd, lies, len(hosts)),
        odd=[(_short(h), f"{h['odd']} of {h['lies']} lies, most of all {clean(h['worst'], 80)}") for h in odd],
        heat=_heat(hosts, lies, cells),
        grid=drawn(axis, "grid", ()),
        strips=[_strip(row, held[_lie(row)], axis) for row in lies],
    )


def _head(odd: int, hosts: int) -> str:
    if hosts == 1:
        return "One host is no fleet."
    if not odd:
        return f"No host of {hosts} stands out."
    return f"{odd} host{'s' if odd > 1 else ''} of {hosts} stand{'s' if odd == 1 else ''} out."


def _says(odd: Sequence[Record], lies: Sequence[Record], hosts: int) -> str:
    said = []
    if odd:
        names = ", ".join(_short(h) for h in odd[:NAMED])
        said.append(f"The oddest: {names}{' and others' if len(odd) > NAMED else ''}.")
    first = lies[0]  # the costliest
    if first["costly"]:
        said.append(f"{clean('/'.join(_lie(first)), 80)} is costly on {first['costly']} of {first['hosts']} hosts.")
    else:
        said.append(f"No lie is costly on any of the {hosts}.")
    return " ".join(said)


def _lie(row: Record) -> Lie:
    return str(row["probe"]), str(row["case"]), str(row["arm"])


def _short(host: Record) -> str:
    return clean(host["host"], 64)[:SHORT]


def _strip(row: Record, values: Sequence[float], axis: Axis) -> Strip:
    ratio = row["unit"] == "ratio"
    sizes = [f"{quantity(row[k], '')} ×" if ratio else quantity(row[k], row["unit"]) for k in ("median", "low", "high")]
    return Strip(
        name=clean(" ".join(_lie(row)), 80),
        word="costly" if row["costly"] else "harmless" if row["matter"] else "honest",
        xs=sorted({round(axis.at(math.exp(min(v, 700))), 1) for v in values}) if ratio else (),
        middle=axis.at(row["median"]) if ratio else 0.0,
        size=f"{sizes[0]} ({sizes[1]} … {sizes[2]})",
        note=f"costly on {row['costly']}, more than matters on {row['matter']} of {row['hosts']} hosts",
    )


def _heat(hosts: Sequence[Record], lies: Sequence[Record], cells: Sequence[Record]) -> Heat:
    rows, columns = hosts[:MOST_HOSTS], lies[:MOST_LIES]
    down, across = {h["host"]: i for i, h in enumerate(rows)}, {_lie(r): i for i, r in enumerate(columns)}
    squares: dict[str, list[str]] = {}
    names = [_column(_lie(r)) for r in columns]
    top = 18 + 5 * max(map(len, names), default=0)  # they are written upwards
    marks = []
    for cell in cells:
        y, x = down.get(cell["host"]), across.get(_lie(cell))
        if x is None or y is None:
            continue
        word = _word(cell)
        squares.setdefault(word, []).append(_square(x, y, SIDES[word], top))
        if cell["score"] > ODD:
            marks.append(_square(x, y, CELL, top))
    left_out = len(hosts) - len(rows)
    tail = f"; {left_out} less odd hosts are not drawn" if left_out else ""
    costly, every = len(squares.get("costly", ())), sum(map(len, squares.values()))
    return Heat(
        width=LEFT + len(columns) * CELL + 110,
        height=top + len(rows) * CELL + 6,
        left=LEFT - 8,
        top=top - 6,
        cells=[(word, "".join(paths)) for word, paths in sorted(squares.items())],
        marks="".join(marks),
        rows=[(top + i * CELL + 11.0, _short(h)) for i, h in enumerate(rows)],
        columns=[(LEFT + i * CELL + 9.0, name) for i, name in enumerate(names)],
        says=f"{len(rows)} hosts by {len(columns)} lies{tail}",
        describes=f"Costly: {costly} of {every} cells; far from the others: {len(marks)}.",
    )


def _square(x: int, y: int, side: int, top: int) -> str:
    """A square in the middle of a cell."""
    gap = (CELL - side) / 2
    return f"M{LEFT + x * CELL + gap:g} {top + y * CELL + gap:g}h{side}v{side}h-{side}z"


def _word(cell: Record) -> str:
    if cell["costly"]:
        return "costly"
    if cell["matter"]:
        return "harmless"
    return "helpful" if cell["value"] < -cell["matters"] else "honest"


def _column(lie: Lie) -> str:
    probe, case, _ = lie
    return clean(probe if case == probe else f"{probe} {case}", 30)
