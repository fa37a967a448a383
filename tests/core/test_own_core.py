"""A probe's own executable: who it says it is, what it runs, and what is refused; and folders that nobody may enter."""

from __future__ import annotations

import os
import stat
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from liebench import core
from liebench.cli.doctor import _open_to_others
from liebench.contract import Arm, Turn
from liebench.errors import CoreMissing
from liebench.stage.stage import Stage
from liebench.state.journal import Journal

from tests.helpers import fakes

SPEAKS = """#!{python}
import json, sys
if sys.argv[1] == "--version":
    print("{name} 2.1 b-7")
elif sys.argv[1] == "--list":
    print({rows!r}, end="")
elif sys.argv[1] == "lame":
    sys.exit("it is lame")
else:
    args = dict(word.split("=", 1) for word in sys.argv[2:])
    ops = 40 if "calibrate" in args else int(args.get("ops", 1))
    said = {{"start_ns": 1, "elapsed_ns": 2, "samples": {{"ns": [1.0]}}}}
    print(json.dumps({{"args": args, "ops": ops, "facts": {{"who": "{name}"}}, **said}}))
"""


def executable(path: Path, *rows: str) -> Path:
    """One that speaks the protocol and lists these kernels, ``name`` or ``name batched``."""
    lines = "".join(f"{r.split()[0]}\t{'batched' if ' ' in r else 'plain'}\tit is fine\n" for r in rows)
    path.write_text(SPEAKS.format(python=sys.executable, name=path.name, rows=lines))
    path.chmod(0o755)
    return path


def test_who_it_is(tmp_path: Path) -> None:
    mine = executable(tmp_path / "mine", "nap", "call batched")
    found = core.identity(mine)
    assert found.kernels == {"nap": "plain", "call": "batched"}
    assert found.stored() == {"version": "2.1", "build": "b-7", "sha256": sha256(mine.read_bytes()).hexdigest()}


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (None, 0, "is missing"),
        ("#!/bin/sh\n", 0o644, "is missing, or this user may not execute it"),
        ("#!/bin/sh\nexit 0\n", 0o755, "does not speak the protocol"),
        ("#!/bin/sh\necho a 1 b\n", 0o755, "does not speak the protocol"),  # what it lists is no list
        ("#!/bin/sh\necho a 1 b\nexit 3\n", 0o755, "does not speak the protocol"),
        ("no program", 0o755, "does not speak the protocol"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name_without_its_folder(
    tmp_path: Path, text: str | None, mode: int, says: str
) -> None:
    mine = tmp_path / "mine"
    if text is not None:
        mine.write_text(text)
        mine.chmod(mode)
    with pytest.raises(CoreMissing, match=says) as caught:
        core.identity(mine)
    assert "the executable mine that this probe brings" in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_the_stage_runs_its_kernels_there_and_all_others_in_ours(tmp_path: Path) -> None:
    ours = executable(tmp_path / "ours", "null batched", "nap", "call")
    own = executable(tmp_path / "own", "call batched", "lame")
    stage = Stage(fakes.host(), ours, Journal(tmp_path, "boot"), own=own)
    turn = Turn(Arm(id="a", args={"x": 1}), "a")
    assert stage.core("nap", turn).facts["who"] == "ours"
    rep = stage.core("call", turn)
    assert rep.facts["who"] == "own"
    assert rep.args["ops"] == "40"  # batched there, so it was calibrated there
    with pytest.raises(Exception, match=r"^own lame .* failed: it is lame"):
        stage.core("lame", turn)


def test_the_folder_that_a_user_may_not_enter_is_named(tmp_path: Path) -> None:
    shut = tmp_path / "home/inner"
    shut.mkdir(parents=True)
    python = shut / "python"
    python.write_text("")
    shut.parent.chmod(0o700)
    first = next(p for p in reversed(python.parents) if not p.stat().st_mode & stat.S_IXOTH)  # pytest's own is shut
    (line,) = _open_to_others([Path("/bin/sh"), python])
    assert line[1] == f"other users cannot start this liebench: {python} lies below {first}"
    assert _open_to_others([Path("/bin/sh")]) == []


def test_a_core_below_such_a_folder_is_said_to_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root may enter every folder, so the answer of access(2) is another user's here."""
    may, shut = os.access, tmp_path / "home"
    shut.mkdir()
    mine = executable(shut / "mine", "nap")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != shut and may(path, mode))
    monkeypatch.setenv("LIEBENCH_CORE", str(mine))
    with pytest.raises(CoreMissing, match=f"{mine} cannot be reached: this user may not enter {shut}"):
        core.core_path()
    with pytest.raises(CoreMissing, match="this user may not execute it"):
        core.identity(mine)
