"""Who may import whom: every module of the tree held to the table of ARCHITECTURE.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES = 300
MOST_BY_PLACE = 5
ANY = "everything below"
# What judges may ask of the standard library: nothing that reaches a file, a process, a clock or the network.
ARITHMETIC = {
    "__future__",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "fractions",
    "functools",
    "itertools",
    "math",
    "random",
    "re",
    "statistics",
    "textwrap",
    "tomllib",
    "typing",
}
PURE = ("stats", "judge", "words", "contract", "gate/pairs", "gate/table", "gate/policy", "gate/verify",
        "runfile/fields", "runfile/repetitions", "trial/result", "probes/*/verdict.py")  # fmt: skip


@lru_cache
def table() -> dict[str, tuple[str, ...]]:
    """Room -> rooms that it may import, as ARCHITECTURE.md says, from the ground up."""
    text = (ROOT / "ARCHITECTURE.md").read_text()
    part = text[text.index("## Who may import whom") :]
    rows = re.findall(r"^\| `([^`]+)` \| [^|]+ \| ([^|]*) \|$", part, re.MULTILINE)
    found: dict[str, tuple[str, ...]] = {}
    for room, allowed in rows:
        named = (word.strip(" `") for word in allowed.split(","))
        found[room] = tuple(found) if ANY in allowed else tuple(n for n in named if n and n != "nothing")
    return found


def modules() -> dict[str, Path]:
    """Every module of liebench and of the probes, by its dotted name."""
    found = {}
    for folder, prefix in ((ROOT / "liebench", "liebench"), (ROOT / "probes", "liebench.probes")):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join((prefix, *(p for p in parts if p != "__init__")))] = path
    return found


MODULES = modules()


def room_of(path: Path) -> str:
    """The row of the table in which a module stands."""
    inside = path.relative_to(ROOT)
    if inside.parts[0] == "probes":
        return "probes/*/verdict.py" if path.name == "verdict.py" else "probes/"
    name = inside.parts[1]
    return name.removesuffix(".py") if len(inside.parts) == 2 else f"{name}/"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module of ours) of every import, also of those inside functions and for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "liebench":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.startswith("liebench."))


def wrong(path: Path) -> list[str]:
    """What a module imports though its room may not."""
    room = room_of(path)
    allowed = {room, "errors", *table()[room]}
    said = []
    for line, name in imports(path):
        target = MODULES.get(name)
        if target is None:
            said.append(f"{path.relative_to(ROOT)}:{line} imports {name}, which is not there")
        elif target != ROOT / "liebench/__init__.py" and (to := room_of(target)) not in allowed:
            said.append(
                f"{path.relative_to(ROOT)}:{line} is in {room} and imports {name}; {room} may import "
                f"{', '.join(table()[room]) or 'nothing'}, and not {to} (the table of ARCHITECTURE.md says why)"
            )
    return said


@pytest.mark.parametrize("name", sorted(set(MODULES) - {"liebench"}))
def test_a_module_imports_what_its_room_may(name: str) -> None:
    path = MODULES[name]
    assert room_of(path) in table(), f"{path} stands in no room of ARCHITECTURE.md; write its row, or move it"
    assert wrong(path) == []


def test_every_room_of_the_table_is_there_and_names_rooms_before_it() -> None:
    """From the ground up: a row names only rows above it, so that rooms make no circle."""
    above: set[str] = set()
    there = {room_of(path) for name, path in MODULES.items() if name != "liebench"}
    assert set(table()) == there
    for room, allowed in table().items():
        assert set(allowed) <= above, f"{room} names {set(allowed) - above}, which stands below it or nowhere"
        above.add(room)


def test_no_module_imports_itself_by_a_detour() -> None:
    """Neither inside a function nor for a type alone: an order of all modules exists."""
    graph = {name: {to for _, to in imports(path)} - {name, "liebench"} for name, path in MODULES.items()}
    graph.pop("liebench")
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


def test_no_module_is_loaded_by_name_but_a_probe() -> None:
    """A name in a string would slip past this law: the registry loads probes, ``plugins`` what packages bring."""
    for name, path in MODULES.items():
        if name not in ("liebench.registry", "liebench.plugins"):
            assert not re.search(r"\bimport_module\(|\b__import__\(|\bentry_points\(", path.read_text()), name


@pytest.mark.parametrize("room", PURE)
def test_who_judges_can_reach_no_machine(room: str) -> None:
    chosen = [p for p in MODULES.values() if room_of(p) in (room, f"{room}/")]
    chosen = chosen or [ROOT / "liebench" / f"{room}.py"]
    for path in chosen:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            firsts = {n.partition(".")[0] for n in names} - {"liebench", "scipy"}
            assert not (isinstance(node, ast.Attribute) and node.attr in ("now", "today")), path
            assert firsts <= ARITHMETIC, f"{path.relative_to(ROOT)} imports {firsts - ARITHMETIC}"


def test_modules_can_be_read_at_once() -> None:
    paths = [*MODULES.values(), *(ROOT / "liebench/core").rglob("*.[chS]"), *(ROOT / "probes").rglob("*.[ch]")]
    long = {str(p.relative_to(ROOT)): n for p in paths if (n := len(p.read_text().splitlines())) > MOST_LINES}
    assert long == {}


def frozen_values(path: Path) -> Iterator[tuple[str, str, int]]:
    """(class, its decorator, number of fields given to it) of every frozen dataclass of a module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ClassDef):
            continue
        made = next((d for d in map(ast.unparse, node.decorator_list) if d.startswith("dataclass(")), "")
        fields = [n for n in node.body if isinstance(n, ast.AnnAssign) and "init=False" not in ast.unparse(n)]
        if "frozen=True" in made:
            yield node.name, made, len(fields)


def test_a_value_of_many_fields_is_made_by_their_names() -> None:
    """Twelve arguments in a row are read by nobody."""
    by_place = [
        f"{name}.{value}"
        for name, path in MODULES.items()
        for value, made, fields in frozen_values(path)
        if fields > MOST_BY_PLACE and "kw_only=True" not in made
    ]
    assert by_place == []
