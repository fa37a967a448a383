"""The measuring half is light, and the judging half touches nothing (laws 1 and 3)."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from liebench.gate.table import gate_table, stored_policy
from liebench.gate.verify import differences
from liebench.judge.cost import bill
from liebench.judge.run import judge_run

from tests.helpers import fakes
from tests.helpers.two_sides import gate

HEAVY = ("numpy", "scipy", "pandas", "jinja2", "duckdb", "pyarrow", "pyperf")
WRITERS = "liebench.export."  # the package itself is the list of formats, which the help of `export` names


COMMANDS = {
    "run": ("runner.measure", "registry", "text.run", "judge.run"),
    "gate": ("gate.measure", "gate.table", "gate.forecast", "text.table", "gate.command"),
    "look and audit": (
        *("look.look", "text.look", "settings.audit", "text.audit"),
        *("stage.sockets", "stage.ethtool"),
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_measures_or_looks_imports_nothing_heavy(command: str) -> None:
    modules = ", ".join(f"liebench.{name}" for name in ("cli.app", "registry", *COMMANDS[command]))
    probes = "liebench.registry.find_probes(); " if command == "run" else ""
    heavy = f"[m for m in sys.modules if m in {HEAVY!r} or m.startswith({WRITERS!r})]"
    code = f"import sys; import {modules}; {probes}print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_gate_is_judged_without_file_and_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, _ = gate(tmp_path, 1.5)
    session.run()
    doc = session.writer.document
    out_of_reach(monkeypatch)
    code, wrong = gate_table(doc, stored_policy(doc)).exit, differences(doc)
    monkeypatch.undo()
    assert (code, wrong) == (1, [])


def out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, no process, no clock."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"judging touched the machine: {args!r}")

    for owner, names in ((builtins, ["open"]), (os, ["open", "stat", "listdir"]), (subprocess, ["Popen"])):
        for name in names:
            monkeypatch.setattr(owner, name, refuse)
    for name in ("time", "monotonic", "time_ns", "monotonic_ns", "perf_counter"):
        monkeypatch.setattr(time, name, refuse)


def test_judging_reads_no_file_no_clock_and_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.5))))
    session.run()
    doc = session.writer.document

    out_of_reach(monkeypatch)
    verdicts = judge_run(doc)
    bill(doc, verdicts)
    assert differences(doc) == []
    monkeypatch.undo()
    assert verdicts.probes["probe-0"].word == "costly"


def test_version_and_usage_errors_have_their_exit_codes() -> None:
    liebench = str(Path(sys.executable).parent / "liebench")

    def code(*args: str) -> int:
        return subprocess.run([liebench, *args], capture_output=True, check=False).returncode

    assert code("--version") == 0
    assert code("list") == 0
    assert code("run", "no-such-probe") == 2
    assert code("run", "--quick", "--deep") == 2
    assert code("run", "--disturb", "everybody") == 2
    assert code("run", "--no-such-option") == 2
    assert code("verify", "/nonexistent") == 4
