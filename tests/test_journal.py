"""Write-ahead undo: what a killed process changed is taken back, and nothing else is."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from liebench.contract import Arm, Disturbs, Touches, Turn
from liebench.errors import CoreFailed, HostDirty, StageRefused
from liebench.journal import UNDO, Journal, recover
from liebench.stage import Stage

import fakes

CHILD = """
import sys, time
from pathlib import Path
from liebench.contract import Touches
from liebench.host import Host
from liebench.journal import Journal
from liebench.stage import Stage
root, state = Path(sys.argv[1]), Path(sys.argv[2])
stage = Stage(Host({}, root), Path("/bin/false"), Journal(state, "boot"), (Touches(keys=("/proc/sys/*",)),))
print("ready", flush=True)
while True:
    with stage.value("/proc/sys/a", "1"), stage.value("/proc/sys/b", "2"), stage.scratch() as folder:
        (folder / "x").write_text("x")
"""


def tree(root: Path) -> Path:
    (root / "proc/sys").mkdir(parents=True)
    for name in "ab":
        (root / "proc/sys" / name).write_text("0")
    return root


def stage_on(root: Path, state: Path, consent: Disturbs = Disturbs.NOBODY, **touches: object) -> Stage:
    declared = Touches(keys=("/proc/sys/*",), **touches)  # type: ignore[arg-type]
    return Stage(fakes.host(root), Path("/bin/false"), Journal(state, "boot"), (declared,), consent)


def test_forty_kills_leave_the_host_as_it_was(tmp_path: Path) -> None:
    rng = random.Random(11)
    found = 0
    for i in range(40):
        root, state = tree(tmp_path / f"root{i}"), tmp_path / f"state{i}"
        env = {**os.environ, "TMPDIR": str(root)}
        child = subprocess.Popen([sys.executable, "-c", CHILD, root, state], stdout=subprocess.PIPE, env=env)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(rng.random() * 0.03)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        found += len(recover(state, "boot"))
        assert [(root / "proc/sys" / n).read_text() for n in "ab"] == ["0", "0"]
        assert list(root.glob("liebench-*")) == []
        assert list((state / "journal").glob("*")) == []
    assert found > 10  # the kills did hit it in the act


def test_a_value_is_restored_after_the_block_and_after_an_exception(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    stage = stage_on(root, tmp_path / "state")

    def fail() -> None:
        with stage.value("/proc/sys/a", "5"):
            assert (root / "proc/sys/a").read_text() == "5"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (root / "proc/sys/a").read_text() == "0"
    assert list((tmp_path / "state/journal").glob("*")) == []


def left_behind(state: Path, **changes: object) -> Path:
    entry = {
        "id": 1,
        "kind": "value",
        "what": "",
        "old": "0",
        "new": "1",
        "boot": "boot",
        "uid": os.getuid(),
        "time": 0,
    }
    path = state / "journal" / "999999999-1.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entry | changes) + '\n{"id": 2, "kind"')  # the second line was torn by the kill
    return path


def test_an_administrators_change_is_left_and_said(tmp_path: Path) -> None:
    value = tree(tmp_path) / "proc/sys/a"
    value.write_text("77")
    left_behind(tmp_path / "state", what=str(value))
    said = recover(tmp_path / "state", "boot")
    assert value.read_text() == "77"
    assert "somebody changed it" in said[0]


def test_another_users_entry_is_reported_and_kept(tmp_path: Path) -> None:
    value = tree(tmp_path) / "proc/sys/a"
    value.write_text("1")
    path = left_behind(tmp_path / "state", what=str(value), uid=4242)
    assert "user 4242" in recover(tmp_path / "state", "boot")[0]
    assert value.read_text() == "1"
    assert path.exists()


def test_another_boots_volatile_entry_is_dropped(tmp_path: Path) -> None:
    value = tree(tmp_path) / "proc/sys/a"
    value.write_text("1")
    path = left_behind(tmp_path / "state", what=str(value), boot="an earlier one")
    assert recover(tmp_path / "state", "boot") == []
    assert value.read_text() == "1"
    assert not path.exists()


def test_a_living_owner_is_left_alone(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    stage = stage_on(root, tmp_path / "state")
    with stage.value("/proc/sys/a", "5"):
        assert recover(tmp_path / "state", "boot") == []
        assert (root / "proc/sys/a").read_text() == "5"


def test_without_a_journal_nothing_is_changed(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    (tmp_path / "state").write_text("a file where a folder is needed")
    with (
        pytest.raises(HostDirty, match="nothing was changed"),
        stage_on(root, tmp_path / "state").value("/proc/sys/a", "5"),
    ):
        pass
    assert (root / "proc/sys/a").read_text() == "0"


def test_stage_refuses_what_was_not_declared_or_consented(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    with pytest.raises(StageRefused, match="not declared"), stage_on(root, tmp_path).value("/etc/passwd", "x"):
        pass
    loud = stage_on(root, tmp_path, disturbs=Disturbs.HOST)
    with pytest.raises(StageRefused, match="--disturb host"), loud.value("/proc/sys/a", "5"):
        pass
    allowed = stage_on(root, tmp_path / "state", Disturbs.HOST, disturbs=Disturbs.HOST)
    with allowed.value("/proc/sys/a", "5"):
        assert (root / "proc/sys/a").read_text() == "5"


@pytest.mark.parametrize(
    ("script", "says"), [("exit 1", "failed"), ("echo garbage", "unreadable"), ("echo '[]'", "list")]
)
def test_a_core_that_misbehaves_is_named(tmp_path: Path, script: str, says: str) -> None:
    core = tmp_path / "core"
    core.write_text(f"#!/bin/sh\n{script}\n")
    core.chmod(0o755)
    stage = Stage(fakes.host(), core, Journal(tmp_path, "boot"))
    with pytest.raises(CoreFailed, match=says):
        stage.core("clock-read", Turn(Arm("a"), "a"))


def test_a_folder_that_its_owner_may_not_enter_goes_all_the_same() -> None:
    """An overlay leaves one of mode 0 behind. Root may enter anything, so this is done by somebody else."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    here = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(here, 65534, 65534)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        ours = here / "liebench-x"
        (ours / "work/work").mkdir(parents=True)
        (ours / "work/work").chmod(0)
        said = UNDO["folder"]({"what": str(ours)})
        os._exit(0 if said.endswith("was removed") and not ours.exists() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    here.rmdir()
