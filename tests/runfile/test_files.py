"""Which files of a folder are run files, and their hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from liebench.runfile.files import HEAD, file_hash, run_files

FIRST, SECOND = "20260101T000000Z-00000001", "20260102T000000Z-00000002"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        f"{SECOND}.json": '{"kind": "run"}',
        f"{FIRST}.json": "{}",  # the first run files stated no kind
        f"a/{SECOND}.json": '{"kind": "gate"}',
        f"{FIRST}.ndjson": "",
        "other.json": "no run",
        ".hidden.json": "{}",
        f".cache/{FIRST}.json": "{}",
        "notes.txt": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "20260103T000000Z-00000003.json").mkdir()
    return tmp_path


def names(folder: Path, *args: str, below: bool = False) -> list[str]:
    return [p.relative_to(folder).as_posix() for p in run_files(folder, *args, below=below)]


def test_of_a_kind_are_finished_files_that_liebench_named_oldest_first(folder: Path) -> None:
    assert names(folder, "run") == [f"{FIRST}.json", f"{SECOND}.json"]
    assert names(folder, "gate") == []
    assert names(folder, "gate", below=True) == [f"a/{SECOND}.json"]


def test_of_any_kind_are_all_but_hidden_ones_and_those_that_grow_come_last(folder: Path) -> None:
    every = [f"{FIRST}.json", f"{SECOND}.json", "other.json", f"{FIRST}.ndjson"]
    assert names(folder) == every
    assert names(folder, below=True) == [*every[:2], f"a/{SECOND}.json", *every[2:]]


def test_the_kind_stands_at_the_head_of_the_file(folder: Path) -> None:
    late = json.dumps({"command": "x" * HEAD, "kind": "gate"})
    (folder / f"{FIRST}.json").write_text(late)
    assert f"{FIRST}.json" in names(folder, "run")


def test_no_folder_holds_no_run_file(tmp_path: Path) -> None:
    assert run_files(tmp_path / "none") == run_files(tmp_path / "none", "run", below=True) == []


def test_the_hash_is_that_of_a_run_file_and_of_nothing_else(folder: Path) -> None:
    path = folder / f"{FIRST}.json"
    assert file_hash(path) == file_hash(str(path)) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file_hash("-") == file_hash(folder / "page.html") == ""
