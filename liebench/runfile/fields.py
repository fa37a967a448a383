"""Reading a run file that may have been written by anyone: every access names its place and checks its type.

Pure: the caller has parsed the JSON. Raises RunUnreadable with the place, what was expected and what was found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from liebench.contract import Arm, Better, Case, Kind, Meaning, Rhythm, Subject, Word
from liebench.errors import RunUnreadable

Json = Mapping[str, Any]
E = TypeVar("E", bound=StrEnum)
LARGEST = 1e150  # no time, size or count comes near; squares and sums of them stay finite
_ABSENT = object()


def refuse(place: str, expected: str, found: object) -> NoReturn:
    """Say what is wrong with a run file, and where."""
    shown = repr(found)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    raise RunUnreadable(
        f"the run file cannot be judged: {place} should be {expected}, but is {shown}; "
        "it was damaged or edited, measure again or restore the file"
    )


def mapping(value: object, place: str) -> Json:
    if not isinstance(value, Mapping):
        refuse(place, "an object", value)
    return value


def sequence(value: object, place: str) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        refuse(place, "a list", value)
    return value


def number(value: object, place: str) -> float:
    """A finite number; booleans are not numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        refuse(place, "a number", value)
    try:
        result = float(value)
    except OverflowError:
        refuse(place, "a number a double can hold", "an integer of hundreds of digits")
    if not math.isfinite(result):
        refuse(place, "a finite number", value)
    return result


def size(value: object, place: str) -> float:
    """A number that something can have been measured at: of a size whose squares and sums are finite."""
    found = number(value, place)
    if abs(found) > LARGEST:
        refuse(place, f"a number up to {LARGEST:g}", value)
    return found


def sizes(values: Sequence[object], place: str) -> list[float]:
    """Many of them, checked together; the one that is wrong is named."""
    if {type(v) for v in values} <= {float, int}:
        try:
            found: list[float] = list(map(float, values))  # type: ignore[arg-type]
        except OverflowError:  # an integer of hundreds of digits: named below
            found = [math.inf]
        if math.isfinite(sum(found)) and min(found, default=0) >= -LARGEST and max(found, default=0) <= LARGEST:
            return found
    return [size(v, f"{place}[{i}]") for i, v in enumerate(values)]


def text(value: object, place: str) -> str:
    if not isinstance(value, str):
        refuse(place, "a text", value)
    return value


def flag(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        refuse(place, "true or false", value)
    return value


def whole(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        refuse(place, "a whole number", value)
    return value


def optional_number(value: object, place: str) -> float | None:
    return None if value is None else number(value, place)


def member(kind: type[E], value: object, place: str) -> E:
    try:
        return kind(text(value, place))
    except ValueError:
        refuse(place, "one of " + ", ".join(kind), value)


def section(doc: Json, key: str) -> Json:
    """An object of the document's first level; empty where it is absent or null."""
    value = doc.get(key)
    return {} if value is None else mapping(value, key)


def records(doc: Json, key: str) -> list[Json]:
    """A list of objects of the document's first level; empty where it is absent or null."""
    value = doc.get(key)
    rows = [] if value is None else sequence(value, key)
    return [mapping(row, f"{key}[{i}]") for i, row in enumerate(rows)]


def _arm(doc: Json, place: str) -> Arm:
    return Arm(
        id=text(doc.get("id"), f"{place}.id"),
        says=text(doc.get("says", ""), f"{place}.says"),
        promised=flag(doc.get("promised", False), f"{place}.promised"),
        args=mapping(doc.get("args") or {}, f"{place}.args"),
        number=None if doc.get("number") is None else size(doc["number"], f"{place}.number"),
    )


def _meaning(doc: object, place: str) -> Meaning:
    row = mapping(doc, place)
    return Meaning(
        member(Word, row.get("word"), f"{place}.word"),
        text(row.get("says", ""), f"{place}.says"),
        text(row.get("term", ""), f"{place}.term"),
    )


def _limits(doc: Json, kind: Kind, place: str) -> tuple[float, float]:
    matters = number(doc.get("matters", 1.05), f"{place}.matters")
    hurts = number(doc.get("hurts", 1.20), f"{place}.hurts")
    least = 1.0 if kind in (Kind.RATIO, Kind.LAW) else 0.0
    if kind is not Kind.FACT and not least < matters <= hurts:
        refuse(f"{place}.matters", f"above {least:g} and at most hurts ({hurts:g})", matters)
    return matters, hurts


def case_of(case_id: str, doc: object, place: str) -> Case:
    """The case as the probe declared it, rebuilt from the run file; ``needs`` and ``touches`` are not stored."""
    row = mapping(doc, place)
    kind = member(Kind, row.get("kind", Kind.RATIO.value), f"{place}.kind")
    matters, hurts = _limits(row, kind, place)
    arms = tuple(
        _arm(mapping(arm, f"{place}.arms[{i}]"), f"{place}.arms[{i}]")
        for i, arm in enumerate(sequence(row.get("arms"), f"{place}.arms"))
    )
    if kind is not Kind.FACT and sum(arm.promised for arm in arms) != 1:
        refuse(f"{place}.arms", "a list with exactly one promised arm", [arm.id for arm in arms])
    share = optional_number(row.get("quantile"), f"{place}.quantile")
    if share is not None and not 0 < share < 1:
        refuse(f"{place}.quantile", "between 0 and 1", share)
    return Case(
        id=case_id,
        quantity=text(row.get("quantity"), f"{place}.quantity"),
        unit=text(row.get("unit"), f"{place}.unit"),
        arms=arms,
        asks=text(row.get("asks", ""), f"{place}.asks"),
        kind=kind,
        better=member(Better, row.get("better", Better.LOWER.value), f"{place}.better"),
        matters=matters,
        hurts=hurts,
        rhythm=member(Rhythm, row.get("rhythm", Rhythm.BLOCK.value), f"{place}.rhythm"),
        subject=subject_of(row.get("subject", Subject.HOST.value), f"{place}.subject"),
        headline=flag(row.get("headline", True), f"{place}.headline"),
        work=text(row.get("work", "compute"), f"{place}.work"),
        bounds=flag(row.get("bounds", False), f"{place}.bounds"),
        quantile=share,
        linear=flag(row.get("linear", False), f"{place}.linear"),
        words={k: _meaning(v, f"{place}.words.{k}") for k, v in mapping(row.get("words") or {}, place).items()},
        target=optional_number(row.get("target"), f"{place}.target"),
    )


def subject_of(value: object, place: str) -> Subject:
    """Accepts the value (``this host``) and the bare name (``host``)."""
    short = {"host": Subject.HOST, "rig": Subject.RIG}
    return short[value] if isinstance(value, str) and value in short else member(Subject, value, place)


def host_parts(doc: Mapping[str, Any]) -> tuple[Any, str, str, str, Any]:
    """Processor, count, whether a guest, which container, kernel: what every line about a host is made of."""
    host = section(doc, "host")
    cpu, virt, kernel = (mapping(host.get(k) or {}, f"host.{k}") for k in ("cpu", "virt", "kernel"))
    place = "guest" if virt.get("hypervisor_flag") else ""
    inside = f"{virt['container']} container" if virt.get("container") else ""
    return cpu.get("model"), f"{cpu.get('online')} processors", place, inside, kernel.get("release")


def host_line(doc: Mapping[str, Any]) -> str:
    """One line about the host: processor, count, what the labels say, kernel."""
    return ", ".join(str(p) for p in host_parts(doc) if p)
