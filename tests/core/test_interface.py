"""The core's interface: lb.h tells of every function, C files call in one direction, PROTOCOL.md is what happens."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from liebench.core import sources
from liebench.errors import CoreFailed
from liebench.stage.core import call, kernels_of

ROOT = Path(__file__).resolve().parents[2]
HEADER = (ROOT / "liebench/core/lb.h").read_text()
PROTOCOL = (ROOT / "liebench/core/PROTOCOL.md").read_text()
Run = Callable[..., dict[str, Any]]


def test_every_function_of_the_interface_is_explained() -> None:
    lines = HEADER.splitlines()
    functions = {m[1]: i for i, line in enumerate(lines) if (m := re.match(r"[^\s#/].*?\b(lb_\w+)\(.*", line))}
    assert {"lb_fail", "lb_now", "lb_sort", "lb_put_text", "lb_output"} <= functions.keys()
    assert [name for name, at in functions.items() if not lines[at - 1].endswith("*/")] == []


def test_c_files_call_in_one_direction() -> None:
    """A file above calls the ones below; what runs through a pointer (kernels, batches) is no call of a name."""
    code = {p: re.sub(r"/\*.*?\*/", "", p.read_text(), flags=re.DOTALL) for p in sources.files(ROOT, ".c")}
    defined = re.compile(r"^(?!static|extern|typedef)[a-zA-Z_][^\n;={}]*?\b(lb_\w+)\([^;{}]*\)\s*\{", re.MULTILINE)
    home = {name: path for path, text in code.items() for name in defined.findall(text)}
    assert home["lb_fail"].name == "fail.c"
    calls = {path: {home[n] for n in re.findall(r"\b(lb_\w+)\(", text) if n in home} for path, text in code.items()}
    order = [*TopologicalSorter({path: below - {path} for path, below in calls.items()}).static_order()]
    assert set(order) == set(code)


def table(heading: str) -> set[str]:
    """The names in the first column of the first table under a line that begins so."""
    part = PROTOCOL[PROTOCOL.index(f"\n{heading}") + 1 :]
    rows = re.search(r"\n?((?:\|.*\n)+)", part)
    assert rows
    return {name for row in rows[1].splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_protocol_names_every_field(answer: Run) -> None:
    rep = answer("compute", "ops=50", "samples=2")
    assert table("| field | type") == set(rep)
    assert table("| field of `alibi`") == set(rep["alibi"])
    for part in ("timer", "sentinel"):
        assert all(f"`{name}`" in PROTOCOL for name in rep[part])
    calibrated = re.search(r"With `calibrate=1` the answer holds (.*)", PROTOCOL)
    assert calibrated
    assert set(answer("compute", "calibrate=1")) <= set(re.findall(r"`(\w+)`", calibrated[1]))


def test_the_protocol_names_every_common_key() -> None:
    common = re.search(r"COMMON\[\] = \{(.*?)\n\};", (ROOT / "liebench/core/args.c").read_text(), re.DOTALL)
    assert common
    assert table("| key | meaning") == set(re.findall(r'\{"(\w+)"', common[1]))


def test_the_smallest_executable_is_understood(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", PROTOCOL, re.DOTALL)
    assert example
    path = tmp_path / "naps"
    path.write_text(example[1])
    path.chmod(0o755)
    assert kernels_of(path) == {"nap": "plain"}
    assert subprocess.check_output([path, "--version"], text=True).split()[-1] == "first"
    rep = call(path, "nap", {"cpu": 0, "samples": 4})
    assert len(rep["samples"]["late_ns"]) == 4
    assert min(rep["samples"]["late_ns"]) > 0
    assert rep["elapsed_ns"] > 4_000_000
    with pytest.raises(CoreFailed, match="nap has no key plant_ns"):
        call(path, "nap", {"plant_ns": 5})
