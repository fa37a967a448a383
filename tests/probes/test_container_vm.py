"""Places: containers, namespaces and guests that run the same work, and what must be left behind of them."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live import Bench, left_behind

from liebench.contract import Arm, Touches, Turn, Word
from liebench.core import core_path
from liebench.errors import CoreFailed, NeedUnmet, StageRefused
from liebench.host import read_host
from liebench.journal import recover
from liebench.stage.container import CONTAINERS, RUNC, by_namespaces, by_runc, starting
from liebench.stage.guest import QEMU, guest, initramfs, kernel_of
from liebench.stage.place import Place, footprint, here, place, started

HOST = read_host()
ROOT = Path(__file__).parents[2]
RUNTIME = pytest.mark.skipif(not RUNC.met(HOST), reason="needs runc and root")
GUEST = pytest.mark.skipif(not QEMU.met(HOST) or platform.machine() != "x86_64", reason="needs qemu-system-x86_64")
X = Turn(Arm("x"), "x")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench("container-vm", HOST, tmp_path)
    found.stage.touches = (Touches(other=(CONTAINERS,)),)
    before = scratches()
    yield found
    assert left_behind(tmp_path) == []
    assert scratches() == before


def scratches() -> set[Path]:
    return set(Path("/var/tmp").glob(f"liebench-{os.getpid()}-*"))


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The distribution's own kernel, fetched once."""
    folder = ROOT / "build" / "guest"
    done = subprocess.run([ROOT / "ci" / "guest-kernel", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a kernel for a guest: {done.stderr.strip()}")
    found = sorted([*folder.glob("vmlinuz*"), *Path("/boot").glob("vmlinuz*")])
    return str(found[0])


@pytest.fixture(scope="session")
def booted(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    stage = Bench("container-vm", HOST, tmp_path_factory.mktemp("guest")).stage
    with guest(stage, kernel, ("tcg",)) as found:
        yield found


def works(found: Place) -> None:
    """Everything that is measured runs there, and says so with as many samples as it was asked for."""
    for work in ("call", "fork", "exec", "switch", "fault", "copy", "file"):
        args: dict[str, Any] = {"work": work, "ops": 4, "samples": 3}
        args |= {"folder": "/dev/shm"} if found.name == "the host" else {}
        answer = found.call("place-work", args)
        assert len(answer["samples"]["ns"]) == 3
        assert min(answer["samples"]["ns"]) > 0
    assert len(found.call("net-trip", {"samples": 2})["samples"]["us"]) == 2


@contextlib.contextmanager
def of(kind: str, bench: Bench) -> Iterator[Place]:
    processor = HOST.processors[-1]
    makers = {
        "host": lambda: here(core_path(), processor),
        "container": lambda: by_runc(bench.stage, processor),
        "namespaces": lambda: by_namespaces(bench.stage, processor),
    }
    with makers[kind]() as found:
        yield found


KINDS = ["host", pytest.param("container", marks=RUNTIME), "namespaces"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_executable_works_in_every_place(bench: Bench, kind: str) -> None:
    with of(kind, bench) as found:
        works(found)


@pytest.mark.parametrize("kind", KINDS)
def test_what_fails_there_is_said_and_takes_nothing_with_it(bench: Bench, kind: str) -> None:
    with of(kind, bench) as found:
        with pytest.raises(CoreFailed, match="no key"):
            found.call("null", {"rubbish": 1})
        with pytest.raises(CoreFailed, match="cannot write a file"):
            found.call("place-work", {"work": "file", "folder": "/none", "samples": 1, "ops": 1})
        works(found)


@pytest.mark.parametrize("kind", [pytest.param("container", marks=RUNTIME), "namespaces"])
def test_nothing_of_the_host_is_seen_inside(bench: Bench, kind: str) -> None:
    with of(kind, bench) as found, pytest.raises(CoreFailed, match="cannot write a file"):
        found.call("place-work", {"work": "file", "folder": str(ROOT), "samples": 1, "ops": 1})


@GUEST
def test_a_guest_boots_and_works(booted: Place) -> None:
    assert booted.facts["accelerator"] == "tcg"
    works(booted)


@GUEST
def test_a_guests_clock_runs_as_the_hosts(booted: Place) -> None:
    for _ in range(5):  # a busy machine answers late
        answer = booted.call("compute", {"ops": 200_000_000, "samples": 1, "sentinel": 0})
        share = answer["elapsed_ns"] / answer["facts"]["outside_ns"]
        if share > 0.9:
            break
    assert 0.9 < share < 1.02


@GUEST
def test_namespaces_inside_a_guest(bench: Bench, kernel: str) -> None:
    with guest(bench.stage, kernel, ("tcg",), enclosed=True) as found:
        works(found)


@GUEST
def test_a_guest_that_never_boots_is_ended_in_bounded_time(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liebench.stage.guest.EMULATED_S", 2.0)
    rubbish = tmp_path / "vmlinuz"
    rubbish.write_bytes(b"\0" * 4096)
    before = time.monotonic()
    with pytest.raises(NeedUnmet, match="a guest that boots"), guest(bench.stage, str(rubbish), ("tcg",)):
        raise AssertionError
    assert time.monotonic() - before < 30


@pytest.mark.skipif(not shutil.which("cpio"), reason="needs cpio")
def test_an_initramfs_is_what_cpio_calls_one(tmp_path: Path) -> None:
    (tmp_path / "root").write_bytes(initramfs(b"#!core of an odd length"))
    listed = subprocess.run(["cpio", "-t", "-F", tmp_path / "root"], capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["dev", "dev/console", "init"]


def test_which_kernel_is_booted(tmp_path: Path) -> None:
    (tmp_path / "guest").mkdir()
    named = tmp_path / "guest" / "vmlinuz-9"
    named.touch()
    assert kernel_of(str(named), tmp_path) == str(named)
    assert "vmlinuz" in kernel_of("", tmp_path)
    with pytest.raises(NeedUnmet, match="can be read"):
        kernel_of("/none", tmp_path)


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 1", "is gone"), ("echo no such machine >&2; exit 1", "no such machine"), ("sleep 30", "said nothing"),
     ("echo rubbish", "unreadable")],
)  # fmt: skip
def test_a_place_that_does_not_come_up_is_a_need(script: str, said: str) -> None:
    with pytest.raises(NeedUnmet, match=said), place("a place", ["sh", "-c", script], 0, 1.0, "cure"):
        raise AssertionError


def test_a_program_that_is_not_there_is_a_need() -> None:
    with pytest.raises(NeedUnmet, match="none-such"), place("a place", ["none-such"], 0, 1.0, "cure"):
        raise AssertionError


@RUNTIME
def test_a_container_must_be_declared(bench: Bench) -> None:
    bench.stage.touches = ()
    with pytest.raises(StageRefused, match="not declared"), starting(bench.stage):
        raise AssertionError


@RUNTIME
def test_starting_a_container_costs_more_than_starting_a_program(bench: Bench) -> None:
    with starting(bench.stage) as command:
        assert min(started(command) for _ in range(3)) > min(started([str(core_path()), "--nothing"]) for _ in range(3))


def test_what_a_place_takes_is_that_of_all_its_processes(bench: Bench) -> None:
    with of("host", bench) as bare, of("namespaces", bench) as inner:
        assert 0 < footprint(bare) < footprint(inner) < 20_000  # there are two processes inside


KILLED = """
import sys, os, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from live import Bench
from liebench.contract import Touches
from liebench.host import read_host
from liebench.stage.container import CONTAINERS, by_runc
bench = Bench("container-vm", read_host(), Path(sys.argv[2]))
bench.stage.touches = (Touches(other=(CONTAINERS,)),)
with by_runc(bench.stage, 0) as found:
    print("up", flush=True)
    time.sleep(60)
"""


@RUNTIME
def test_after_a_kill_nothing_of_a_container_is_left(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    recover(tmp_path, "test")
    for _ in range(50):
        groups = list(Path("/sys/fs/cgroup").glob(f"**/liebench-{child.pid}-*"))
        left = [*groups, *Path("/var/tmp").glob(f"liebench-{child.pid}-*")]
        if not left:
            break
        time.sleep(0.1)
    assert left == []


@pytest.mark.parametrize("work", ["compute", "call", "copy"])
def test_a_container_computes_calls_and_copies_as_fast_as_the_host(bench: Bench, work: str) -> None:
    kind = "container" if RUNC.met(HOST) else "namespaces"
    for blocks in (12, 24, 48):
        found = bench.verdict(f"{kind}-{work}", blocks).value
        if found == pytest.approx(1, abs=0.1):
            break
    assert found == pytest.approx(1, abs=0.1)


def test_half_as_much_work_again_is_found_in_the_container(bench: Bench) -> None:
    for blocks in (12, 24, 48):
        found = bench.control("plant_share=0.5", blocks).value
        if found == pytest.approx(1.5, abs=0.05):
            break
    assert found == pytest.approx(1.5, abs=0.05)


@RUNTIME
def test_a_container_for_each_piece_of_work_is_costly(bench: Bench) -> None:
    assert bench.verdict("container-start", 12).word in (Word.COSTLY, Word.INCONCLUSIVE)
    found = bench.verdict("container-start", 12).value
    assert found is not None
    assert found > 3
