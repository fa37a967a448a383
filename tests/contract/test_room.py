"""The room as its door shows it, and the first probe that a newcomer writes."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import isclass
from pathlib import Path
from typing import Any

import liebench.contract
from liebench.contract import Kind
from liebench.host import read_host
from liebench.probe import Probe
from liebench.runner.plan import carrier

ROOT = Path(__file__).parents[2]


def test_the_door_shows_every_name_that_a_module_of_the_room_defines() -> None:
    shown = set(liebench.contract.__all__)
    assert all(hasattr(liebench.contract, name) for name in shown)
    defined: set[str] = set()
    for path in (ROOT / "liebench/contract").glob("[a-z]*.py"):
        module = import_module(f"liebench.contract.{path.stem}")
        defined |= {n for n, v in vars(module).items() if isclass(v) and v.__module__ == module.__name__}
    assert {name for name in defined if not name.startswith("_")} <= shown


def test_the_probe_of_contributing_is_one() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(next(b for b in blocks if "PROBE =" in b), "CONTRIBUTING.md", "exec"), names)
    probe = names["PROBE"]
    assert isinstance(probe, Probe)
    (case,) = probe.cases(read_host(), {})
    assert (case.kind, case.promised.id, [a.id for a in case.delivered]) == (Kind.RATIO, "vdso", ["syscall"])
    assert [carrier(plant, (case,)) for plant in probe.plants] == [case]
