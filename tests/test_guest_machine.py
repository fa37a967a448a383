"""The guest of tests itself: what it is made of, and what is said where it cannot be had or does not come up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from liebench.errors import CoreFailed, NeedUnmet

from tests.helpers import guest_machine
from tests.helpers.guest_machine import ROOT, Guest


def left() -> list[int]:
    return [p.pid for p in psutil.Process().children(recursive=True) if p.name() in ("sleep", "sh")]


def test_modules_come_after_those_that_they_need(tmp_path: Path) -> None:
    lines = ["a/9p.ko: a/9pnet.ko a/netfs.ko", "a/9pnet.ko:", "a/netfs.ko:", "a/9pnet_virtio.ko: a/9pnet.ko b/ring.ko"]
    (tmp_path / "modules.dep").write_text("\n".join([*lines, "b/ring.ko:", "c/other.ko: b/ring.ko"]) + "\n")
    found = [f.stem for f in guest_machine._dependent(("9pnet_virtio", "9p", "built-in"), tmp_path)]
    assert sorted(found) == ["9p", "9pnet", "9pnet_virtio", "netfs", "ring"]
    assert found.index("9pnet") < found.index("9pnet_virtio") < found.index("9p")
    assert found.index("ring") < found.index("9pnet_virtio")
    assert found.index("netfs") < found.index("9p")


@pytest.mark.parametrize("ci", ["", "true"])
def test_without_an_emulator_they_skip_with_the_cure_and_in_ci_that_is_a_failure(tmp_path: Path, ci: str) -> None:
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "its_tool", "tests/guest/test_wirings.py"]
    environment = os.environ | {"PATH": str(tmp_path), "CI": ci}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert "needs qemu-system-x86_64; apt install qemu-system-x86" in done.stdout
    assert (" 1 skipped" in done.stdout) == (not ci)
    assert (" 1 failed" in done.stdout) == bool(ci)


@pytest.mark.machine
@pytest.mark.skipif(not shutil.which("busybox"), reason="needs busybox")
@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="needs qemu-system-x86_64")
def test_a_guest_that_never_boots_is_ended_in_bounded_time_and_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guest_machine, "BOOTS_S", 2.0)
    monkeypatch.setattr(guest_machine, "kernel_of", lambda: (tmp_path / "vmlinuz-x", tmp_path))
    monkeypatch.setattr(guest_machine, "a_disk", lambda *_: ())
    monkeypatch.setattr(guest_machine, "root_of", lambda *_, **__: b"")
    script = "echo boots > {}/console; exec sleep 60"
    monkeypatch.setattr(guest_machine, "command_of", lambda _, folder, __: ["sh", "-c", script.format(folder)])
    monkeypatch.setattr(guest_machine, "SCRATCH", str(tmp_path))
    guest, before = Guest(["a"]), time.monotonic()
    for again in (False, True):
        if again:  # it is not started a second time
            monkeypatch.setattr(guest_machine, "command_of", lambda *_: pytest.fail("started again"))
        with pytest.raises(CoreFailed, match=r"said nothing for 2 s(.|\n)*boots"):
            guest.run("a")
    assert time.monotonic() - before < 15
    assert left() == []
    assert list(tmp_path.iterdir()) == []


def test_a_tool_that_is_missing_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("tests.helpers.guest_machine.shutil.which", asked.append)
    guest = Guest(["a"])
    for _ in range(2):
        with pytest.raises(NeedUnmet, match="needs qemu-system-x86_64"):
            guest.run("a")
    assert asked == ["qemu-system-x86_64"]
