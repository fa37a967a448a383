"""The documents say what is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench import plugins
from liebench.cli import COMMANDS

from tests.test_house import MODULES

ROOT = Path(__file__).parents[1]
HEADINGS = [
    "The claim", "Why it matters", "How it is measured", "Known answer", "What fools it", "What it costs to run",
    "What to do", "Sources",
]  # fmt: skip
PROBES = sorted(p.parent for p in (ROOT / "probes").glob("*/probe.py"))


@pytest.mark.parametrize("folder", PROBES, ids=lambda p: p.name)
def test_a_probe_explains_itself_under_the_eight_headings(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    assert text.startswith(f"# {folder.name.replace('_', '-')}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS
    for section in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        assert len(section.split()) >= 3


def test_architecture_names_only_what_exists() -> None:
    named = re.findall(r"`((?:liebench|probes|reports|tests|ci)/[\w/.-]*)`", (ROOT / "ARCHITECTURE.md").read_text())
    assert len(named) > 20
    assert [n for n in named if not (ROOT / n).exists()] == []


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    assert [c for c in COMMANDS if f"liebench {c}" not in text] == []


GROUPS = {plugins.PROBES, plugins.SETTINGS, plugins.CHANGES, plugins.ACTS}  # of entry points, no modules


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ""


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or what a module defines, imports or has in one of its classes."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        if path := MODULES.get(".".join(parts[:n])):
            text = path.read_text()
            return all(re.search(rf"\b{part}\b", text) for part in parts[n:])
    return False


def named(name: str, path: Path) -> Iterator[str]:
    """What a module's docstrings name by a dotted name: from ``liebench`` on, or from a room or a neighbour on."""
    room = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for text in docstrings(path):
        yield from (n for n in re.findall(r"\bliebench(?:\.[A-Za-z_]\w*)+(?![\w/])", text) if n not in GROUPS)
        for found in re.findall(r"``(?!net\.(?:ipv4|core)|\w+\.py`)([a-z_]+(?:\.[A-Za-z_]\w*)+)(?:\(.*?\))?``", text):
            first = found.partition(".")[0]
            yield from (f"{above}.{found}" for above in {"liebench", room} if f"{above}.{first}" in MODULES)


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_docstring_names_only_modules_and_functions_that_exist(name: str) -> None:
    path = MODULES[name]
    assert [n for n in named(name, path) if not is_there(n)] == []
    known = {"setup.py", *(p.name for p in MODULES.values())}
    files = re.findall(r"``(\w+\.py)``", "\n".join(docstrings(path)))
    assert [f for f in files if f not in known] == []
