"""Tables and runs in the formats of other tools. Imported late; every module but the command is pure.

    table  json csv parquet markdown junit github openmetrics
    runs   pyperf gobench, and csv or parquet of repetitions

``FORMATS`` names them. Text of a run file is hostile everywhere: ``safe`` makes it fit for each reader.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """``one``: it holds exactly one table or run. ``runs``: it is made of samples, not of verdicts."""

    says: str
    one: bool = False
    runs: bool = False
    binary: bool = False


FORMATS = {
    "json": Format("liebench.table/1, numbers as numbers"),
    "csv": Format("a line per verdict or per repetition"),
    "parquet": Format("the same as csv, typed", binary=True),
    "markdown": Format("a table for a pull request", one=True),
    "junit": Format("test results for GitLab, Jenkins and others"),
    "github": Format("workflow annotations, and the job's summary and outputs", one=True),
    "openmetrics": Format("for OpenMetrics readers and node_exporter's textfile collector", one=True),
    "pyperf": Format("a suite for `python -m pyperf`", one=True, runs=True),
    "gobench": Format("Go's benchmark format, for benchstat", runs=True),
}
