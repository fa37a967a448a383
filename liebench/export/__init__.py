"""Tables and runs in the formats of other tools. Light: what a format needs is imported once it is asked for.

``FORMATS`` is the one list of them; every module but ``files`` is pure. Text of a run file is hostile everywhere:
``safe`` makes it fit for each reader.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liebench.judge.rows import Table
    from liebench.runfile.fields import Json

Left = Sequence[str]  # a sentence for each thing that the format cannot hold


@dataclass(frozen=True, slots=True)
class Format:
    """``tables`` writes verdicts, ``runs`` samples; None where the format has no room for such.

    ``one``: it holds exactly one table or run. ``binary``: no terminal should get it.
    """

    says: str
    tables: Callable[[Sequence[Table]], bytes] | None = None
    runs: Callable[[Sequence[Json]], tuple[bytes, Left]] | None = None
    one: bool = False
    binary: bool = False


def _json(tables: Sequence[Table]) -> bytes:
    from liebench.export.tables import as_json

    return as_json(tables).encode()


def _plain_runs(docs: Sequence[Json]) -> tuple[bytes, Left]:
    """Whole runs in their plain form (liebench/schema/run-2.json): one as an object, several as a list."""
    import json

    held = docs[0] if len(docs) == 1 else list(docs)
    return (json.dumps(held, allow_nan=False, separators=(",", ":")) + "\n").encode(), ()


def _csv(tables: Sequence[Table]) -> bytes:
    from liebench.export.frames import VERDICTS, as_csv, verdicts

    return as_csv(verdicts(tables), VERDICTS).encode()


def _csv_runs(docs: Sequence[Json]) -> tuple[bytes, Left]:
    from liebench.export.frames import as_csv
    from liebench.runfile.repetitions import COLUMNS, repetitions

    return as_csv(list(repetitions(docs)), COLUMNS).encode(), ()


def _parquet(tables: Sequence[Table]) -> bytes:
    from liebench.export.frames import VERDICTS, as_parquet, verdicts

    return as_parquet(verdicts(tables), VERDICTS)


def _parquet_runs(docs: Sequence[Json]) -> tuple[bytes, Left]:
    from liebench.export.frames import as_parquet
    from liebench.runfile.repetitions import COLUMNS, repetitions

    return as_parquet(list(repetitions(docs)), COLUMNS), ()


def _markdown(tables: Sequence[Table]) -> bytes:
    from liebench.export.markdown import as_markdown

    return as_markdown(tables[0]).encode()


def _junit(tables: Sequence[Table]) -> bytes:
    from liebench.export.junit import as_junit

    return as_junit(tables).encode()


def _github(tables: Sequence[Table]) -> bytes:
    """The annotations; summary and outputs go into the files that the job names in its environment."""
    from liebench.export.files import publish_github

    return "".join(f"{line}\n" for line in publish_github(tables[0])).encode()


def _openmetrics(tables: Sequence[Table]) -> bytes:
    from liebench.export.openmetrics import as_openmetrics

    return as_openmetrics(tables[0]).encode()


def _pyperf(docs: Sequence[Json]) -> tuple[bytes, Left]:
    from liebench.export.suite import as_suite

    text, left = as_suite(docs[0])
    return text.encode(), left


def _gobench(docs: Sequence[Json]) -> tuple[bytes, Left]:
    from liebench.export.gobench import as_gobench

    return as_gobench(docs).encode(), ()


FORMATS = {
    "json": Format(
        "verdicts as liebench.table/1; with --what repetitions the whole run as liebench.run/2", _json, _plain_runs
    ),
    "csv": Format("a line per verdict or per repetition", _csv, _csv_runs),
    "parquet": Format("the same as csv, typed", _parquet, _parquet_runs, binary=True),
    "markdown": Format("a table for a pull request", _markdown, one=True),
    "junit": Format("test results for GitLab, Jenkins and others", _junit),
    "github": Format("workflow annotations, and the job's summary and outputs", _github, one=True),
    "openmetrics": Format("for OpenMetrics readers and node_exporter's textfile collector", _openmetrics, one=True),
    "pyperf": Format("a suite for `python -m pyperf`", runs=_pyperf, one=True),
    "gobench": Format("Go's benchmark format, for benchstat", runs=_gobench),
}
BOTH = tuple(name for name, made in FORMATS.items() if made.tables and made.runs)
