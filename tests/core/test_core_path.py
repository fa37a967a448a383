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
    for path in sources.files(ROOT, ".c", ".h"):
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
    assert sources.build_id(copy) not in (changed, sources.build_id(ROOT))


def test_every_folder_with_c_files_is_compiled() -> None:
    found = {p for top in ("liebench", "probes") for p in (ROOT / top).rglob("*.c")}
    assert set(sources.files(ROOT, ".c")) == found


def test_no_c_file_grows_beyond_reading() -> None:
    assert {p.name: n for p in sources.files(ROOT, ".c", ".h") if (n := len(p.read_text().splitlines())) >= 300} == {}


@pytest.mark.machine
def test_dynamic_and_static_are_told_apart(core: Path) -> None:
    from liebench.core import is_static

    assert not is_static(core)  # the tests link dynamically
    assert not is_static(Path(__file__))
