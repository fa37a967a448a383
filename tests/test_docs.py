"""The documents say what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from liebench.cli import COMMANDS

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
