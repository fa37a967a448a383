"""Lists of samples as bytes: lengths, where each list lies, and how far its values are from there. Pure.

Each list takes one of these forms:

    STEPS     multiples of the list's step: the one in the middle, then each one's distance from it
    WHOLE     whole numbers about one place: the same with a step of one
    RISING    whole numbers that rise, such as clock readings: the first, then each one's distance from the one before
    DOUBLES   doubles as they are: of files that were recorded before samples were rounded
    AGAIN     the list before once more: two arms that one call measured
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import accumulate, pairwise

from liebench.runfile.column import get_column, put_column
from liebench.runfile.ints import Cursor, put_ints
from liebench.runfile.rounding import counts, times

Values = Sequence[float]


class Form(IntEnum):
    STEPS = 0
    WHOLE = 1
    RISING = 2
    DOUBLES = 3
    AGAIN = 4


def put_lists(out: bytearray, lists: Sequence[tuple[Values, float | None]]) -> None:
    """Lists with their steps; None for one that was not rounded."""
    forms: list[int] = []
    lengths: list[int] = []
    bases: list[int] = []
    near: list[int] = []
    doubles: list[float] = []
    before: tuple[Values, float | None] | None = None
    for held in lists:
        values, step = held
        form, whole = _form(values, step) if held != before else (Form.AGAIN, [])
        forms.append(form)
        if form is not Form.AGAIN:
            lengths.append(len(values))
        if form is Form.DOUBLES:
            doubles += values
        elif form is not Form.AGAIN:
            base, rest = _from_base(whole, form)
            bases.append(base)
            near += rest
        before = held
    put_ints(out, forms)
    put_column(out, lengths)
    put_column(out, bases)
    put_ints(out, near)
    put_column(out, doubles)


def _form(values: Values, step: float | None) -> tuple[Form, list[int]]:
    if step is not None:
        found = counts(values, step)
        return (Form.STEPS, found) if times(found, step) == list(values) else (Form.DOUBLES, [])
    if not all(float(v).is_integer() and abs(v) < 1 << 62 for v in values):
        return Form.DOUBLES, []
    whole = [int(v) for v in values]
    plain = sum(map(int.bit_length, _from_base(whole, Form.WHOLE)[1]))
    rising = sum(map(int.bit_length, _from_base(whole, Form.RISING)[1]))
    return (Form.RISING if rising < plain else Form.WHOLE), whole


def _from_base(whole: Sequence[int], form: Form) -> tuple[int, list[int]]:
    if not whole:
        return 0, []
    if form is Form.RISING:
        return whole[0], [b - a for a, b in pairwise(whole)]
    middle = sorted(whole)[len(whole) // 2]
    return middle, [v - middle for v in whole]


def get_lists(cursor: Cursor, steps: Sequence[float | None]) -> Iterator[list[float]]:
    """The lists that ``put_lists`` wrote, with the steps of each. Raises RunUnreadable where they are damaged."""
    forms = cursor.ints()
    lengths, bases = (iter(get_column(cursor)) for _ in range(2))
    near, doubles = cursor.ints(), get_column(cursor)
    at = wide = 0
    count: int | None
    base: int | None
    before: list[float] = []
    if len(forms) != len(steps):
        raise cursor.refuse(f"{len(forms)} lists of samples where {len(steps)} are declared")
    for form, step in zip(forms, steps, strict=True):
        if form == Form.AGAIN:
            yield list(before)
            continue
        count, base = next(lengths, None), 0
        rising = form == Form.RISING
        if form != Form.DOUBLES:
            base = next(bases, None)
        if not isinstance(count, int) or not isinstance(base, int) or not 0 <= count <= len(near) + len(doubles) + 1:
            raise cursor.refuse("a list of samples without its length or its place")
        if form == Form.DOUBLES:
            before = [float(v) for v in doubles[wide : wide + count]]
            wide += count
        else:
            part = near[at : at + count - (rising and count > 0)]
            at += len(part)
            whole = list(accumulate(part, initial=base)) if rising and count else [base + v for v in part]
            before = _scaled(cursor, whole, step) if form == Form.STEPS else list(whole)
        if len(before) != count:
            raise cursor.refuse(f"a list of {len(before)} samples where {count} are stated")
        yield list(before)


def _scaled(cursor: Cursor, whole: Sequence[int], step: float | None) -> list[float]:
    try:
        return times(whole, step or 0.0)
    except (ValueError, TypeError, OverflowError) as error:
        raise cursor.refuse(f"{error}") from error
