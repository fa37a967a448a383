"""Formats judge nothing and touch nothing: no file, no clock, no process (law 1)."""

from __future__ import annotations

import builtins
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet  # noqa: F401  (importing reads files; writing must not)
import pyperf  # noqa: F401
import pytest

import liebench
from liebench.export import frames, github, gobench, junit, markdown, openmetrics, suite, tables
from liebench.judge.run import judge_run
from liebench.judge.table import run_table
from liebench.runfile.repetitions import COLUMNS, repetitions

from tests.helpers import hostile

FOLDER = Path(liebench.__file__).parent


def test_no_format_touches_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    doc = hostile.run()
    suite.as_suite(doc)  # pyperf imports more when it is first used

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"a format touched the machine: {args!r}")

    for owner, names in ((builtins, ["open"]), (os, ["open", "stat", "listdir"]), (subprocess, ["Popen"])):
        for name in names:
            monkeypatch.setattr(owner, name, refuse)
    for name in ("time", "monotonic", "time_ns", "monotonic_ns", "perf_counter"):
        monkeypatch.setattr(time, name, refuse)
    table = run_table(doc, judge_run(doc))
    made = [
        tables.as_json([table]), markdown.as_markdown(table), junit.as_junit([table]),
        openmetrics.as_openmetrics(table), frames.as_csv(frames.verdicts([table]), frames.VERDICTS),
        github.summary(table), github.outputs(table, str),
        "\n".join(github.commands(table)), gobench.as_gobench([doc]), suite.as_suite(doc)[0],
        frames.as_csv(list(repetitions([doc])), COLUMNS),
    ]  # fmt: skip
    monkeypatch.undo()
    assert all(made)
