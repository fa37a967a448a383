"""Every knob of the catalogue, and every command that takes a change, against values and names that mean harm."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liebench.apply.ledger import FILE
from liebench.apply.target import Hands
from liebench.cli import main
from liebench.errors import UsageError
from liebench.settings.catalogue import catalogue, parse
from liebench.settings.knob import Knob
from liebench.settings.writable import path_of

from tests.helpers.applying import applied, hands, machine

VALUES = [
    "", " ", "-1", "+1", "1e3", "0x10", "1.5", "NaN", "inf", "9" * 30, "9" * 100_000, "1 2", "1\t2", "1\n2", "1\0",
    "$(touch pwned)", "`touch pwned`", "1;touch pwned", "1 && touch pwned", "|touch pwned", "../../etc/passwd",
    "{to}", "{0.__class__}", "%s%n", "${x}", "\u202e1", "\uff11", "\u0661", "é", "\x1b[31m", "'", '"', "\\", "#", "=",
]  # fmt: skip
NAMES = [
    "", " ", "vm", "vm.", ".vm", "vm..swappiness", "vm.swappiness.", "vm/swappiness/", "/vm/swappiness",
    "vm swappiness", "VM.SWAPPINESS", "/etc/passwd", "/proc/self/mem", "/proc/sysrq-trigger", "/dev/mem", "/proc/sys",
    "/sys",
    "/proc/sys/../../etc/passwd", "/sys/../etc/passwd", "/proc/sys//vm/swappiness", "/proc/sys/vm/./swappiness",
    "vm.swappiness\0", "vm.swappiness\n", "$(touch pwned)", "--untested", "-h", "{to}", "\u202eswappiness",
    "kernel.core_pattern", "/sys/block/sda/device/delete", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/x/cgroup.kill",
    "/sys/fs/cgroup/x/release_agent", "/sys/fs/cgroup/x/memory.reclaim", "/sys/power/state", "env:", "env:A=B", "env:1",
]  # fmt: skip
HARM = {  # files that are there, and are no settings
    "proc/sys/kernel/core_pattern": "core", "proc/sys/kernel/modprobe": "/sbin/modprobe",
    "proc/sys/kernel/modules_disabled": "0", "proc/sys/kernel/kexec_load_disabled": "0",
    "proc/sys/vm/drop_caches": "0", "proc/sys/net/ipv4/route/flush": "-1", "proc/sys/fs/binfmt_misc/register": "",
    "sys/block/sda/device/delete": "0", "sys/class/net/eth0/device/remove": "0", "sys/kernel/uevent_helper": "",
    "sys/fs/cgroup/x/cgroup.kill": "0", "sys/fs/cgroup/x/cgroup.procs": "", "sys/fs/cgroup/x/release_agent": "",
    "sys/fs/cgroup/x/memory.reclaim": "", "sys/fs/cgroup/x/memory.force_empty": "", "sys/power/state": "mem",
    "sys/bus/pci/rescan": "0", "sys/firmware/acpi/x": "0", "sys/devices/system/cpu/microcode/reload": "0",
    "sys/devices/system/memory/soft_offline_page": "0", "sys/module/firmware_class/parameters/path": "",
    "sys/fs/fuse/connections/1/abort": "0", "sys/kernel/debug/x": "0", "sys/kernel/livepatch/x/enabled": "0",
}  # fmt: skip
SETTINGS = {  # and that are
    "proc/sys/kernel/sched_autogroup_enabled": "1", "proc/sys/vm/stat_interval": "1",
    "sys/block/sda/queue/nr_requests": "64", "sys/block/sda/queue/iosched/read_expire": "500",
    "sys/class/net/eth0/tx_queue_len": "1000", "sys/class/net/eth0/queues/tx-0/byte_queue_limits/limit_max": "1",
    "sys/kernel/mm/ksm/run": "0", "sys/module/zswap/parameters/compressor": "lzo",
    "sys/fs/cgroup/a/b.slice/cpu.max": "x",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "x", "sys/fs/cgroup/memory/a/memory.swappiness": "60",
}  # fmt: skip
KNOBS = [k for k in catalogue().values() if "self" not in k.path]


def put(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def tree(root: Path) -> str:
    """A hash of every name and every byte below a folder."""
    found = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        found.update(f"{path.relative_to(root)}\0".encode())
        found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


def one_file(knob: Knob) -> str:
    return knob.path.replace("**", "a/b.service").replace("*", "sda")


@pytest.fixture
def h(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hands:
    """A kernel that has every setting of the catalogue, what is no setting, and nobody's business."""
    found = hands(tmp_path)
    root = tmp_path / "root"
    now = {k.id: "[always] madvise never" if k.bracketed else "1 2 3" if k.field is not None else "1" for k in KNOBS}
    put(root, {one_file(k)[1:]: now[k.id] for k in KNOBS} | HARM | SETTINGS)
    monkeypatch.setattr("liebench.host.read_host", lambda *args: machine(root))
    monkeypatch.setenv("LIEBENCH_STATE", str(found.state))
    monkeypatch.setattr("liebench.cli.changing.SYSTEM_STATE", tmp_path / "system")
    monkeypatch.chdir(tmp_path)
    return Hands(machine(root), found.state)


@pytest.fixture
def call(h: Hands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*args: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["liebench", *args])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), capsys.readouterr().err

    return run


def tried(text: str, h: Hands, untested: bool = False) -> tuple[str | None, str]:
    """(the value that was taken, nothing) or (None, the error)."""
    try:
        return parse(text, h.host, untested)[2], ""
    except UsageError as error:
        return None, str(error)


def refused(code: int, said: str) -> None:
    """One clear error: its code, one line of moderate length, nothing of a stack."""
    assert code == 2, said
    lines = [line for line in said.splitlines() if line.startswith("liebench: ")]
    assert len(lines) == 1, said
    assert len(lines[0]) < 700
    assert "Traceback" not in said
    assert lines[0].isprintable()


@pytest.mark.parametrize("knob", KNOBS, ids=lambda k: k.id)
def test_no_value_of_a_known_setting_means_anything_but_itself(h: Hands, knob: Knob) -> None:
    """What is taken is of the knob's own alphabet; what is not is one error in one line."""
    for value in VALUES:
        taken, said = tried(f"{one_file(knob)}={value}", h)
        assert said.isprintable(), (knob.id, value)
        assert len(said) < 700
        if taken is not None:
            assert taken.isascii(), (knob.id, value)
            assert not set(taken) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_,-"), taken


@pytest.mark.parametrize("verb", [["apply", "--yes"], ["apply", "--yes", "--untested"], ["apply", "--diff"],
                                  ["apply", "--export", "ansible"]])  # fmt: skip
def test_hostile_values_change_nothing(h: Hands, call: Any, tmp_path: Path, verb: list[str]) -> None:
    before = tree(tmp_path / "root")
    for value in VALUES:
        refused(*call(*verb, f"vm.swappiness={value}"))
        refused(*call(*verb, "vm.swappiness=10", f"huge-pages={value}"))  # all of them or none
    assert tree(tmp_path / "root") == before
    assert not (h.state / FILE).exists()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("verb", [["apply", "--yes"], ["apply", "--yes", "--untested"],
                                  ["try", "--with", "true", "--disturb", "host"],
                                  ["try", "--untested", "--with", "true", "--disturb", "host"]])  # fmt: skip
def test_hostile_names_change_nothing(h: Hands, call: Any, tmp_path: Path, verb: list[str]) -> None:
    before = tree(tmp_path / "root")
    for name in NAMES:
        if name.startswith("-"):
            assert call(*verb, "--", f"{name}=7")[0] == 2
        else:
            refused(*call(*verb, f"{name}=7"))
    assert tree(tmp_path / "root") == before
    assert not (h.state / FILE).exists()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "which", ["0", "-1", "1.0", "\u0661", "9" * 50, "last ", "ALL", "$(id)", "", "1;2", "vm.swappiness"]
)
def test_undo_takes_numbers_of_its_own(h: Hands, call: Any, tmp_path: Path, which: str) -> None:
    applied(h, "vm.swappiness=10")
    before, ledger = tree(tmp_path / "root"), (h.state / FILE).read_bytes()
    refused(*call("undo", "--", which))
    assert tree(tmp_path / "root") == before
    assert (h.state / FILE).read_bytes() == ledger


@pytest.mark.parametrize("path", HARM)
def test_outside_the_catalogue_what_does_something_is_no_setting(h: Hands, path: str) -> None:
    for name in (f"/{path}", path.removeprefix("proc/sys/").replace("/", ".")):
        with pytest.raises(UsageError):
            path_of(name, h.host.root)


@pytest.mark.parametrize("path", SETTINGS)
def test_outside_the_catalogue_settings_are_found_below_the_root_that_was_given(h: Hands, path: str) -> None:
    assert path_of(f"/{path}", h.host.root) == f"/{path}"
    with pytest.raises(UsageError):
        path_of(f"/{path}", h.host.root / "nowhere")
    assert parse(f"/{path}=2", h.host, untested=True)[0].path == f"/{path}"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_any_text_is_a_change_of_the_catalogue_or_one_line(h: Hands, text: str) -> None:
    for untested in (False, True):
        assert tried(text, h, untested)[1].isprintable()


def test_the_words_reach_the_kernel_as_they_are_and_no_shell(h: Hands, call: Any, tmp_path: Path) -> None:
    """A value that is text, outside the catalogue: what a file of ours could read as its own is refused."""
    put(tmp_path / "root", {"proc/sys/kernel/hostname": "here" + " " * 60})
    for value in ("$(touch pwned)", "`touch pwned`", "a;b", "%m", "a # b"):
        refused(*call("apply", "--yes", "--untested", f"kernel.hostname={value}"))
    assert (tmp_path / "root/proc/sys/kernel/hostname").read_text().strip() == "here"
    assert os.listdir(tmp_path / "root/etc/sysctl.d") == []
    assert not (tmp_path / "pwned").exists()
