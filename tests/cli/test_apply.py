"""The commands themselves: on a kernel made of files, and for one harmless key on this one."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liebench.apply.ledger import FILE, SYSCTLS, VALUES
from liebench.apply.target import Hands
from liebench.cli import main
from liebench.errors import StorageFull
from liebench.settings.catalogue import find
from liebench.trial.proofs import add_proof, config_of

from tests.helpers.applying import SWAPPINESS, applied, files, hands, machine, proof, value
from tests.helpers.own_state import with_state

LIEBENCH = str(Path(sys.executable).parent / "liebench")
APART = ["unshare", "--net", "--pid", "--fork", "--mount-proc"]  # as a container: its first process is ours
REAL = Path("/proc/sys/vm/swappiness")


@pytest.fixture
def h(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hands:
    found = hands(tmp_path)
    monkeypatch.setattr("liebench.host.read_host", lambda *args: machine(tmp_path / "root"))
    monkeypatch.setenv("LIEBENCH_STATE", str(found.state))
    monkeypatch.setattr("liebench.cli.changing.SYSTEM_STATE", tmp_path / "system")
    return found


@pytest.fixture
def call(h: Hands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["liebench", *args])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


def test_apply_status_undo(h: Hands, call: Any) -> None:
    code, out, err = call("apply", "vm.swappiness=10", "--untested", "--yes")
    assert code == 0, err
    assert "vm.swappiness: 60 -> 10" in out
    assert "+vm.swappiness = 10" in out
    assert (value(h), files(h)) == ("10", [SYSCTLS[1:]])
    code, out, _ = call("status")
    assert "1  vm.swappiness: 60 -> 10, in force" in out
    assert "untested" in out
    code, out, _ = call("undo")
    assert (code, value(h), files(h)) == (0, "60", [])
    assert "60 again" in out
    assert "nothing of liebench is applied" in call("status")[1]
    assert "nothing of liebench is applied" in call("undo", "all")[1]
    assert call("undo", "7")[0] == 2


def test_json_says_the_same(h: Hands, call: Any) -> None:
    _, out, _ = call("apply", "swappiness=10", "--untested", "--yes", "--json")
    row = json.loads(out)["changes"][0]
    assert (row["key"], row["from"], row["to"], row["now"], row["state"]) == ("vm.swappiness", "60", "10", "10", "done")
    h.at(SWAPPINESS).write_text("33")
    found = json.loads(call("status", "--json")[1])
    assert (found["schema"], found["changes"][0]["found"]) == ("liebench.status/1", "set by somebody")
    assert "forgets it and leaves that" in call("status")[1]
    assert "somebody set it" in json.loads(call("undo", "all", "--json")[1])["said"][0]
    assert value(h) == "33"


def test_only_the_difference_is_shown_where_that_was_asked(h: Hands, call: Any) -> None:
    for flag in ("--diff", "--plan"):
        code, out, err = call("apply", "vm.swappiness=10", "--untested", flag)
        assert (code, value(h), files(h)) == (0, "60", [])
        assert "+vm.swappiness = 10" in out
        assert "nothing was changed" in err
    assert not (h.state / FILE).exists()


def test_usage_errors_change_nothing(h: Hands, call: Any) -> None:
    for args, says in (
        (["apply"], "name a change"),
        (["apply", "vm.swappiness=10", "--untested"], "add --yes"),
        (["apply", "vm.swappiness=10", "--yes"], "--untested"),
        (["apply", "vm.swappiness=10", "--confirmed"], "takes no change"),
        (["apply", "vm.swappiness=10", "--out", "x"], "--export"),
        (["apply", "--export", "chef"], "sysctl.d, tuned"),
        (["apply", "--export", "tuned"], "nothing is applied"),
        (["apply", "vm.swappiness=10", "--untested", "--yes", "--confirm", "soon"], "as 10m"),
        (["apply", "net.ipv4.tcp_slow_start_after_idle=0", "--untested", "--yes", "--confirm", "never"], "always"),
    ):
        code, _, err = call(*args)
        assert (code, value(h), files(h)) == (2, "60", []), args
        assert says in err
        assert len(err.splitlines()) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "now"), [("y\n", "10"), ("n\n", "60"), ("\n", "60")])
def test_a_terminal_is_asked(h: Hands, call: Any, monkeypatch: pytest.MonkeyPatch, answer: str, now: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    code, out, err = call("apply", "vm.swappiness=10", "--untested")
    assert (code, value(h)) == (0, now)
    assert "+vm.swappiness = 10" in out
    assert ("nothing was changed" in err) == (now == "60")


def test_the_end_of_the_input_is_no_regression(h: Hands, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    code, _, err = call("apply", "vm.swappiness=10", "--untested")
    assert (code, value(h)) == (130, "60")
    assert "nothing was changed" in err


def test_a_ledger_of_a_newer_liebench_stops_what_changes_and_not_what_measures(h: Hands, call: Any) -> None:
    from liebench.cli import common

    h.state.mkdir(exist_ok=True)
    (h.state / FILE).write_text('{"record": "intent", "schema": "liebench.applied/2"}\n')
    assert call("apply", "vm.swappiness=10", "--untested", "--yes")[0] == 4
    assert "upgrade liebench" in call("status")[2]
    assert "upgrade liebench" in common.settle_applied(h.host, h.state)[0]


def test_what_waits_is_confirmed_by_one_command(h: Hands, call: Any) -> None:
    code, out, err = call("apply", "net.ipv4.tcp_slow_start_after_idle=0", "--untested", "--yes", "--confirm", "50s")
    assert code == 0, err
    assert "taken back in 50 s" in err
    assert "liebench apply --confirmed" in err
    assert files(h) == []
    assert "unless: liebench apply --confirmed" in call("status")[1]
    code, out, _ = call("apply", "--confirmed")
    assert "stays so after a boot" in out
    assert files(h) == [SYSCTLS[1:]]
    assert "nothing waits" in call("apply", "--confirmed")[1]


def test_every_start_ends_what_ran_out(h: Hands, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from liebench.cli import common

    applied(h, "vm.swappiness=10", confirm="10m")
    now = h.now_s()
    monkeypatch.setattr(Hands, "now_s", lambda self: now + 601)
    assert "nobody confirmed it in time" in common.settle_applied(h.host, h.state)[0]
    assert value(h) == "60"
    assert common.settle_applied(h.host, h.state / "nothing here") == []
    out = call("status")[1]  # whoever lost the connection sees what became of it
    assert "ended lately\n  vm.swappiness: it is 60 again (nobody confirmed it in time)" in out
    assert "nobody confirmed" in json.loads(call("status", "--json")[1])["ended"][0]


def test_status_names_what_is_proved_and_not_applied(h: Hands, call: Any) -> None:
    add_proof(h.state, proof(host=h.host.hashes()["host"], config=config_of(h.host, find("swappiness"), {})))
    add_proof(h.state, proof(key="gone.with.a.newer.liebench"))
    assert "vm.swappiness=10: proved: your command @ host" in call("status")[1]


def test_a_user_sees_what_root_applied(h: Hands, call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    applied(h, "vm.swappiness=10")
    monkeypatch.setattr("liebench.cli.changing.SYSTEM_STATE", h.state)
    monkeypatch.setenv("LIEBENCH_STATE", str(tmp_path / "home"))
    assert "vm.swappiness: 60 -> 10" in call("status")[1]


def test_busy_is_said_and_shown(h: Hands, call: Any) -> None:
    code_ = "import sys; from pathlib import Path; from liebench.state.lock import exclusive\n"
    code_ += "with exclusive(Path(sys.argv[1]), 'apply'): print('held', flush=True); sys.stdin.read()"
    applied(h, "vm.swappiness=10")
    command = [sys.executable, "-c", code_, str(h.state)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        code, _, err = call("apply", "vm.swappiness=20", "--untested", "--yes")
        assert code == 4
        assert f"process {other.pid}, apply" in err
        assert "60 -> 10" in call("status")[1]
    assert value(h) == "10"


# The real kernel: vm.swappiness, one up and back, and a key inside a network namespace of its own.

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not os.access(REAL, os.W_OK), reason="needs root on a writable host"
)


def real(*args: str, state: Path) -> subprocess.CompletedProcess[str]:
    """The command as root with a state folder of its own."""
    return subprocess.run(with_state(state, *args), capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def as_it_was() -> Iterator[None]:
    before = REAL.read_text(), Path(SYSCTLS).exists(), Path(VALUES).exists()
    if before[1] or before[2]:
        pytest.skip("needs a host on which liebench has nothing applied")
    yield
    assert before == (REAL.read_text(), Path(SYSCTLS).exists(), Path(VALUES).exists())


@pytest.mark.machine
@needs_root
def test_one_up_and_back_on_this_kernel(tmp_path: Path, as_it_was: None) -> None:
    before = REAL.read_text().strip()
    to = str((int(before) + 1) % 200)
    done = real("apply", f"vm.swappiness={to}", "--untested", "--yes", state=tmp_path)
    try:
        assert done.returncode == 0, done.stderr
        assert REAL.read_text().strip() == to
        subprocess.run(["sysctl", "-p", SYSCTLS], check=True, capture_output=True)  # the tool that reads it at boot
        assert REAL.read_text().strip() == to
    finally:
        back = real("undo", "all", state=tmp_path)
    assert back.returncode == 0, back.stderr
    assert REAL.read_text().strip() == before
    assert not Path(SYSCTLS).exists()


@pytest.mark.machine
@needs_root
def test_what_this_kernel_refuses_changes_nothing(tmp_path: Path, as_it_was: None) -> None:
    for text in ("vm.swappiness=100000", "vm.dirty_ratio=101"):
        done = real("apply", text, "--untested", "--yes", state=tmp_path)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert "refuses '101' for vm.dirty_ratio (Invalid argument); nothing was changed" in done.stderr


@pytest.mark.machine
@needs_root
def test_a_network_key_in_a_namespace_of_its_own(tmp_path: Path, as_it_was: None) -> None:
    key = Path("/proc/sys/net/ipv4/tcp_slow_start_after_idle")
    if subprocess.run([*APART, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("needs permission to make a network namespace")
    code = f"""
import pathlib, subprocess, sys
import os
os.environ["LIEBENCH_STATE"] = {str(tmp_path)!r}
from liebench.cli import main
key = pathlib.Path({str(key)!r})
assert key.read_text() == "1\\n"
sys.argv = ["liebench", "apply", "idle-restart=0", "--untested", "--yes", "--confirm", "20s"]
try:
    main()
except SystemExit as end:
    assert not end.code
assert key.read_text() == "0\\n"
sys.argv = ["liebench", "undo"]
try:
    main()
except SystemExit as end:
    assert not end.code
assert key.read_text() == "1\\n"
"""
    before = key.read_text()
    done = subprocess.run([*APART, sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert key.read_text() == before


@pytest.mark.machine
@needs_root
def test_without_privileges_it_says_what_to_do(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        os.environ["XDG_STATE_HOME"] = "/nowhere"
        sys.argv = ["liebench", "apply", "vm.swappiness=61", "--untested", "--yes"]
        try:
            main()
        except SystemExit as end:
            os._exit(int(end.code or 0))
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4


@pytest.mark.machine
@needs_root
def test_a_full_etc_changes_nothing(tmp_path: Path) -> None:
    h = hands(tmp_path)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=10", "none", h.at("/etc/sysctl.d")], check=False
    ).returncode:
        pytest.skip("needs permission to mount")
    try:
        h.at("/etc/sysctl.d/80-full.conf").write_text("#" * 4096)
        with pytest.raises(StorageFull, match=r"90-liebench\.conf cannot be written"):
            applied(h, "vm.swappiness=10")
        assert (value(h), files(h), h.ledger().open) == ("60", ["etc/sysctl.d/80-full.conf"], ())
        subprocess.run(["mount", "-o", "remount,ro", h.at("/etc/sysctl.d")], check=True)
        with pytest.raises(StorageFull, match=r"90-liebench\.conf cannot be written"):
            applied(h, "vm.swappiness=10")
        assert (value(h), h.ledger().open) == ("60", ())
    finally:
        subprocess.run(["umount", h.at("/etc/sysctl.d")], check=True)
