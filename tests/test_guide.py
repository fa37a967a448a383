"""CONTRIBUTING.md, "Write a probe in an hour", taken at its word: what it shows runs, and what it names is there."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from liebench import plugins
from liebench.core import include_dir
from liebench.runfile.reader import read_run
from liebench.stage.stage import Stage

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()


def block(language: str, holds: str) -> str:
    """The one block of code in that language that holds this text."""
    found = [
        text for text in re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL) if holds in text
    ]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    """A folder of the path in which the guide's probe is installed, literally."""
    (tmp_path / "hello_syscall.py").write_text(block("python", "PROBE = Probe("))
    info = tmp_path / "hello_syscall-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hello-syscall\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[liebench.probes]\nhello-syscall = hello_syscall:PROBE\n")
    return tmp_path


def liebench(hello: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(hello)}
    done = subprocess.run(
        [sys.executable, "-m", "liebench", *words], capture_output=True, text=True, env=env, cwd=hello
    )
    assert done.returncode == 0, done.stderr
    return done


def test_the_example_is_planned_and_its_plan_says_which_arm_carries_what(hello: Path) -> None:
    lines = liebench(hello, "run", "hello-syscall", "--plan").stdout.splitlines()
    assert lines[:4] == [
        "hello-syscall: read",
        "  read: ratio of ns (ns), vdso against syscall; matters from 1.05×, hurts from 1.2×",
        "  null:hello-syscall/read: the arm vdso twice must read 1×, within 5 %",
        "  plant:hello-syscall/read: the arm vdso twice must read 1.5×, within 3 %",
    ]


@pytest.mark.machine
def test_the_example_measures_and_says_what_it_took(hello: Path) -> None:
    done = liebench(hello, "run", "hello-syscall", "--quick", "--out", str(hello / "results"))
    (path,) = (hello / "results").glob("*Z-????????.lb")
    doc = read_run(path)
    assert doc["probes"]["hello-syscall"]["state"] == "measured"
    assert {control["kind"] for control in doc["controls"]} == {"null", "plant"}
    assert {label for b in doc["blocks"] for label in b["reps"]} == {"vdso", "syscall", "promised", "null", "plant"}
    if doc["stopped"] == "done":
        assert re.search(
            r"^hello-syscall: its Cost declares 2 s for this, it took [\d.]+ s$", done.stderr, re.MULTILINE
        )


@pytest.mark.machine
def test_the_example_is_tried_with_no_trials(hello: Path) -> None:
    said = liebench(hello, "selftest", "hello-syscall", "--trials", "0").stdout
    assert re.search(r"(found|not shown) +hello-syscall/read  half", said)


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_kernel_can_be_built_into_an_executable_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "kernel.c").write_text(block("c", "LB_KERNEL("))
    recipe = block("sh", "include_dir").replace("$(python ", f"$({sys.executable} ")
    subprocess.run(["sh", "-ec", recipe.replace("cc -O2", "cc -Wall -Wextra -Werror -O2")], cwd=tmp_path, check=True)
    mine = tmp_path / "my-core"
    assert subprocess.check_output([mine, "--version"], text=True) == "liebench-core 1.0 mine-1\n"
    assert subprocess.check_output([mine, "--list"], text=True).split("\t")[:2] == ["hello-getpid", "batched"]
    answer = json.loads(subprocess.check_output([mine, "hello-getpid", "call=getppid", "samples=7"]))
    assert len(answer["samples"]["ns"]) == 7
    assert "ops" in json.loads(subprocess.check_output([mine, "hello-getpid", "calibrate=1"]))


def table(heading: str) -> list[str]:
    """The first column of the table whose head begins so."""
    rows = GUIDE[GUIDE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1] for row in rows]


def test_every_door_of_the_stage_that_is_named_is_there() -> None:
    named = [name for cell in table("door") for name in re.findall(r"`([a-z_.]+)", cell)]
    assert len(named) > 25
    missing = []
    for name in named:
        room, _, door = name.partition(".")
        holder = Stage if room == "stage" else importlib.import_module(f"liebench.stage.{room}")
        if door and not hasattr(holder, door) and door not in Stage.__dataclass_fields__:
            missing.append(name)
    assert missing == []
    public = {name for name in vars(Stage) if not name.startswith("_") and callable(getattr(Stage, name))}
    assert public - {name.removeprefix("stage.") for name in named} == {"consented"}  # act_on asks it


def test_every_function_of_the_c_interface_that_is_named_is_there() -> None:
    text = "".join(path.read_text() for path in include_dir().glob("*.h"))
    named = re.findall(r"`(lb_\w+)`", GUIDE)
    assert len(named) > 25
    assert [name for name in named if not re.search(rf"\b{name}\(", text)] == []


def test_the_groups_of_entry_points_are_those_that_are_read() -> None:
    assert [cell.strip(" `") for cell in table("group")] == [
        plugins.PROBES,
        plugins.SETTINGS,
        plugins.CHANGES,
        plugins.ACTS,
    ]


def test_every_file_that_the_guide_names_is_there() -> None:
    part = GUIDE[GUIDE.index("## Write a probe") : GUIDE.index("## What a test must be")]
    named = re.findall(r"`((?:liebench|probes|tests|ci)/[\w/.-]+)`", part)
    later = ("probes/hello_syscall",)  # what the reader writes
    assert len(named) > 10
    assert [n for n in named if not (ROOT / n).exists() and not n.startswith(later)] == []
