"""OpenMetrics text of one table. Pure.

Gauges only, without timestamps: the text is also the older Prometheus format, so node_exporter's textfile collector
(which refuses timestamps) reads the same file when its name ends in ``.prom``. What is not known has no sample.

    liebench_ratio, _ratio_low, _ratio_high     delivered / promised or candidate / baseline; above 1 is worse
    liebench_limit_ratio                        the smallest ratio that would have shown
    liebench_difference, _difference_low, ...   the same for numbers that are no ratio, label ``unit``
    liebench_verdict                            0 or 1, one sample for each word there is
    liebench_last_run_timestamp_seconds         when the run started
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from liebench.contract import Outcome, Word
from liebench.export.safe import exact, visible
from liebench.judge.rows import Row, Table, known

HELP = {
    "liebench_ratio": "Cost delivered / promised, or candidate / baseline; above 1 is worse.",
    "liebench_ratio_low": "Lower end of the interval of liebench_ratio.",
    "liebench_ratio_high": "Upper end of the interval of liebench_ratio.",
    "liebench_limit_ratio": "The smallest ratio that this much data would have shown.",
    "liebench_difference": "Measured minus claimed, in the unit of the label.",
    "liebench_difference_low": "Lower end of the interval of liebench_difference.",
    "liebench_difference_high": "Upper end of the interval of liebench_difference.",
    "liebench_limit_difference": "The smallest difference that this much data would have shown.",
    "liebench_verdict": "1 for the word of this metric, 0 for every other word.",
    "liebench_last_run_timestamp_seconds": "When the run started, seconds since 1970.",
}
Samples = dict[str, list[tuple[Mapping[str, str], float]]]


def as_openmetrics(table: Table) -> str:
    """All families of one table, ended by ``# EOF``."""
    found: Samples = {name: [] for name in HELP}
    words = [w.value for w in (Word if table.kind == "run" else Outcome)]
    for row, labels in _labelled(table):
        _numbers(found, row, labels)
        for word in dict.fromkeys([*words, visible(row.word)]):
            found["liebench_verdict"].append(({**labels, "word": word}, float(word == visible(row.word))))
    started = _timestamp(table.started)
    if started is not None:
        head = {"host": table.host, "kind": table.kind}
        found["liebench_last_run_timestamp_seconds"].append((head, started))
    lines = [line for name, samples in found.items() if samples for line in _family(name, samples)]
    return "\n".join([*lines, "# EOF", ""])


def _labelled(table: Table) -> Iterator[tuple[Row, dict[str, str]]]:
    """Rows with their labels; a second row of the same labels gets one more, since samples must differ."""
    seen: dict[tuple[str, ...], int] = {}
    for row in table.rows:
        labels = {"host": table.host, "kind": table.kind, "probe": row.probe, "case": row.case, "arm": row.arm}
        labels |= {"what": row.what, "statistic": row.statistic}
        labels = {key: visible(value) for key, value in labels.items()}
        key = tuple(labels.values())
        seen[key] = seen.get(key, 0) + 1
        yield row, labels | ({"copy": str(seen[key])} if seen[key] > 1 else {})


def _numbers(found: Samples, row: Row, labels: dict[str, str]) -> None:
    ratio = row.unit == "ratio"
    base = "liebench_ratio" if ratio else "liebench_difference"
    names = (base, f"{base}_low", f"{base}_high", base.replace("_", "_limit_", 1))
    more = labels if ratio else labels | {"unit": visible(row.unit)}
    for name, value in zip(names, (row.value, row.low, row.high, row.limit), strict=True):
        if known(value) is not None:
            assert value is not None
            found[name].append((more, value))


def _timestamp(started: str) -> float | None:
    try:
        at = datetime.fromisoformat(started)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _family(name: str, samples: list[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    if name.endswith("_seconds"):
        yield f"# UNIT {name} seconds"
    yield f"# HELP {name} {HELP[name]}"
    for labels, value in samples:
        inner = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
        yield f"{name}{{{inner}}} {exact(float(value))}"


def _escaped(text: str) -> str:
    """The three escapes of a label's value; the backslash first."""
    return visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
