"""What installed packages of others bring: values named by entry points, loaded once, and why some were refused.

Groups: ``liebench.probes`` (a ``Probe``), ``liebench.settings`` (``Knob``), ``liebench.changes`` (``Change``) and
``liebench.acts`` (``Act``). An entry point of the last three names one value or a tuple of them. What is built in
stays: a value that takes the name of another is refused, with the reason, and stops nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

PROBES, SETTINGS, CHANGES, ACTS = "liebench.probes", "liebench.settings", "liebench.changes", "liebench.acts"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """One entry point: its name, the distribution that holds it, and ``load``, which imports what it names."""

    name: str
    package: str
    load: Callable[[], Any]
    module: str


@dataclass(frozen=True, slots=True)
class Brought(Generic[T]):
    """``values``: (distribution, value), in the order of their entry points. ``refused``: entry point -> why."""

    values: tuple[tuple[str, T], ...]
    refused: Mapping[str, str]


def _names_a_group(place: Path) -> bool:
    """Whether a package installed in this folder names one of our groups; True where that cannot be looked up."""
    if not place.is_dir():
        return place.exists()  # a zip file
    lists = (*place.glob("*.dist-info/entry_points.txt"), *place.glob("*.egg-info/entry_points.txt"))
    return any("[liebench." in path.read_text(errors="replace") for path in lists)


@lru_cache
def _any_names_us() -> bool:
    return any(_names_a_group(Path(place)) for place in dict.fromkeys(sys.path) if place)


@lru_cache
def points(group: str) -> tuple[Point, ...]:
    """The entry points of a group, sorted. importlib.metadata costs 25 ms: it is asked only where a file names us."""
    if not _any_names_us():
        return ()
    from importlib.metadata import entry_points

    found = (
        Point(p.name, p.dist.name if p.dist else "a package without a name", p.load, p.module)
        for p in entry_points(group=group)
    )
    return tuple(sorted(found, key=lambda p: (p.name, p.package)))


@lru_cache
def _loaded(group: str) -> tuple[tuple[Point, tuple[object, ...], str], ...]:
    """(entry point, what it names, why it could not be loaded) for each of a group; one that breaks stops no other."""
    rows: list[tuple[Point, tuple[object, ...], str]] = []
    for point in points(group):
        try:
            named = point.load()
        except Exception as error:
            rows.append((point, (), f"{type(error).__name__}: {error} (package {point.package})"))
        else:
            rows.append((point, named if isinstance(named, tuple) else (named,), ""))
    return tuple(rows)


def brought(
    group: str, kind: type[T], names: Callable[[T], Iterable[str]], built_in: Iterable[T] = (), prefixed: bool = False
) -> Brought[T]:
    """The values of a group. ``names`` gives what must belong to one value alone (id, key, file); empty ones count not.

    Refused, by its first name: a value that takes a name of what is built in or of another package's value; with
    ``prefixed`` also one whose first name does not begin with ``<distribution>:``.
    """
    owner = {name: "what is built in" for value in built_in for name in names(value) if name}
    kept: list[tuple[str, T]] = []
    refused: dict[str, str] = {}
    for point, values, why in _loaded(group):
        package = point.package
        if why:
            refused[point.name] = why
        for value in values:
            if not isinstance(value, kind):
                refused[point.name] = f"{value!r} is no {kind.__name__} (package {package})"
                continue
            own = [name for name in names(value) if name]
            taken = next((name for name in own if name in owner), None)
            if prefixed and not own[0].startswith(f"{package}:"):
                refused[own[0]] = f"the package {package} must call it {package}:{own[0].rpartition(':')[2]}"
            elif taken is not None:
                refused[own[0]] = f"{taken!r} is a name of {owner[taken]}; the package {package} must rename its own"
            else:
                kept.append((package, value))
                owner |= dict.fromkeys(own, f"the package {package}")
    return Brought(tuple(kept), refused)
