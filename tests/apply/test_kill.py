"""Real processes: SIGKILL at random moments, two at a time, and the watchman that nobody is left to answer."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from liebench.apply import rollback_timer
from liebench.apply.target import Hands
from liebench.apply.transaction import apply, confirm
from liebench.errors import HostBusy, LiebenchError, NeedUnmet
from liebench.state.lock import FILE, exclusive

from tests.helpers.applying import files, hands, value, wanted

pytestmark = pytest.mark.machine

SOAK = Path(__file__).parents[2] / "ci" / "soak_apply.py"


def test_sixty_kills_leave_the_old_or_the_new_value(tmp_path: Path) -> None:
    """ci/soak_apply.py takes 500."""
    spec = importlib.util.spec_from_file_location("soak_apply", SOAK)
    assert spec is not None
    assert spec.loader is not None
    soak = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(soak)
    rng = random.Random(5)
    seen = {soak.killed(tmp_path / str(n), rng.random() * 0.06) for n in range(60)}
    assert len(seen) >= 3  # the kills did hit it in different acts


HOLDER = """
import sys, time
from pathlib import Path
from liebench.state.lock import exclusive
with exclusive(Path(sys.argv[1]), "apply"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_two_exclude_each_other_and_a_kill_opens_the_door(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(HostBusy, match=f"process {holder.pid}, apply.*repeat the command"), exclusive(tmp_path, "undo"):
        pass
    holder.kill()
    holder.communicate()
    with exclusive(tmp_path, "undo"):
        assert (tmp_path / FILE).read_text() == f"{os.getpid()} undo"


def test_a_lock_that_cannot_be_is_a_need(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder is needed")
    with pytest.raises(NeedUnmet, match="as root"), exclusive(tmp_path / "state", "apply"):
        pass


def until(met: Callable[[], bool], seconds: float = 40.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if met():
            return True
        time.sleep(0.05)
    return False


def waiting(folder: Path, confirm_for: str) -> Hands:
    h = hands(folder)
    apply(
        h, wanted(h, "vm.swappiness=10", confirm=confirm_for), lambda s: rollback_timer.start(h.state, h.host.root, s)
    )
    return h


def watchmen(h: Hands) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(h.state).encode() in path.read_bytes() and b"rollback_timer" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_what_nobody_confirms_is_taken_back_by_a_process_of_its_own(tmp_path: Path) -> None:
    h = waiting(tmp_path, "3s")
    assert value(h) == "10"
    assert len(watchmen(h)) == 1
    os.kill(watchmen(h)[0], signal.SIGHUP)  # a lost connection
    assert until(lambda: value(h) == "60")
    assert until(lambda: not h.ledger().open)
    assert until(lambda: not watchmen(h))
    assert files(h) == []


def test_the_watchman_is_of_another_session_than_the_terminal(tmp_path: Path) -> None:
    h = waiting(tmp_path, "60s")
    assert os.getsid(watchmen(h)[0]) == watchmen(h)[0] != os.getsid(0)
    assert confirm(h)
    assert until(lambda: not watchmen(h))  # it goes home
    assert value(h) == "10"
    assert files(h) == ["etc/sysctl.d/90-liebench.conf"]


def test_the_watchman_waits_for_whoever_works(tmp_path: Path) -> None:
    h = hands(tmp_path)
    with exclusive(h.state, "apply"):
        waiting(tmp_path, "1s")
        time.sleep(2.5)
        assert value(h) == "10"
    assert until(lambda: value(h) == "60")
    assert until(lambda: not watchmen(h))


def test_a_watchman_that_ends_at_once_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(LiebenchError, match="ended at once"):
        waiting(tmp_path, "60s")
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(LiebenchError, match="cannot be started"):
        waiting(tmp_path, "60s")
    assert value(hands(tmp_path)) == "60"


@pytest.mark.parametrize(("code", "processes"), [(0, 0), (1, 1)])
def test_where_systemd_will_not_a_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, processes: int
) -> None:
    fake = tmp_path / "systemd-run"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\nexit {code}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(rollback_timer, "SYSTEMD", tmp_path)
    started: list[Path] = []
    monkeypatch.setattr(rollback_timer, "_as_a_process", lambda state, root: started.append(state))
    rollback_timer.start(tmp_path / "state", Path("/"), 90.0)
    assert len(started) == processes
    assert (tmp_path / "arguments").read_text().split()[3] == "--on-active=90s"


def test_systemd_gets_arguments_and_no_shell(tmp_path: Path) -> None:
    evil = tmp_path / "a b;$(id)"
    command = rollback_timer.by_systemd(evil, Path("/"), 600.0, "liebench-confirm-1")
    assert command[:5] == ["systemd-run", "--quiet", "--collect", "--unit=liebench-confirm-1", "--on-active=600s"]
    assert command[-2:] == [str(evil), "/"]
