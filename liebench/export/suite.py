"""A run as a suite of pyperf: a benchmark per probe, case and arm, one of pyperf's runs per block. Pure.

``python -m pyperf compare_to A B`` and ``stats`` read it. pyperf knows seconds, bytes and plain numbers, takes lower
for better and only values above zero. Whatever does not fit (throughputs, readings around zero, shares) is left out
and named, never bent. pyperf compares by pooled samples; the words of liebench stay the ones to act on.
"""

from __future__ import annotations

import io
from collections.abc import Mapping

from liebench.contract import Better
from liebench.errors import UsageError
from liebench.export.safe import visible
from liebench.export.series import Series, processors, series_of
from liebench.runfile.fields import Json

UNITS: Mapping[str, tuple[str, float]] = {  # unit of a case -> (pyperf's unit, factor)
    "s": ("second", 1.0),
    "ms": ("second", 1e-3),
    "us": ("second", 1e-6),
    "ns": ("second", 1e-9),
    "B": ("byte", 1.0),
    "KiB": ("byte", 1024.0),
    "MiB": ("byte", float(1 << 20)),
    "GiB": ("byte", float(1 << 30)),
    "cycles": ("integer", 1.0),
    "requests": ("integer", 1.0),
}


def as_suite(doc: Json) -> tuple[str, list[str]]:
    """(pyperf's JSON, what was left out and why). Raises UsageError where nothing of the run fits."""
    import pyperf

    common = _metadata(doc)
    made, left = [], []
    names: dict[str, int] = {}
    for one in series_of(doc):
        why = _misfit(one)
        if why:
            left.append(f"{one.name}: {why}")
            continue
        name = visible(one.name).strip() or "unnamed"
        names[name] = names.get(name, 0) + 1
        name += f" #{names[name]}" if names[name] > 1 else ""
        unit, factor = UNITS[one.case.unit]
        about = {**common, "name": name, "unit": unit}
        runs = [pyperf.Run([v * factor for v in rep], metadata=about, collect_metadata=False) for rep in one.reps]
        made.append(pyperf.Benchmark(runs))
    if not made:
        raise UsageError("nothing in this run fits pyperf: " + ("; ".join(left[:3]) or "it holds no samples"))
    out = io.StringIO()
    pyperf.BenchmarkSuite(made).dump(out)
    return out.getvalue(), left


def _misfit(one: Series) -> str:
    if one.case.unit not in UNITS:
        return f"pyperf has no unit for {one.case.unit!r}"
    if one.case.better is Better.HIGHER:
        return "pyperf takes lower for better"
    factor = UNITS[one.case.unit][1]
    if any(v * factor <= 0 or v * factor == float("inf") for rep in one.reps for v in rep):
        return "pyperf takes only values above zero"
    return ""


def _metadata(doc: Json) -> dict[str, str | int]:
    """What every benchmark of the suite carries; pyperf refuses empty texts."""
    tool, hashes = doc.get("tool") or {}, doc.get("hashes") or {}
    found = {
        "liebench_version": tool.get("version"),
        "liebench_run": doc.get("id"),
        "liebench_host": hashes.get("host"),
        "liebench_kind": hashes.get("kind"),
        "liebench_config": hashes.get("config"),
        "date": doc.get("started"),
    }
    texts = {key: visible(value).strip() for key, value in found.items() if value is not None}
    return {**{key: value for key, value in texts.items() if value}, "cpu_count": processors(doc)}
