"""Runs in Go's benchmark format (golang.org/design/14313-benchmark-format), for benchstat. Pure.

    # run 20260101T000000Z-00000000, started 2026-01-01T00:00:00Z, ...
    host: 3f2a...
    Unit ns/op better=lower
    BenchmarkClockRead/case=read/arm=vdso-2  1000  21.4 ns/op

One line per repetition: its median, after the number of its samples; times in ns, as Go has them. Configuration lines
say only what two runs that can be compared share, since benchstat keeps others apart. ``benchstat -col /arm``
compares the ``key=value`` parts of the name; ``-2`` is the number of processors, as Go's testing package writes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from statistics import median

from liebench.contract import Better
from liebench.export.safe import cut, exact
from liebench.export.series import Series, processors, series_of
from liebench.runfile.fields import Json

UNFIT = re.compile(r"[^A-Za-z0-9_.,+:@%-]")  # in a name or a unit: no blank, no slash, no equals sign
TIMES = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
MOST = 80


def as_gobench(docs: Sequence[Json]) -> str:
    """All runs one after the other; each begins with its configuration lines."""
    return "".join(f"{line}\n" for doc in docs for line in _run(doc))


def _run(doc: Json) -> Iterator[str]:
    tool, hashes = doc.get("tool") or {}, doc.get("hashes") or {}
    about = (f"run {doc.get('id')}", f"started {doc.get('started')}", f"configuration {hashes.get('config')}")
    yield "# " + cut(", ".join((*about, f"liebench {tool.get('version')}")), 400)
    for key, value in {"host": hashes.get("host"), "host-kind": hashes.get("kind")}.items():
        yield f"{key}: {cut(value or '', 200)}".strip()  # without a value it takes the one of an earlier run away
    yield ""
    found = series_of(doc)
    units: dict[str, set[Better]] = {}
    for one in found:
        units.setdefault(_unit(one), set()).add(one.case.better)
    for unit, better in units.items():
        if better in ({Better.LOWER}, {Better.HIGHER}):  # benchstat has no word for a target
            yield f"Unit {unit} better={next(iter(better)).value}"
    yield ""
    names: dict[str, int] = {}
    for one in found:
        name = _name(one)
        names[name] = names.get(name, 0) + 1
        name += f"/copy={names[name]}" if names[name] > 1 else ""
        for rep in one.reps:
            value = exact(median(rep) * TIMES.get(one.case.unit, 1.0))
            if value:  # the middle of two enormous numbers is none
                yield f"{name}-{processors(doc)} {len(rep)} {value} {_unit(one)}"


def _name(one: Series) -> str:
    """``clock-read``, ``read``, ``vdso`` -> ``BenchmarkClockRead/case=read/arm=vdso``."""
    words = re.findall(r"[A-Za-z0-9]+", cut(one.probe, MOST))
    probe = "".join(word[0].upper() + word[1:] for word in words) or "X"
    return f"Benchmark{probe}/case={_fit(one.case.id)}/arm={_fit(one.arm)}"


def _fit(text: str) -> str:
    return UNFIT.sub("_", cut(text, MOST)) or "_"


def _unit(one: Series) -> str:
    """Times are per operation, as in Go; other units stand as they are, with what they count."""
    if one.case.unit in TIMES:
        return "ns/op"
    return UNFIT.sub("_", cut(one.case.unit, 20)) or "value"
