"""Blocks as columns: what repeats stands once, and numbers have the digits that their scatter deserves. Pure.

A page holds its run in this form, a fraction of the size of one object per repetition. ``to_columns`` groups the
blocks of one probe, case and control; each group holds a column per quantity, alibi and fact. A column is

    {"all": v}                                  the same value everywhere
    {"step": s, "least": m, "text": "..."}      whole numbers of steps, counted from m: a character of LETTERS for each
    {"step": s, "of": [...]}                    the same where they lie too far apart for that
    {"words": [...], "text": "..."}             few different values, by their place in ``words``
    {"of": [...]}                               anything else as it is

with ``far`` for those few that lie too far away, as pairs of place and number, and ``at`` for the repetitions that
have a value where not all have one. In a series of samples {"like": k} is column k again; ``times`` says that a column
counts in multiples of column 0, or for column 0 itself of that of the group's ``base`` label: what arms have in common
from block to block (a neighbour, a frequency) cancels in that ratio, and must not decide how finely it is kept.

Blocks keep their time to a part of the run's length; their numbers are given anew, and the order of arms within a
block is not kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from liebench.errors import RunUnreadable
from liebench.runfile.fields import mapping, number, refuse, sequence, text, whole

MOST = 2_000_000  # values that a group may grow to when it is read back
PARTS = ("alibi", "facts")
FINER = 7  # a step is this part of the middle half of a column: its rounding is a 25th of the scatter
COUNTED = 10_000  # whole numbers that span less are counts, or bounds that must not be rounded
MOMENTS = 100  # parts of the run's length, to which the time of a block is kept
LETTERS = "".join(c for c in map(chr, range(35, 127)) if c not in "\\<>&")  # fit for JSON and HTML
LOST = " "  # stands for a value that lies too far away
Column = dict[str, Any]


def to_columns(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Columns of these blocks by probe, case and control (empty: none), and the length of a moment in nanoseconds."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for block in blocks:
        groups.setdefault((block["probe"], block["case"], block.get("control") or ""), []).append(block)
    times = [int(block.get("t_ns") or 0) for block in blocks] or [0]
    start, moment = min(times), max(1, (max(times) - min(times)) // MOMENTS)
    found: dict[str, Any] = {}
    for (probe, case, control), rows in groups.items():
        found.setdefault(probe, {}).setdefault(case, {})[control] = _group(rows, start, moment)
    return {"start": start, "moment": moment, "groups": found}


def _group(rows: Sequence[Mapping[str, Any]], start: int, moment: int) -> dict[str, Any]:
    labels = sorted({label for row in rows for label in row["reps"]})
    held = {label: [row["reps"].get(label) for row in rows] for label in labels}
    base = next((label for label in labels if None not in held[label]), "")
    times = [(int(row.get("t_ns") or 0) - start) // moment for row in rows]
    return {
        "base": base,
        "t": _whole([times[0], *(b - a for a, b in pairwise(times))]),
        "reps": {label: _label(held[label], held[base] if base not in ("", label) else []) for label in labels},
    }


Reps = Sequence[Mapping[str, Any] | None]


def _label(reps: Reps, base: Reps) -> dict[str, Any]:
    """The columns of one arm in a group; what is empty in every repetition is left out.

    ``base``: the repetitions of the arm that others are kept as multiples of, beside ``reps``; empty for none.
    """
    present = [rep for rep in reps if rep is not None]
    everywhere = len(present) == len(reps)
    found: dict[str, Any] = {
        "samples": _quantities(present, base if everywhere else []),
        "flags": column([rep.get("flags") or [] for rep in present]),
        "at": [] if everywhere else [i for i, rep in enumerate(reps) if rep is not None],
        **{part: _named([rep.get(part) or {} for rep in present]) for part in PARTS},
        "took": _took(present),
    }
    return {key: held for key, held in found.items() if held not in ({}, [], 0, {"all": []})}


def _quantities(reps: Sequence[Mapping[str, Any]], base: Reps) -> dict[str, list[Column] | Column]:
    """The samples of each quantity."""
    names = sorted({name for rep in reps for name in rep["samples"]})
    beside = [rep["samples"] for rep in base if rep is not None]
    return {name: _series([rep["samples"].get(name) for rep in reps], [s.get(name) for s in beside]) for name in names}


def _named(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """A column per name that any of these rows has."""
    return {name: _sparse(rows, name) for name in sorted({name for row in rows for name in row})}


def _took(reps: Sequence[Mapping[str, Any]]) -> int:
    """How long a repetition took, in ns, as the mean of all: nobody asks for one of them. 0 where none says it."""
    total = sum(int(rep.get("elapsed_ns") or 0) for rep in reps)
    return int(float(f"{total / len(reps):.3g}"))


def _sparse(rows: Sequence[Mapping[str, Any]], name: str) -> Column:
    at = [i for i, row in enumerate(rows) if name in row]
    made = column([rows[i][name] for i in at])
    return made if len(at) == len(rows) else {**made, "at": at}


def _series(
    samples: Sequence[Sequence[float] | None], beside: Sequence[Sequence[float] | None]
) -> list[Column] | Column:
    """A column per place where every repetition has as many samples; else the lists as they are."""
    present = [s for s in samples if s is not None]
    lengths = {len(s) for s in present}
    if len(lengths) != 1 or len(present) < len(samples):
        return {"of": list(samples)}
    places = [[s[i] for s in present] for i in range(lengths.pop())]
    first = [float(s[0]) for s in beside if s]
    made: list[Column] = []
    for i, values in enumerate(places):
        same = next((k for k in range(i) if places[k] == values), None)
        by = places[0] if i else first
        made.append({"like": same} if same is not None else _multiples(values, by) or column(values))
    return made


def _multiples(values: Sequence[float], by: Sequence[float]) -> Column:
    """These values over those beside them; empty where that means nothing, or where nothing scatters."""
    if len(by) != len(values) or not all(a > 0 for a in by) or len(set(values)) == 1:
        return {}
    made = column([v / a for v, a in zip(values, by, strict=True)])
    return {"times": True, **made}


def column(values: Sequence[Any]) -> Column:
    """The smallest form of these values. Times and sizes are rounded to a part of their own scatter, counts never."""
    if all(v == values[0] and type(v) is type(values[0]) for v in values):
        return {"all": values[0]} if values else {"of": []}
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in values)
    if numbers and (any(isinstance(v, float) for v in values) or max(values) - min(values) > COUNTED):
        ordered = sorted(values)
        spread = ordered[(3 * len(ordered)) // 4] - ordered[len(ordered) // 4]
        return _stepped(values, spread / FINER if spread > 0 else max(abs(v) for v in values) * 1e-5)
    if numbers and "text" in (lettered := _whole(values)):
        return lettered
    return _worded(values)


def _worded(values: Sequence[Any]) -> Column:
    keys = [json.dumps(v, sort_keys=True) for v in values]
    words = dict(zip(keys, values, strict=True))
    if len(words) > min(len(LETTERS), len(values) // 2):
        return {"of": list(values)}
    place = {key: LETTERS[i] for i, key in enumerate(words)}
    return {"words": list(words.values()), "text": "".join(place[key] for key in keys)}


def _stepped(values: Sequence[float], size: float) -> Column:
    quarter = round(4 * math.log10(size)) if size > 0 else -1200  # few different steps compress better
    step = float(f"{10 ** (quarter / 4):.1e}")
    return {"step": step, **_whole([round(v / step) for v in values])}


def _whole(values: Sequence[int]) -> Column:
    """Letters where nearly all values lie close together, else numbers."""
    ordered = sorted(values)
    middle = ordered[len(ordered) // 2]
    least = max(ordered[0], min(middle - len(LETTERS) // 2, ordered[-1] - len(LETTERS) + 1))
    far = [[i, v] for i, v in enumerate(values) if not 0 <= v - least < len(LETTERS)]
    if 4 * len(far) > len(values):
        return {"of": list(values)}
    text = "".join(LETTERS[v - least] if 0 <= v - least < len(LETTERS) else LOST for v in values)
    return {"least": least, "text": text, **({"far": far} if far else {})}


def from_columns(held: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The blocks, in the order of time. Raises RunUnreadable naming the place."""
    found: list[dict[str, Any]] = []
    start, moment = whole(held.get("start"), "columns.start"), whole(held.get("moment"), "columns.moment")
    for probe, case, control, group in _groups(held):
        place = f"columns.groups.{probe}.{case}.{control}"
        try:
            made = _blocks(mapping(group, place), place, MOST - len(found))
        except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
            raise RunUnreadable(f"{place} is damaged: {type(error).__name__}: {error}") from error
        found += [{"probe": probe, "case": case, "control": control or None, **block} for block in made]
    ordered = sorted(found, key=lambda block: block["t_ns"])
    return [{"n": n, **block, "t_ns": start + block["t_ns"] * moment} for n, block in enumerate(ordered)]


def _groups(held: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Any]]:
    for probe, cases in mapping(held.get("groups"), "columns.groups").items():
        for case, controls in mapping(cases, f"columns.groups.{probe}").items():
            for control, group in mapping(controls, f"columns.groups.{probe}.{case}").items():
                yield probe, case, control, group


def _blocks(group: Mapping[str, Any], place: str, most: int) -> list[dict[str, Any]]:
    steps = mapping(group.get("t"), f"{place}.t")
    count = len(steps["text"] if "text" in steps else sequence(steps.get("of"), f"{place}.t"))
    reps = mapping(group.get("reps"), f"{place}.reps")
    if count * (1 + sum(_width(r) for r in reps.values())) > most:
        refuse(place, f"at most {most} values", "more")
    times = accumulate(whole(v, f"{place}.t") for v in _values(steps, count, f"{place}.t"))
    labels = list(reps)
    base = text(group.get("base"), f"{place}.base")
    rows: dict[str, list[dict[str, Any] | None]] = {}
    for label in sorted(labels, key=lambda name: name != base):  # the base first: others are multiples of it
        rows[label] = _reps(mapping(reps[label], place), count, rows.get(base, ()), f"{place}.reps")
    return [
        {"t_ns": at, "reps": {label: rep for label in labels if (rep := rows[label][i]) is not None}}
        for i, at in enumerate(times)
    ]


def _width(label: Any) -> int:
    """Values that one repetition of this label may hold."""
    row = mapping(label, "reps")
    samples = mapping(row.get("samples") or {}, "samples").values()
    return 2 + sum(len(s) for s in samples) + sum(len(mapping(row.get(p) or {}, p)) for p in PARTS)


def _reps(label: Mapping[str, Any], count: int, base: Reps, place: str) -> list[dict[str, Any] | None]:
    at = _places(label, count, place)
    flags = _values(label.get("flags", {"all": []}), len(at), f"{place}.flags")
    took = whole(label.get("took", 0), f"{place}.took")
    found: list[dict[str, Any]] = [
        {"samples": {}, "alibi": {}, "facts": {}, "flags": list(held), "elapsed_ns": took} for held in flags
    ]
    for name, series in mapping(label.get("samples") or {}, place).items():
        beside = [rep["samples"][name][0] for rep in base if rep and rep["samples"].get(name)]
        for rep, values in zip(found, _samples(series, len(at), beside, f"{place}.{name}"), strict=True):
            if values is not None:
                rep["samples"][name] = values
    for part in PARTS:
        for name, held in mapping(label.get(part) or {}, place).items():
            where = _places(held, len(at), place)
            for i, value in zip(where, _values(held, len(where), f"{place}.{name}"), strict=True):
                found[i][part][name] = value
    rows: list[dict[str, Any] | None] = [None] * count
    for i, rep in zip(at, found, strict=True):
        rows[i] = rep
    return rows


def _places(row: Mapping[str, Any], count: int, place: str) -> Sequence[int]:
    """Which repetitions have a value: ``at``, or all."""
    if "at" not in row:
        return range(count)
    at = [whole(i, place) for i in sequence(row["at"], place)]
    if any(not 0 <= i < count for i in at):
        refuse(place, f"places below {count}", max(at))
    return at


def _samples(series: Any, count: int, beside: Sequence[float], place: str) -> list[list[Any] | None]:
    if isinstance(series, Mapping):
        return _values(series, count, place)
    made: list[list[Any]] = []
    for held in sequence(series, place):
        row = mapping(held, place)
        values = made[whole(row["like"], place)] if "like" in row else _values(row, count, place)
        if "times" in row:
            by = made[0] if made else beside
            values = [float(f"{a * v:.9g}") for a, v in zip(by, values, strict=True)]
        made.append(values)
    return [list(values) for values in zip(*made, strict=True)] if made else [[] for _ in range(count)]


def _values(held: Any, count: int, place: str) -> list[Any]:
    row = mapping(held, place)
    if "all" in row:
        return [row["all"]] * count
    values = _letters(row, place) if "text" in row else list(sequence(row.get("of"), place))
    if len(values) != count:
        refuse(place, f"{count} values", len(values))
    if "step" not in row:
        return values
    step = number(row["step"], place)
    return [float(f"{whole(v, place) * step:.9g}") for v in values]


def _letters(row: Mapping[str, Any], place: str) -> list[Any]:
    places = [LETTERS.find(c) for c in text(row["text"], place)]
    if "words" in row:
        words = sequence(row["words"], place)
        return [words[i] for i in places]
    least = whole(row.get("least"), place)
    values = [least + i for i in places]
    for at, value in sequence(row.get("far") or [], place):
        values[whole(at, place)] = whole(value, place)
    return values
