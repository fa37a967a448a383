"""What differs between two hosts' facts, in words: the first explanation of any difference in numbers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MOST = 12
DEEPEST = 20
PASSING = ("boot", "pressure", "load", "uptime", "time")  # areas of facts that differ between any two runs
LATER = ("settings", "volumes", "overlays")  # areas that an older liebench did not keep


def _leaves(value: Any, place: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth > DEEPEST:
        yield place, "nested too deeply"
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key], f"{place}.{key}" if place else str(key), depth + 1)
    elif isinstance(value, list) and any(isinstance(v, (Mapping, list)) for v in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]", depth + 1)
    else:
        yield place, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """One line for each fact that differs, at most a dozen and how many more."""
    sides = before, after
    passing = {*PASSING, *(area for area in LATER if not all(area in side for side in sides))}
    first, second = (dict(_leaves({k: v for k, v in f.items() if k not in passing}, "")) for f in sides)
    places = [p for p in sorted(first.keys() | second.keys()) if first.get(p) != second.get(p)]
    said = [f"{p}: {_short(first.get(p))} -> {_short(second.get(p))}" for p in places[:MOST]]
    return [*said, f"and {len(places) - MOST} more facts differ"] if len(places) > MOST else said


def _short(value: str | None) -> str:
    text = "not there" if value is None else value or "empty"
    return text if len(text) <= 40 else text[:37] + "..."
