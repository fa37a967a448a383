"""Columns of plain values as bytes, and rows of such values as a table of columns. Pure.

A column takes the smallest of these forms that gives the same values back; its first byte says which:

    C  one value for all, as JSON
    I  whole numbers                     D  whole numbers, each as its difference from the one before
    F  decimal numbers of at most nine places, as whole numbers (whole ones among them come back as floats)
    R  doubles as they are               W  few different values: a list as JSON, and the place of each in it
    J  anything else, as a JSON list

A table is a list of columns by name, each with the rows that have a value there, as lengths of runs.
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby, pairwise
from typing import Any

from liebench.runfile.ints import Cursor, put, put_ints

PLACES = (0, 1, 2, 3, 4, 5, 6, 9)  # after the point
LARGEST = 1 << 52  # of a decimal's whole number: a double still tells its neighbours apart
Row = Mapping[str, Any]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _put_json(out: bytearray, value: object) -> None:
    data = _json(value)
    put(out, len(data))
    out += data


def _get_json(cursor: Cursor) -> Any:
    try:
        return json.loads(cursor.take(cursor.count()))
    except (ValueError, RecursionError) as error:
        raise cursor.refuse(f"{error}") from error


def put_column(out: bytearray, values: Sequence[Any]) -> None:
    """These values in their smallest form."""
    first = values[0] if values else None
    if all(type(v) is type(first) and v == first for v in values):
        out += b"C"
        put(out, len(values))
        _put_json(out, first)
    elif not _put_numbers(out, values):
        _put_words(out, values)


def _put_numbers(out: bytearray, values: Sequence[Any]) -> bool:
    """Whether these are numbers, written as such."""
    kinds = {type(v) for v in values}
    if kinds == {int}:
        if max(map(abs, values)) >= 1 << 62:
            return False
        steps = [values[0], *(b - a for a, b in pairwise(values))]
        plain, differences = (sum(v.bit_length() + 1 for v in way) for way in (values, steps))
        out += b"D" if differences < plain else b"I"
        put_ints(out, steps if differences < plain else values)
        return True
    if not kinds <= {int, float} or not all(map(math.isfinite, values)):
        return False
    decimals = _decimals(values)
    if decimals is not None:
        out += b"F"
        put(out, decimals[0])
        put_ints(out, decimals[1])
    else:
        out += b"R"
        put(out, len(values))
        data = array("d", map(float, values)).tobytes()
        out += b"".join(data[n::8] for n in range(8))
    return True


def _decimals(values: Sequence[float]) -> tuple[int, list[int]] | None:
    """(places, whole numbers) where so many places give every value back; None where none do."""
    for places in PLACES:
        scale = 10**places
        whole = [round(v * scale) for v in values]
        if max(map(abs, whole)) < LARGEST and all(w / scale == v for w, v in zip(whole, values, strict=True)):
            return places, whole
    return None


def _put_words(out: bytearray, values: Sequence[Any]) -> None:
    keys = [_json(v) for v in values]
    words = dict(zip(keys, values, strict=True))
    if len(words) > len(values) // 2:
        out += b"J"
        _put_json(out, list(values))
        return
    place = {key: n for n, key in enumerate(words)}
    out += b"W"
    _put_json(out, list(words.values()))
    put_ints(out, [place[key] for key in keys])


def get_column(cursor: Cursor) -> list[Any]:
    """The values of the next column. Raises RunUnreadable where it is damaged."""
    form = cursor.take(1)
    if form == b"C":
        count = cursor.count()
        return [_get_json(cursor)] * count
    if form == b"I":
        return cursor.ints()
    if form == b"D":
        return list(accumulate(cursor.ints()))
    if form == b"F":
        scale = 10 ** min(cursor.number(), PLACES[-1])
        return [v / scale for v in cursor.ints()]
    if form == b"R":
        return _doubles(cursor)
    found = _get_json(cursor)
    if form not in (b"W", b"J") or not isinstance(found, list):
        raise cursor.refuse("a column of no known form")
    if form == b"J":
        return found
    places = cursor.ints()
    if places and not 0 <= min(places) <= max(places) < len(found):
        raise cursor.refuse(f"a word beyond the {len(found)} that are listed")
    return [found[n] for n in places]


def _doubles(cursor: Cursor) -> list[float]:
    count = cursor.count()
    planes = cursor.take(8 * count)
    whole = bytearray(8 * count)
    for n in range(8):
        whole[n::8] = planes[n * count : (n + 1) * count]
    values = array("d", bytes(whole)).tolist()
    if not all(map(math.isfinite, values)):
        raise cursor.refuse("a number that is not finite")
    return values


def put_table(out: bytearray, rows: Sequence[Row]) -> None:
    """Rows of plain values; the names may differ from row to row."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    put(out, len(rows))
    _put_json(out, names)
    for name in names:
        runs = [(there, len(list(run))) for there, run in groupby(name in row for row in rows)]
        put(out, len(runs))
        put(out, runs[0][0])
        for _, length in runs:
            put(out, length)
        put_column(out, [row[name] for row in rows if name in row])


def get_table(cursor: Cursor) -> list[dict[str, Any]]:
    """The rows of the next table. Raises RunUnreadable where it is damaged."""
    count = cursor.count()
    names = _get_json(cursor)
    if not isinstance(names, list) or not all(isinstance(n, str) for n in names) or count * len(names) > 1 << 26:
        raise cursor.refuse("a table without names, or of too many")
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for name in names:
        where = _runs(cursor, count)
        values = get_column(cursor)
        if len(values) != len(where):
            raise cursor.refuse(f"{len(values)} values of {name[:40]!r} for {len(where)} rows")
        for at, value in zip(where, values, strict=True):
            rows[at][name] = value
    return rows


def _runs(cursor: Cursor, count: int) -> list[int]:
    """The rows that have a value."""
    runs, there, at = cursor.count(), bool(cursor.number()), 0
    where: list[int] = []
    for _ in range(runs):
        length = cursor.number()
        if length > count - at:
            raise cursor.refuse(f"runs beyond {count} rows")
        if there:
            where += range(at, at + length)
        at, there = at + length, not there
    return where
