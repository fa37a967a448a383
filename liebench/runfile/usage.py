"""How far a host meets each mechanism, as a run file holds it: the fields of ``Usage`` by name, missing as null.

What is read is checked against the types of the fields themselves. Raises RunUnreadable with the place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from liebench.contract import Usage
from liebench.runfile.fields import Json, flag, mapping, number, refuse, sequence, text, whole

KEY = "usage"
MOST = 1 << 64  # no counter of a kernel is larger


def stored(usage: Usage) -> dict[str, Any]:
    """Plain data, as json writes it: tuples as lists, mappings as objects."""
    found = _plain(asdict(usage))
    assert isinstance(found, dict)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value


def usage_of(doc: Json) -> Usage | None:
    """The usage of a whole run document; None where the run was made without."""
    row = doc.get(KEY)
    if row is None:
        return None
    schema, place = whole(mapping(row, KEY).get("schema"), f"{KEY}.schema"), f"{KEY}.schema"
    if not 1 <= schema <= _newest():
        refuse(place, f"from 1 to {_newest()} (a newer liebench reads newer ones)", schema)
    usage = _value(Usage, row, KEY)
    assert isinstance(usage, Usage)
    return usage


def _newest() -> int:
    newest: Any = Usage.__dataclass_fields__["schema"].default
    return int(newest)


@cache
def _types(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _value(kind: Any, value: object, place: str) -> Any:
    """``value`` as the type ``kind`` that a field of ``Usage`` declares."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return None if value is None else _either([part for part in parts if part is not NoneType], value, place)
    if is_dataclass(kind):
        return _made(kind, mapping(value, place), place)
    if origin is tuple:
        return _row(parts, sequence(value, place), place)
    if origin is not None:  # Mapping[str, X]
        return {text(k, place): _value(parts[1], v, f"{place}.{k}") for k, v in mapping(value, place).items()}
    return _plain_value(kind, value, place)


def _either(kinds: list[Any], value: object, place: str) -> Any:
    """Of two kinds, text or a number, what stands there decides."""
    if len(kinds) > 1:
        return text(value, place) if isinstance(value, str) else _plain_value(int, value, place)
    return _value(kinds[0], value, place)


def _row(parts: tuple[Any, ...], values: Any, place: str) -> tuple[Any, ...]:
    """tuple[X, ...] of any length, tuple[X, Y] of just that one."""
    if len(parts) == 2 and parts[1] is Ellipsis:
        return tuple(_value(parts[0], value, f"{place}[{i}]") for i, value in enumerate(values))
    if len(values) != len(parts):
        refuse(place, f"a list of {len(parts)}", values)
    return tuple(
        _value(part, value, f"{place}[{i}]") for i, (part, value) in enumerate(zip(parts, values, strict=True))
    )


def _plain_value(kind: Any, value: object, place: str) -> Any:
    if kind is bool:
        return flag(value, place)
    if kind is str:
        return text(value, place)
    if kind is float:
        return number(value, place)
    found = whole(value, place)
    if abs(found) > MOST:
        refuse(place, "a number that a counter can hold", "an integer beyond 64 bits")
    return found


def _made(kind: Any, row: Json, place: str) -> Any:
    """A field that is absent is unknown where it may be, has its default where it has one, and else is missed."""
    types = _types(kind)
    found = {}
    for field in fields(kind):
        if field.name in row or _needed(field, types[field.name]):
            found[field.name] = _value(types[field.name], row.get(field.name), f"{place}.{field.name}")
        elif field.default is MISSING:
            found[field.name] = None
    return kind(**found)


def _needed(field: Field[Any], kind: Any) -> bool:
    return field.default is MISSING and NoneType not in get_args(kind)
