"""Blocks as columns of JSON, as pages of schema 1 hold their run: read here, and no longer written. Pure.

Blocks of one probe, case and control make a group, which holds a column per quantity, alibi and fact. A column is

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

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from liebench.errors import RunUnreadable
from liebench.runfile.fields import mapping, number, refuse, sequence, text, whole

MOST = 2_000_000  # values that a group may grow to when it is read back
PARTS = ("alibi", "facts")
LETTERS = "".join(c for c in map(chr, range(35, 127)) if c not in "\\<>&")  # fit for JSON and HTML
Column = dict[str, Any]


Reps = Sequence[Mapping[str, Any] | None]


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


def expanded(doc: Mapping[str, Any]) -> dict[str, Any]:
    """An embedded run with its blocks as every reader expects them."""
    rest = {k: v for k, v in doc.items() if k != "columns"}
    return {**rest, "blocks": from_columns(mapping(doc["columns"], "columns")), "looks": []}
