"""Places: containers, namespaces and guests that run the same work, and what must be left behind of them."""

from __future__ import annotations

import contextlib
import json
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

import psutil
import pytest

from liebench.contract import Arm, Case, Touches, Turn, Verdict, Word
from liebench.core import core_path
from liebench.errors import CoreFailed, NeedUnmet, StageRefused
from liebench.host import Host, read_host
from liebench.judge.verdicts import Evidence
from liebench.probes.container_vm import bench as places
from liebench.probes.container_vm.verdict import EMULATED, advise, delivers, judge
from liebench.stage.container import CONTAINERS, OWN, RUNTIMES, container, container_command, kinds
from liebench.stage.guest import QEMU, guest, initramfs, kernel_of
from liebench.stage.place import Place, footprint, here, place, started
from liebench.stage.recovery import recover

from tests.helpers.live import Bench, left_behind, planted, scratches

pytestmark = pytest.mark.machine

HOST = read_host()
ROOT = Path(__file__).parents[2]
REAL = [k for k in kinds(HOST) if k in RUNTIMES][:1]  # crun refuses a hybrid of both versions of control groups
RUNS = pytest.mark.skipif(not REAL, reason="needs runc and root")
BWRAP = pytest.mark.skipif(not shutil.which("bwrap"), reason="needs bwrap")
GUEST = pytest.mark.skipif(not QEMU.met(HOST) or platform.machine() != "x86_64", reason="needs qemu-system-x86_64")
X = Turn(Arm(id="x"), "x")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench("container-vm", HOST, tmp_path)
    found.stage.touches = (Touches(other=(CONTAINERS,)),)
    before = scratches()
    yield found
    assert left_behind(tmp_path) == []
    assert scratches() == before


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The distribution's own kernel, fetched once."""
    folder = ROOT / "build" / "guest"
    done = subprocess.run([ROOT / "ci" / "guest-kernel", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a kernel for a guest: {done.stderr.strip()}")
    return str(next(folder.glob("vmlinuz*")))


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
    with here(core_path(), processor) if kind == "host" else container(bench.stage, processor, kind) as found:
        yield found


GVISOR = pytest.mark.skipif(
    not shutil.which("runsc") or not REAL, reason="needs runsc, which answers system calls here"
)
INNER = [*(pytest.param(real, marks=RUNS) for real in REAL or ["runc"]), pytest.param("bwrap", marks=BWRAP), OWN]
KINDS = ["host", *INNER]


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


@pytest.mark.parametrize("kind", INNER)
def test_nothing_of_the_host_is_seen_inside(bench: Bench, kind: str) -> None:
    with of(kind, bench) as found, pytest.raises(CoreFailed, match="cannot write a file"):
        found.call("place-work", {"work": "file", "folder": str(ROOT), "samples": 1, "ops": 1})


@pytest.mark.slow
@GUEST
@pytest.mark.parametrize("inside", [False, True], ids=["guest", "inside"])
def test_a_guest_boots_and_works(booted: Place, inside: bool) -> None:
    assert booted.facts["by"] == EMULATED
    works(booted.inside if inside else booted)


@pytest.mark.slow
@GUEST
def test_what_fails_in_a_guest_takes_neither_place_with_it(booted: Place) -> None:
    for found in (booted.inside, booted):
        with pytest.raises(CoreFailed, match="no key"):
            found.call("null", {"rubbish": 1})
    works(booted)
    works(booted.inside)


@pytest.mark.slow
@GUEST
def test_inside_a_guest_are_namespaces_of_their_own(booted: Place) -> None:
    """/sys is mounted in the guest, and not in the root of the place inside: not known there, which a file shows."""
    write = {"work": "file", "folder": "/dev", "samples": 1, "ops": 1}
    booted.call("place-work", write)
    with pytest.raises(CoreFailed, match="cannot write a file"):
        booted.inside.call("place-work", write)


@pytest.mark.slow
@GUEST
def test_a_guests_clock_runs_as_the_hosts(booted: Place) -> None:
    for _ in range(5):  # a busy machine answers late
        answer = booted.call("compute", {"ops": 40_000_000, "samples": 1, "sentinel": 0})
        share = answer["elapsed_ns"] / answer["facts"]["host_ns"]
        if share > 0.9:
            break
    assert 0.9 < share < 1.02


@pytest.mark.slow
@GUEST
def test_a_guest_that_is_killed_is_said_and_waited_for_once(
    bench: Bench, kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.stage.options = {"kernel": kernel}
    monkeypatch.setattr(places, "guest", lambda stage, named: guest(stage, named, ("tcg",)))
    with contextlib.ExitStack() as rigs:
        found = places.Places(bench.stage, rigs)
        found.at("guest").wire.process.kill()
        with pytest.raises(CoreFailed, match="is gone"):
            found.run("guest", "null", {})
        before = time.monotonic()
        for name in ("guest", "inside"):
            with pytest.raises(NeedUnmet, match="a guest that goes on"):
                found.run(name, "null", {})
        assert time.monotonic() - before < 1


def test_a_place_that_cannot_be_had_is_asked_for_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    @contextlib.contextmanager
    def none(stage: object, named: str) -> Iterator[Place]:
        asked.append(named)
        raise NeedUnmet("a kernel", "cure")
        yield

    bench.stage.options = {"kernel": "k"}
    monkeypatch.setattr(places, "guest", none)
    with contextlib.ExitStack() as rigs:
        found = places.Places(bench.stage, rigs)
        for name in ("guest", "inside", "guest"):
            with pytest.raises(NeedUnmet, match="a kernel"):
                found.at(name)
    assert asked == ["k"]


@pytest.mark.slow
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


def test_a_container_must_be_declared(bench: Bench) -> None:
    bench.stage.touches = ()
    with pytest.raises(StageRefused, match="not declared"), container_command(bench.stage, OWN):
        raise AssertionError


@pytest.mark.parametrize("kind", INNER)
def test_what_starts_says_a_word_before_it_ends(bench: Bench, tmp_path: Path, kind: str) -> None:
    with container_command(bench.stage, kind) as command:
        inner = started(bench.stage, command, X, tmp_path).samples
        bare = started(bench.stage, [str(core_path()), "place"], X, tmp_path).samples
    assert 0 < inner["first_ms"][0] < inner["ms"][0]
    assert bare["ms"][0] < inner["ms"][0]


@pytest.mark.parametrize(
    ("script", "said"),
    [("exit 0", "without a word"), ("echo up; exit 3", "did not end"), ("echo up; read x; exit 3", "did not end")],
)
def test_what_starts_wrongly_is_no_start(bench: Bench, tmp_path: Path, script: str, said: str) -> None:
    file = tmp_path / "script"
    file.write_text(script)
    with pytest.raises(CoreFailed, match=said):
        started(bench.stage, ["/bin/sh", str(file)], X, tmp_path)


def test_what_a_place_takes_is_that_of_all_its_processes(bench: Bench) -> None:
    with of("host", bench) as bare, of(OWN, bench) as inner:
        assert 0 < footprint(bare) < footprint(inner) < 20_000  # there are two processes inside


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from tests.helpers.live import Bench
from liebench.contract import Touches
from liebench.host import read_host
from liebench.stage.container import CONTAINERS, container
from liebench.stage.guest import guest
bench = Bench("container-vm", read_host(), Path(sys.argv[2]))
bench.stage.touches = (Touches(other=(CONTAINERS,)),)
kind, kernel = sys.argv[3:]
with guest(bench.stage, kernel, ("tcg",)) if kind == "guest" else container(bench.stage, 0, kind) as found:
    print("up", flush=True)
    found.call("compute", {"samples": 100, "ops": 1_000_000_000, "sentinel": 0})
"""


def left_of(pid: int) -> list[str]:
    """Processes, control groups and folders that carry the name of a process."""
    name = f"liebench-{pid}-"
    lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    groups = Path("/sys/fs/cgroup").glob(f"**/{name}*")
    return [line for line in lines if name in line] + [str(p) for p in (*groups, *Path("/var/tmp").glob(f"{name}*"))]


@pytest.mark.parametrize("kind", [*INNER, pytest.param("guest", marks=(GUEST, pytest.mark.slow))])
def test_after_a_kill_nothing_of_a_place_is_left(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    named = request.getfixturevalue("kernel") if kind == "guest" else ""
    words = [sys.executable, "-c", KILLED, str(ROOT), str(tmp_path), kind, named]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        time.sleep(0.3)  # it is at work
        before = [p.pid for p in psutil.Process(child.pid).children(recursive=True)]
        assert before
        child.send_signal(signal.SIGKILL)
        child.wait()
    recover(tmp_path, "test")
    for _ in range(100):
        left = left_of(child.pid) + [str(pid) for pid in before if psutil.pid_exists(pid)]
        if not left:
            break
        time.sleep(0.1)
    assert left == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become an ordinary user")
def test_an_ordinary_user_has_namespaces_or_hears_what_is_missing(tmp_path: Path) -> None:
    """By the core alone: the checkout need not be readable to others."""
    core, root = tmp_path / "core", tmp_path / "root"
    shutil.copy2(core_path(), core)
    root.mkdir()
    for folder in (*tmp_path.parents[:-2], tmp_path, root):
        with contextlib.suppress(PermissionError):
            folder.chmod(folder.stat().st_mode | 0o111)
    root.chmod(0o777)
    done = subprocess.run(
        [core, "place", f"root={root}"], input=b"place-work work=call samples=2\n", capture_output=True, user=65534,
        group=65534, extra_groups=[], timeout=30, check=False,
    )  # fmt: skip
    if done.returncode:
        assert b"allow user namespaces" in done.stderr
    else:
        hello, answer = done.stdout.splitlines()
        assert hello == b'{"place":1}'
        assert len(json.loads(answer)["samples"]["ns"]) == 2


@pytest.mark.parametrize("work", ["compute", "call", "copy"])
def test_a_container_computes_calls_and_copies_as_fast_as_the_host(bench: Bench, work: str) -> None:
    for blocks in (12, 24, 48):
        found = bench.verdict(f"container-{work}", blocks).value
        if found == pytest.approx(1, abs=0.1):
            break
    assert found == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("plant", "expect", "near"),
    [("plant_share=0.5", 1.5, 0.05), ("plant_extra=0.5", 1.5, 0.1), ("times=2", 2.0, 0.2), ("hold=0.5", 1.5, 0.05)],
)  # fmt: skip
def test_what_is_planted_in_the_container_is_found(bench: Bench, plant: str, expect: float, near: float) -> None:
    about = pytest.approx(expect, abs=near)
    assert planted(bench, plant, about).value == about
    assert bench.stage.notes  # places were set up for it
    assert "host" not in bench.stage.notes  # it was put into the place that is judged, not on the host


@RUNS
def test_a_container_for_each_piece_of_work_is_costly(bench: Bench) -> None:
    for blocks in (12, 24):
        found = bench.verdict("container-start", blocks)
        if found.word is Word.COSTLY:
            break
    assert found.word in (Word.COSTLY, Word.INCONCLUSIVE)
    assert found.value is not None
    assert found.value > 3


def evidence(id: str, own: float, host: float, by: str) -> Evidence:
    """Twelve blocks in which a guest takes three times as long, by clocks that may differ."""
    arms = (Arm(id="beside", says="", promised=True), Arm(id="guest", says="", args={"place": "guest"}))
    rep = {"samples": {"ns": [100.0, 101.0, 99.0]}, "facts": {}, "elapsed_ns": 300}
    slow = {"samples": {"ns": [300.0, 301.0, 299.0]}, "facts": {"host_ns": host}, "elapsed_ns": own}
    blocks = [{"n": n, "probe": "container-vm", "case": id, "control": None, "order": ["beside", "guest"],
               "reps": {"beside": rep, "guest": slow}} for n in range(12)]  # fmt: skip
    return Evidence(
        case=Case(id=id, quantity="ns", unit="ns", arms=arms, hurts=1.5), blocks=blocks, facts={"guest": {"by": by}}
    )


@pytest.mark.parametrize(
    ("own", "host", "word"),
    [(1e9, 1.01e9, Word.COSTLY), (1e9, 1.3e9, Word.INCONCLUSIVE), (1.3e9, 1e9, Word.INCONCLUSIVE),
     (20e6, 29e6, Word.COSTLY)],
    ids=["alike", "slow", "fast", "a word that is late"],
)  # fmt: skip
def test_a_guest_whose_clock_is_wrong_convicts_nobody(own: float, host: float, word: Word) -> None:
    found = judge(evidence("guest-call", own, host, "kvm"))
    assert found.word is word
    assert found.term == "kvm"
    assert ("the guest's clock counts" in found.why) == (word is Word.INCONCLUSIVE)


def test_an_emulated_guest_says_so_and_one_on_hardware_does_not() -> None:
    for by in (EMULATED, "kvm"):
        found = judge(evidence("guest-call", 1e9, 1e9, by))
        assert found.term == by
        said = delivers(Verdict(word=Word.HONEST, cases={"guest-call": found}), HOST)
        assert said.startswith("In a guest")
        assert ("no word about virtual machines" in said) == (by == EMULATED)
        assert "a system call 3.00 (300 ns against 100 ns)" in said


def costs(**values: float) -> Verdict:
    rows = {k.replace("_", "-"): v for k, v in values.items()}
    word = {k: Word.COSTLY if v >= 1.5 else Word.HARMLESS if v >= 1.1 else Word.HONEST for k, v in rows.items()}
    return Verdict(
        word=Word.COSTLY, cases={k: Verdict(word=word[k], value=v, promised=1.0, delivered=v) for k, v in rows.items()}
    )


@pytest.mark.parametrize(
    ("found", "proposed"),
    [
        ({"container_start": 30, "container_call": 1.0}, ["keep-containers"]),
        ({"container_start": 30}, []),  # what runs in it was not measured
        ({"container_start": 30, "container_fork": 2.0}, []),  # keeping it would keep that
        ({"container_start": 3, "container_call": 1.0}, []),
        ({"container_trip": 1.3}, ["container-network"]),
        ({"container_trip": 1.05}, []),
        ({"guest_trip": 9.0, "guest_start": 999.0}, []),  # a guest of ours is a demonstration
        ({}, []),
    ],
)
def test_advice_only_from_what_was_measured_of_this_hosts_containers(
    found: dict[str, float], proposed: list[str]
) -> None:
    assert [p.change for p in advise(costs(**found), HOST)] == proposed


def test_without_root_it_is_made_of_user_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liebench.stage.container.program", lambda host, name: True)
    monkeypatch.setattr(Host, "can", lambda host, capability: False)
    assert kinds(HOST) == ("bwrap", OWN)


def test_a_runtime_that_fails_gives_way_to_the_next_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liebench.stage.container.kinds", lambda host: ("false", OWN))
    with container(bench.stage, HOST.processors[-1]) as found:
        works(found)
    assert found.facts["by"] == OWN
    assert "false" in found.facts["tried"][0]
    with pytest.raises(NeedUnmet, match="no bwrap"), container(bench.stage, 0, "bwrap"):
        raise AssertionError


@GVISOR
def test_gvisor_answers_system_calls_itself_and_says_so_in_its_times(bench: Bench) -> None:
    """Its calls take many times as long as the host's; computing does not. Nothing of it is left."""
    with container(bench.stage, HOST.processors[-1], "runsc") as found, here(core_path(), 0) as host:
        assert found.facts["by"] == "runsc"
        args = {"work": "call", "ops": 200, "samples": 9}
        times = [min(place.call("place-work", args)["samples"]["ns"]) for place in (found, host)]
    assert times[0] > 3 * times[1]
