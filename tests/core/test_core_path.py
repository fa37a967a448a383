"""Finding the core, and knowing whether it is stale."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from liebench import core
from liebench.core import sources
from liebench.errors import CoreMissing

ROOT = Path(__file__).resolve().parents[2]


def test_a_named_core_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("#!/bin/sh\n")
    monkeypatch.setenv("LIEBENCH_CORE", str(mine))
    with pytest.raises(CoreMissing, match="no executable file"):
        core.core_path()
    mine.chmod(0o755)
    assert core.core_path() == mine


def test_a_missing_core_says_how_to_build_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LIEBENCH_CORE", raising=False)
    monkeypatch.setattr(core, "_HERE", tmp_path)
    with pytest.raises(CoreMissing, match="pip install") as caught:
        core.core_path()
    assert caught.value.exit_code == 4
    assert core.source_build_id() is None


def _copy(to: Path) -> Path:
    for path in sources.files(ROOT, *sources.SOURCES):
        target = to / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return to


def test_the_build_id_follows_content_and_names_only(tmp_path: Path) -> None:
    copy = _copy(tmp_path / "elsewhere")
    assert sources.build_id(copy) == sources.build_id(ROOT) == core.source_build_id()
    kernel = copy / "probes/clock_read/kernel.c"
    kernel.write_text(kernel.read_text() + "\n")
    changed = sources.build_id(copy)
    assert changed != sources.build_id(ROOT)
    kernel.rename(kernel.with_name("other.c"))
    renamed = sources.build_id(copy)
    assert renamed not in (changed, sources.build_id(ROOT))
    guest = copy / "liebench/core/rigs/guest.S"
    guest.write_text(guest.read_text() + "\n")
    assert sources.build_id(copy) not in (changed, renamed, sources.build_id(ROOT))


@pytest.mark.parametrize("suffix", sources.SOURCES)
def test_every_folder_with_sources_is_compiled(suffix: str) -> None:
    found = {p for top in ("liebench", "probes") for p in (ROOT / top).rglob(f"*{suffix}")}
    assert set(sources.files(ROOT, suffix)) == found != set()
    assert suffix == ".h" or found <= set(sources.compiled(ROOT))


def test_no_source_grows_beyond_reading() -> None:
    lines = {str(p.relative_to(ROOT)): p.read_text().splitlines() for p in sources.files(ROOT, *sources.SOURCES)}
    assert {name: len(found) for name, found in lines.items() if len(found) >= 300} == {}
    assert [name for name, found in lines.items() if max(map(len, found)) > 100] == []


@pytest.mark.machine
def test_dynamic_and_static_are_told_apart(core: Path) -> None:
    from liebench.core import is_static

    assert not is_static(core)  # the tests link dynamically
    assert not is_static(Path(__file__))
