"""System calls with somebody in between: who answers, how often, and what each filter adds."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import platform
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from liebench.contract import Turn, Verdict, Word
from liebench.core import core_path
from liebench.errors import CoreFailed
from liebench.facts.process import facts
from liebench.facts.reader import Reader
from liebench.host import Host, read_host
from liebench.judge.run import judge_run
from liebench.probes.syscall_translated.verdict import advise, delivers, under
from liebench.runfile.reader import read_run
from liebench.runner.track import rig_of

from tests.helpers.live import JUDGES, Bench, core, host_with, planted
from tests.helpers.other_user import as_nobody

pytestmark = pytest.mark.machine

ID = "syscall-translated"
HOST = read_host()
TRIES = 6
ANSWERED = ("trap", "dispatch", "notify", "ptrace")
WAYS = ("native", "cached", "uncached", "container", "denied", "selector", *ANSWERED)
X86 = platform.machine() == "x86_64"
OVERHEAD = {"trap": 4, "dispatch": 4, "notify": 6, "ptrace": 12}  # at least; a third of what was seen
BITMAP = tuple(int(n) for n in platform.release().split("-")[0].split(".")[:2]) >= (5, 11)


def attempt(way: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A short repetition, whatever becomes of it."""
    command = [str(core_path()), ID, f"way={way}", "ops=20", "samples=3", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def need(way: str) -> None:
    """Only what cannot be set up is skipped: a wrong answer is a failure of ours."""
    if (done := attempt(way, "setup=1")).returncode:
        pytest.skip(f"needs a kernel and a sandbox with {way}: {done.stderr.strip()}")


def typical(way: str, **args: object) -> float:
    """The smallest sample of several repetitions: whoever interferes only adds."""
    cpu = HOST.processors[-1]
    reps = (core(ID, way=way, cpu=cpu, ops=500, samples=20, **args) for _ in range(TRIES))
    return float(min(min(rep["samples"]["ns"]) for rep in reps))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_answers_and_is_above_nothing_else(way: str) -> None:
    need(way)
    rep = core(ID, way=way, ops=50, samples=5)
    assert len(rep["samples"]["ns"]) == 5
    before = HOST.facts["process"]["filters"]
    if before is not None:
        filtered = way not in ("native", "selector", "dispatch", "ptrace")
        assert rep["facts"]["filters"] == before + filtered
    assert (rep["facts"]["tracer"] != 0) == (way == "ptrace" or bool(HOST.facts["process"]["tracer"]))


@pytest.mark.parametrize("way", ANSWERED)
def test_an_answer_that_is_not_42_is_no_sample(way: str) -> None:
    need(way)
    done = attempt(way, "answer=41")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "20 calls of getppid returned 820 in all, and each should have returned 42" in done.stderr


def test_a_wrong_answer_is_a_failure_and_no_skip(tmp_path: Path) -> None:
    need("trap")
    bench = Bench(ID, HOST, tmp_path)
    with rig_of(bench.part, bench.stage) as rig:
        case = next(c for c in rig.cases or () if c.id == "trap")
        assert all(n.met(HOST) for n in case.needs)
        liar = replace(case.arms[-1], args={**case.arms[-1].args, "answer": 41, "ops": 20})
        with pytest.raises(CoreFailed, match="each should have returned 42"):
            rig.once(case, [Turn(liar, "trap")])


@pytest.mark.parametrize("way", ANSWERED)
def test_who_answers_costs_many_times_the_call(way: str) -> None:
    need(way)
    for _ in range(TRIES):
        native, answered = typical("native"), typical(way)
        if answered > OVERHEAD[way] * native:
            break
    assert answered > OVERHEAD[way] * native


def test_the_kernel_counts_the_filters_that_were_stacked() -> None:
    need("uncached")
    if (before := HOST.facts["process"]["filters"]) is None:
        pytest.skip("needs Linux 5.9, which counts filters")
    for count in (1, 5, 64):
        assert core(ID, way="uncached", filters=count, ops=5, samples=1)["facts"]["filters"] == before + count


@pytest.mark.parametrize(("key", "counts"), [("filters", (1, 17, 33)), ("compares", (100, 800, 1500))])
def test_each_filter_and_each_compare_costs_the_same(key: str, counts: tuple[int, ...]) -> None:
    need("uncached")
    for _ in range(TRIES):
        one, middle, last = (typical("uncached", **{key: n}) for n in counts)
        early, late = (middle - one) / (counts[1] - counts[0]), (last - middle) / (counts[2] - counts[1])
        if early > 0 and abs(late / early - 1) < 0.4:
            break
    assert early > 0
    assert late / early == pytest.approx(1, abs=0.4)


def test_a_long_list_costs_no_more_than_an_empty_one_where_the_kernel_remembers() -> None:
    need("container")
    if not BITMAP:
        pytest.skip("needs Linux 5.11, which remembers what a filter always allows")
    for _ in range(TRIES):
        cached, listed, run = typical("cached"), typical("container"), typical("uncached", compares=335)
        if listed < 1.1 * cached and listed < run:
            break
    assert listed < 1.1 * cached
    assert listed < run  # as many compares, and this time they are made


def test_a_call_that_is_refused_costs_a_filter_and_no_more(tmp_path: Path) -> None:
    """The filter takes the place of the call: less on one processor (AMD, Zen 5), a sixth more on another (Intel)."""
    need("denied")
    for blocks in (12, 24, 48):
        found = Bench(ID, HOST, tmp_path).verdict("denied", blocks)
        if found.value is not None and found.value < 1.5:
            break
    assert found.value is not None
    assert 0.5 < found.value < 1.5


@pytest.mark.parametrize("plant", ["plant_extra=0.5", "plant_extra=0.1"])
def test_planted_calls_are_found(tmp_path: Path, plant: str) -> None:
    found = planted(Bench(ID, HOST, tmp_path), plant)
    assert found.status == "shown", found


def test_a_supervisor_may_be_on_another_processor(tmp_path: Path) -> None:
    need("notify")
    if len(HOST.processors) < 2:
        pytest.skip("needs two processors")
    found = Bench(ID, HOST, tmp_path).verdict("notify-other", 12)
    assert found.value is not None
    assert found.value > OVERHEAD["notify"]


def test_the_size_of_a_lie_comes_with_its_cause(tmp_path: Path) -> None:
    need("notify")
    found = Bench(ID, HOST, tmp_path).verdict("notify", 12)
    assert found.why.startswith("a system call takes ")
    assert " where a supervisor on the same processor answers, " in found.why
    assert found.why.endswith(" with nobody between")
    few = Bench(ID, HOST, tmp_path).verdict("notify", 3)
    assert few.word is Word.INCONCLUSIVE
    assert few.why.startswith("too few blocks")


def test_waiting_for_the_supervisor_is_no_preemption(tmp_path: Path) -> None:
    need("notify")
    doc = Bench(ID, HOST, tmp_path).document("notify", 3)
    for block in doc["blocks"]:
        rep = block["reps"]["notify"]
        assert "PREEMPTED" not in rep["flags"]
        assert rep["alibi"]["run_delay_ns"] is None or rep["alibi"]["run_delay_ns"] > 0  # what the flag stood for


@pytest.mark.parametrize("way", ["native", "trap", "notify", "ptrace"])
@pytest.mark.parametrize("who", ["supervisor", "measured"])
def test_neither_outlives_the_other(way: str, who: str) -> None:
    need(way)
    command = [str(core_path()), ID, f"way={way}", "ops=1000000", "samples=1000"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    children: list[psutil.Process] = []
    try:
        until = time.monotonic() + 20
        while not (children := psutil.Process(process.pid).children()) and time.monotonic() < until:
            time.sleep(0.01)
        (child,) = children
        time.sleep(0.1)  # until it is in the middle of its calls
        os.kill(process.pid if who == "supervisor" else child.pid, signal.SIGKILL)
        _, said = process.communicate(timeout=20)
        psutil.wait_procs([child], timeout=20)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    finally:
        for one in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.kill()
        process.wait()
    if who == "measured":
        assert process.returncode == 1
        assert "the process that was measured was killed" in said


@pytest.mark.parametrize(("way", "samples"), [("trap", 2000), ("notify", 700), ("ptrace", 250)])
def test_a_call_that_a_signal_interrupts_is_answered_once(way: str, samples: int) -> None:
    """Stopped while it waits, a call is begun anew, and a supervisor is asked twice about the same one."""
    need(way)
    stopped = 0
    for _ in range(4):
        command = [str(core_path()), ID, f"way={way}", "ops=100", f"samples={samples}"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            while not (children := psutil.Process(process.pid).children()) and process.poll() is None:
                time.sleep(0.001)
            with contextlib.suppress(psutil.NoSuchProcess):
                while process.poll() is None:
                    children[0].send_signal(signal.SIGSTOP)
                    time.sleep(0.001)
                    children[0].send_signal(signal.SIGCONT)
                    time.sleep(0.003)
                    stopped += 1
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        assert process.returncode == 0, said
    assert stopped > 50  # it was in the middle of its calls


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_an_ordinary_user_measures_everything() -> None:
    somebody = as_nobody(str(core_path()), "null")
    for way in WAYS:
        need(way)
        done = subprocess.run([*somebody, ID, f"way={way}", "ops=20", "samples=3"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def refuse(number: int) -> None:
    """A seccomp filter of this process, for good: that call is refused with EPERM, every other one is allowed."""
    rows = ((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *row) for row in rows))
    program = struct.pack("HxxxxxxP", len(rows), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def test_what_a_sandbox_forbids_is_skipped_with_its_cure_and_the_sandbox_is_said(tmp_path: Path) -> None:
    need("cached")
    liebench = str(Path(sys.executable).parent / "liebench")
    command = [liebench, "run", ID, "--budget", "8", "--json", "--out", str(tmp_path)]
    number = 101 if X86 else 117  # ptrace
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=lambda: refuse(number))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    doc = read_run(Path(said["run"]))
    row = doc["probes"][ID]
    assert row["state"] == "measured", row
    assert "ptrace" not in said["verdicts"][ID]["cases"]
    assert {"container", "notify", "cached"} <= set(said["verdicts"][ID]["cases"])
    left = row["left_out"]["ptrace"]
    assert "cannot be traced: Operation not permitted" in left["needs"]
    assert "without a tracer" in left["cure"]
    assert doc["host"]["process"]["seccomp"] == 2
    verdicts = judge_run(doc, JUDGES)
    assert [c for c in verdicts.controls if c.status == "failed"] == []
    inherited = (HOST.facts["process"]["filters"] or 0) + 1
    if doc["host"]["process"]["filters"] is not None:
        assert doc["host"]["process"]["filters"] == inherited
        assert f"{inherited} seccomp filter" in delivers(verdicts.probes[ID], host_with(process=doc["host"]["process"]))
    assert doc["receipt"]["difference"] == []


def test_the_status_of_this_process_is_read(tmp_path: Path) -> None:
    status = tmp_path / "proc/self/status"
    status.parent.mkdir(parents=True)
    assert set(facts(Reader(tmp_path)).values()) == {None}
    status.write_text("TracerPid:\t7\nSeccomp:\t2\nSeccomp_filters:\t3\nSpeculation_Store_Bypass:\tthread mitigated\n")
    assert facts(Reader(tmp_path)) == {"seccomp": 2, "filters": 3, "tracer": 7, "store_bypass": "thread mitigated"}


BARE = {"seccomp": 0, "filters": 0, "tracer": 0, "store_bypass": None}


@pytest.mark.parametrize(
    ("process", "kernel", "says"),
    [
        (BARE, {}, "no seccomp filter above it"),
        (BARE | {"seccomp": 2, "filters": 1}, {}, "1 seccomp filter above it, which no arm here is free of"),
        (BARE | {"seccomp": 2, "filters": None}, {}, "seccomp filters above it"),  # before Linux 5.9
        (BARE | {"tracer": 77}, {}, "process 77 tracing it"),
        (BARE | {"store_bypass": "thread force mitigated"}, {}, "speculative store bypass: thread force mitigated"),
        (BARE, {"cmdline": "quiet audit=1 ro"}, "audit=1 on the kernel's command line"),
        (BARE, {"release": "4.19.0-gvisor"}, "the kernel calls itself gVisor"),
    ],
)
def test_what_this_process_is_under_is_said(process: dict[str, object], kernel: dict[str, str], says: str) -> None:
    assert says in under(host_with(process=process, kernel={"cmdline": "", "release": "6.1"} | kernel))


def costs(**ratios: float) -> Verdict:
    """A verdict whose cases are so many times dearer than a call of 100 ns."""
    word = {name: Word.COSTLY if ratio > 2 else Word.HARMLESS for name, ratio in ratios.items()}
    names = {name: name.replace("_", "-") for name in ratios}
    cases = {
        names[n]: Verdict(word=word[n], value=ratio, promised=100.0, delivered=100 * ratio)
        for n, ratio in ratios.items()
    }
    return Verdict(word=Word.COSTLY, value=3.0, cases=cases)


def test_what_a_call_costs_is_said_in_its_own_unit() -> None:
    said = delivers(costs(container=1.4, notify=35, notify_other=400), host_with(process=BARE))
    assert said.startswith(
        "A system call takes 100 ns here, 140 ns below a container's filter, 3.5 us where a supervisor on the same"
    )
    assert "40 us where one on another processor does" in said
    assert delivers(Verdict(word=Word.INCONCLUSIVE), host_with(process=BARE)).startswith("Not enough was measured")


def test_advice_only_where_it_was_measured_to_be_costly() -> None:
    stacked, alone = host_with(process=BARE | {"filters": 5}), host_with(process=BARE)

    def proposed(verdict: Verdict, host: Host = alone) -> list[str]:
        return [p.change for p in advise(verdict, host)]

    assert proposed(costs(container=1.4, notify=1.5, notify_other=1.9, ptrace=1.5, stacked=1.8), stacked) == []
    assert proposed(costs(stacked=3), stacked) == ["fewer-filters"]
    assert proposed(costs(stacked=3), alone) == []  # no filter here, nothing to merge
    assert proposed(costs(notify=30, notify_other=300), stacked) == ["supervisor-place"]
    assert proposed(costs(notify=30, notify_other=300)) == []  # no filter here, so no supervisor
    assert proposed(costs(notify=30, notify_other=33), stacked) == []  # moving it would win next to nothing
    assert proposed(costs(ptrace=100), host_with(process=BARE | {"tracer": 1})) == ["no-tracer"]
    assert proposed(costs(ptrace=100)) == []
    assert "here are 5" in advise(costs(stacked=3), stacked)[0].why
