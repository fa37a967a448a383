"""What may be used, read and measured inside limits of ours, and what is made of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from liebench.advice.advise import advise_run
from liebench.contract import Arm, Rep, Turn, Verdict, Word
from liebench.errors import StageRefused
from liebench.facts import limits
from liebench.facts.limits import allowed
from liebench.facts.reader import Reader
from liebench.host import read_host
from liebench.probes.container_facts import bench as facts_bench
from liebench.probes.container_facts.verdict import load, rated, spoken, whole
from liebench.stage.believers import BELIEVERS, CPUS, HEAP, MEMORY, said
from liebench.stage.cgroup import Limits, home, nested, quota
from liebench.stage.recovery import recover

from tests.helpers.live import CPU_GROUP, MEMORY_GROUP, PROBES, TWO, Bench, before_others, here, host_with, left_behind

pytestmark = pytest.mark.machine

HOST = read_host()
UNLIMITED = HOST.facts["limits"]["cpus"] is None and HOST.facts["limits"]["memory_mib"] is None
TRIES = 6
MIB = 1 << 20


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench("container-facts", HOST, tmp_path)


# ---- limits of ours, as the kernel keeps them ----

PLACES: dict[str, Callable[[Limits], tuple[Limits, Limits]]] = {
    "leaf": lambda value: (Limits(), value),
    "parent": lambda value: (value, Limits()),
    "both": lambda value: (Limits(2.0, 512), value),
}


def inside(bench: Bench, groups: tuple[Path, ...]) -> limits.Allowed:
    return allowed(Reader(), said(("/bin/cat", "/proc/self/cgroup"), {}, groups))


@CPU_GROUP
@MEMORY_GROUP
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("share", [0.5, 1.5])
def test_a_process_inside_reads_the_smallest(bench: Bench, place: str, share: float) -> None:
    with nested(bench.stage, *PLACES[place](Limits(share, 256))) as made:
        found = inside(bench, made)
        assert (found.cpus, found.memory) == (share, 256 * MIB)
        assert bench.stage.group == made[0]
    assert bench.stage.group is None
    assert left_behind(Path("/nowhere")) == []


@CPU_GROUP
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("share", [0.5, pytest.param(1.5, marks=TWO)])
def test_busy_threads_use_a_quota_within_three_percent(bench: Bench, place: str, share: float) -> None:
    """Whoever else works here is asked to wait; if somebody does not, the repetition is a window of somebody else's."""
    cpus, used = ",".join(map(str, HOST.processors[:2])), list[float]()
    for _ in range(TRIES):
        with nested(bench.stage, *PLACES[place](Limits(share))) as made:
            before_others(made[0], made[0].parent)
            turn = Turn(Arm(id="busy"), "busy")
            rep = bench.stage.core("container-facts", turn, on=cpus, window_ms=1000, warm_ms=40, samples=1)
        used += rep.samples["cpus"]
        if abs(median(used) / share - 1) < 0.03:
            break
    assert median(used) == pytest.approx(share, rel=0.03), used


@CPU_GROUP
def test_a_quota_above_that_nobody_shows_is_felt(bench: Bench) -> None:
    """Our own files allow every CPU; the core is in a group with half of them, and goes before everybody else.

    Beside neighbours the rest of the CPUs is not idle, and the repetitions are void: here they speak all the same.
    """
    for _ in range(TRIES):
        with quota(bench.stage, len(HOST.processors) / 2) as made:
            before_others(made)
            document = bench.document("used", 12)
        for block in document["blocks"]:
            block["reps"]["used"]["flags"] = []
        found = bench.judged(document)
        if found.value == pytest.approx(0.5, abs=0.05) and found.word is Word.COSTLY:
            break
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.word is Word.COSTLY
    assert "cannot be seen" in found.why


@pytest.mark.parametrize(
    ("used", "idle", "is_void"),
    [(1.0, 0.0, True), (1.0, 0.2, True), (1.0, 0.9, False), (1.97, 0.0, False), (2.02, 0.0, False), (1.0, None, False)],
)
def test_what_others_had_says_nothing_about_limits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, used: float, idle: float | None, is_void: bool
) -> None:
    measured = Rep(samples={"cpus": [used], "idle": [idle]}, facts={"memory": 1 << 30})  # type: ignore[list-item]
    monkeypatch.setattr(type(bench.stage), "core", lambda *_, **__: measured)
    monkeypatch.setattr(type(HOST), "processors", (0, 1))
    case = next(c for c in bench.part.cases if c.id == "used")
    reps = facts_bench.Bench(bench.stage).once(case, [Turn(a, a.id) for a in case.arms])
    assert is_void == any(flag.startswith("VOID") for flag in reps["used"].flags)


@CPU_GROUP
def test_version_1_refuses_a_leaf_above_its_parent_and_nothing_is_left(bench: Bench, tmp_path: Path) -> None:
    found = home(HOST.root, "cpu")
    assert found is not None
    if found[1]:
        pytest.skip("needs control groups of version 1")
    with (
        pytest.raises(StageRefused, match=r"the kernel refuses cpu.cfs_quota_us"),
        nested(bench.stage, Limits(0.5), Limits(1.5)),
    ):
        raise AssertionError
    assert left_behind(tmp_path) == []


KILLED = """
import os, signal, sys
sys.path[:0] = [{tests!r}]
from pathlib import Path
from tests.helpers.live import Bench
from liebench.host import read_host
from liebench.stage.cgroup import Limits, nested
bench = Bench("container-facts", read_host(), Path({folder!r}))
with nested(bench.stage, Limits(0.5, 256), Limits()) as made:
    for group in made:
        (group / "cgroup.procs").write_text("0")
    print(*made, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@CPU_GROUP
@MEMORY_GROUP
def test_what_a_kill_leaves_the_next_start_takes_back(tmp_path: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parents[2]), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    made = [Path(word) for word in done.stdout.split()]
    assert made
    assert all(group.is_dir() for group in made)
    said_back = recover(tmp_path, "test")
    assert len(said_back) == 2 * len(made)
    assert not [g for group in made for g in (group, group.parent) if g.exists()]


def test_groups_within_groups_are_not_made_undeclared(tmp_path: Path) -> None:
    other = Bench("clock-read", HOST, tmp_path).stage
    with pytest.raises(StageRefused, match="not declared"), nested(other, Limits(0.5), Limits()):
        raise AssertionError


# ---- words ----


@pytest.mark.parametrize(
    ("of", "claimed", "value"),
    [
        (CPUS, 2, "right"),  # 1.5 CPUs are 2 workers
        (CPUS, 1, "right"),
        (CPUS, 3, "more"),
        (CPUS, 4, "far more"),
        (CPUS, 64, "far more"),
        (MEMORY, 4 << 30, "right"),
        (MEMORY, int(1.01 * (4 << 30)), "right"),
        (MEMORY, int(1.1 * (4 << 30)), "far more"),
        (MEMORY, 1 << 30, "right"),
        (HEAP, 2 << 30, "right"),
        (HEAP, int(0.9 * (4 << 30)), "more"),
        (HEAP, 5 << 30, "far more"),
    ],
)
def test_what_a_number_is_worth(of: str, claimed: int, value: str) -> None:
    facts = rated([("x", of, claimed)], 1.5, 4 << 30)
    assert facts["value"] == value
    worst = rated([("x", of, claimed), ("y", CPUS, 9)], 1.5, 4 << 30)
    assert worst["value"] == "far more"


def test_too_few_and_none_at_all() -> None:
    assert rated([("x", CPUS, 1)], 8, 1)["value"] == "fewer"
    assert rated([], 8, 1)["value"] == "unknown"
    assert [whole(n) for n in (0.2, 1, 1.5, 2.0000000001)] == [1, 1, 2, 2]


def test_who_says_the_same_is_named_together() -> None:
    facts = rated([("nproc", CPUS, 64), ("sysconf", CPUS, 64), ("/proc/meminfo", MEMORY, 256 << 30)], 0.5, 4 << 30)
    assert spoken(facts["claims"]) == "nproc, sysconf: 64 of 0.5 CPUs; /proc/meminfo: 256 GiB of 4 GiB"


@pytest.mark.parametrize(
    ("text", "seen", "value"),
    [
        ("0.1 0.2 0.3 2/300 77", 295, "ours"),
        ("0.1 0.2 0.3 2/300 77", 3, "theirs"),
        ("0.1 0.2 0.3 1/9 77", 3, "ours"),  # a few come and go
        ("rubbish", 3, "unknown"),
        ("0.1 0.2 0.3 2/300 77", 0, "unknown"),
        (None, 3, "unknown"),
    ],
)
def test_of_whom_the_load_average_speaks(text: str | None, seen: int, value: str) -> None:
    assert load(text, seen)["value"] == value


def cases_of(bench: Bench, *names: str) -> Verdict:
    found = {name: bench.verdict(name, 1) for name in names}
    return Verdict(word=Word.COSTLY, cases=found)


def test_without_limits_everybody_is_right(bench: Bench) -> None:
    if not UNLIMITED:
        pytest.skip("needs a host without a quota and without a memory limit")
    names = [n for n in ("kernel", "sysconf", "nproc", "python") if BELIEVERS[n].here(HOST)]
    verdict = cases_of(bench, *names, "groups")
    if len(HOST.processors) == HOST.facts["cpu"]["online"]:
        assert {v.word for n, v in verdict.cases.items() if n != "groups"} == {Word.HONEST}
        assert (
            advise_run(HOST, {"container-facts": verdict}, {"container-facts": PROBES["container-facts"].probe}).advice
            == ()
        )


def test_twice_as_many_are_found_as_two(bench: Bench) -> None:
    found = bench.control("times=2", 1)
    assert (found.status, found.value) == ("shown", 2.0)
    document = bench.document("ours", 1)
    assert bench.judged(document).word is Word.HONEST
    assert document["blocks"][0]["reps"]["seen"]["samples"] == {"times": []}


@CPU_GROUP
@MEMORY_GROUP
def test_inside_a_group_of_ours_those_who_ignore_it_are_named(bench: Bench, tmp_path: Path) -> None:
    here("sysconf")
    found = bench.verdict("limited", 1)
    if HOST.facts["cpu"]["online"] > 1:
        assert found.word is Word.COSTLY
        assert "sysconf(_SC_NPROCESSORS_ONLN)" in found.why
        assert "of 0.5 CPUs" in found.why
    assert "/proc/meminfo" in found.why
    assert "of 256 MiB" in found.why
    assert left_behind(tmp_path) == []


def test_advice_names_the_settings_of_those_who_are_wrong_and_of_nobody_else() -> None:
    host = host_with(limits={"cpus": 1.5, "memory_mib": 4096}, cpu={"usable": list(range(64))})
    wrong = {
        "kernel": Verdict(word=Word.COSTLY, term="CPUs, memory"),
        "python": Verdict(word=Word.COSTLY, term="CPUs"),
        "java": Verdict(word=Word.COSTLY, term="heap"),
        "nproc": Verdict(word=Word.HONEST),
        "limited": Verdict(word=Word.COSTLY, term="CPUs, memory, heap"),
    }
    probe = {"container-facts": PROBES["container-facts"].probe}
    given = advise_run(host, {"container-facts": Verdict(word=Word.COSTLY, cases=wrong)}, probe)
    advice = {a.change: a for a in given.advice}
    assert given.said == ()
    assert set(advice) == {"cpu-count-of-python", "heap-of-java", "lxcfs"}
    assert "export PYTHON_CPU_COUNT=2 " in advice["cpu-count-of-python"].how
    assert "-Xmx3072m" in advice["heap-of-java"].how
    assert "1.5 CPUs" in advice["cpu-count-of-python"].why
    text = probe["container-facts"].delivers(Verdict(word=Word.COSTLY, cases=wrong), host)  # type: ignore[misc]
    assert text.startswith("1.5 CPUs and 4 GiB may be used here")


def test_a_list_of_processors_that_is_none_is_refused() -> None:
    from liebench.core import core_path

    for on in ("x", "0,", "0,,1", "-1", "0-1"):
        done = subprocess.run([core_path(), "container-facts", f"on={on}"], capture_output=True, text=True, check=False)
        assert done.returncode == (0 if on == "0," else 2), on
        assert on == "0," or "CPUs such as 0,2,3" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_else_is_asked_without_root(bench: Bench, tmp_path: Path) -> None:
    """Every headline question needs no permission; what needs a group says so."""
    script = (
        "import os; os.setgid(65534); os.setuid(65534)\n"
        "from liebench.host import read_host; from liebench.stage.believers import *\n"
        "from liebench.probes.container_facts.probe import PROBE\n"
        "host = read_host()\n"
        "assert all(ask(host, b) for b in map(BELIEVERS.get, ('kernel', 'sysconf', 'nproc')) if b.here(host))\n"
        "unmet = {c.id for c in PROBE.cases(host, {}) for n in c.needs if not n.met(host)}\n"
        "print(*sorted(unmet & {'limited', 'leaf', 'parent'}))\n"
    )
    warm = "import liebench.probes.container_facts.probe, liebench.host, encodings.idna\n"
    done = subprocess.run([sys.executable, "-c", warm + script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["leaf", "limited", "parent"]
