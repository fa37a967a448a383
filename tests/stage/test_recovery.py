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
from liebench.stage.act import FOLDER
from liebench.stage.recovery import recover
from liebench.stage.stage import Stage
from liebench.state.journal import Journal
from liebench.state.lock import exclusive

from tests.helpers import fakes

CHILD = """
import sys, time
from pathlib import Path
from liebench.contract import Touches
from liebench.host import Host
from liebench.state.journal import Journal
from liebench.stage.stage import Stage
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
        stage.core("clock-read", Turn(Arm(id="a"), "a"))


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
        said = FOLDER.undo({"what": str(ours)})
        os._exit(0 if said.endswith("was removed") and not ours.exists() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    here.rmdir()


# ---- values of two processes, one of them killed ----

LIVE = """
import sys
from pathlib import Path
from liebench.contract import Touches
from liebench.host import Host
from liebench.stage.recovery import recover
from liebench.state.journal import Journal
from liebench.state.lock import exclusive
from liebench.stage.stage import Stage
root, state = Path(sys.argv[1]), Path(sys.argv[2])
stage = Stage(Host({}, root), Path("/bin/false"), Journal(state, "boot"), (Touches(keys=("/proc/sys/*",)),))
with exclusive(state, "try"):
    if sys.argv[4] == "recovers":
        recover(state, "boot")
    with stage.value("/proc/sys/a", sys.argv[3]):
        print("live", flush=True)
        sys.stdin.read()
"""


ALONE = (
    LIVE.partition("with exclusive")[0]
    + """
with stage.value("/proc/sys/a", "1"):
    print("live", flush=True)
    sys.stdin.read()
"""
)


def live(root: Path, state: Path, value: str, first: str = "recovers") -> subprocess.Popen[bytes]:
    """A process that holds the lock and has set a value; it goes on to its end when its input ends."""
    command = [sys.executable, "-c", LIVE, str(root), str(state), value, first]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"live\n"
    return child


def ended(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.communicate(timeout=20)


def test_a_value_is_not_forgotten_because_another_one_is_in_force(tmp_path: Path) -> None:
    """The second began on the first one's value; while it works, nobody may take that for an administrator's."""
    root, state = tree(tmp_path / "root"), tmp_path / "state"
    first = live(root, state, "1")
    first.kill()
    second = live(root, state, "2", "does not")  # as where it could not know: it found 1
    assert recover(state, "boot") == []  # the guardian of the first, or any start beside it
    assert (root / "proc/sys/a").read_text() == "2"
    assert len(list((state / "journal").iterdir())) == 2
    ended(second)
    assert (root / "proc/sys/a").read_text() == "1"
    assert any("'0' again" in line for line in recover(state, "boot"))
    assert (root / "proc/sys/a").read_text() == "0"
    assert list((state / "journal").iterdir()) == []
    ended(first)


def test_who_may_change_values_takes_back_first_what_a_killed_one_left_even_a_zombie(tmp_path: Path) -> None:
    root, state = tree(tmp_path / "root"), tmp_path / "state"
    first = live(root, state, "1")
    first.kill()  # and nobody waits for it
    second = live(root, state, "2")
    ended(second)
    assert (root / "proc/sys/a").read_text() == "0"
    assert list((state / "journal").iterdir()) == []
    ended(first)


def test_a_zombie_is_gone(tmp_path: Path) -> None:
    from liebench.state.journal import process_start

    child = subprocess.Popen(["true"])
    until = time.monotonic() + 10
    while process_start(child.pid) is not None and time.monotonic() < until:
        time.sleep(0.01)
    assert Path(f"/proc/{child.pid}").exists()
    assert process_start(child.pid) is None
    child.wait()


def test_every_kind_of_entry_is_known_to_who_did_not_make_it(tmp_path: Path) -> None:
    """As apply, which measures nothing: an entry of a control group is taken back all the same."""
    code = (
        "import sys, json; from pathlib import Path; from liebench.stage.recovery import recover\n"
        "assert 'liebench.stage.stage' not in sys.modules; print(recover(Path(sys.argv[1]), 'boot'))"
    )
    (tmp_path / "journal").mkdir()
    entry = {"id": 1, "kind": "cgroup", "what": str(tmp_path / "liebench-1-x"), "old": None, "new": None}
    entry |= {"boot": "boot", "uid": os.getuid(), "time": 0}
    (tmp_path / "journal/1-2.jsonl").write_text(json.dumps(entry) + "\n")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert list((tmp_path / "journal").iterdir()) == []


def test_the_lock_may_be_taken_again_by_who_holds_it_and_ends_with_the_first(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from liebench.state.lock import exclusive\n"
    code += "with exclusive(Path(sys.argv[1]), 'other'): print('free')"
    other = [sys.executable, "-c", code, str(tmp_path)]
    with exclusive(tmp_path, "first"):
        with exclusive(tmp_path, "inner"):
            pass
        assert subprocess.run(other, capture_output=True, check=False).returncode != 0
    assert subprocess.run(other, capture_output=True, check=False).stdout == b"free\n"


def test_what_a_living_process_has_changed_is_its_own_even_without_the_lock(tmp_path: Path) -> None:
    """As a probe of somebody else's may, which asks for less consent."""
    root, state = tree(tmp_path / "root"), tmp_path / "state"
    with subprocess.Popen(
        [sys.executable, "-c", ALONE, root, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"live\n"
        assert recover(state, "boot") == []
        assert (root / "proc/sys/a").read_text() == "1"
        child.kill()
    assert any("'0' again" in line for line in recover(state, "boot"))
    assert (root / "proc/sys/a").read_text() == "0"


def test_what_somebody_else_takes_back_meanwhile_is_not_called_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, state = tree(tmp_path / "root"), tmp_path / "state"
    first = live(root, state, "1")
    first.kill()
    ended(first)
    told: list[list[str]] = []
    taking = exclusive

    def late(where: Path, doing: str, wait_s: float = 0.0) -> object:
        if not told:
            told.append([])
            told[0] = recover(state, "boot")  # the guardian is quicker
        return taking(where, doing, wait_s)

    monkeypatch.setattr("liebench.stage.recovery.exclusive", late)
    assert recover(state, "boot") == []
    assert len(told[0]) == 1
    assert (root / "proc/sys/a").read_text() == "0"
