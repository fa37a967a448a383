"""What may be used, read and measured inside limits of ours; programs that are asked, also ones that misbehave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from live import PROBES, Bench, host_with, left_behind

from liebench.advise import advise_run
from liebench.contract import Arm, Rep, Turn, Verdict, Word
from liebench.errors import StageRefused, ToolFailed
from liebench.facts import limits
from liebench.facts.limits import allowed, view
from liebench.facts.reader import Reader
from liebench.host import Host, read_host
from liebench.journal import recover
from liebench.probes.container_facts import bench as facts_bench
from liebench.probes.container_facts.verdict import groups, load, rated, spoken, whole
from liebench.stage import believers
from liebench.stage.believers import BELIEVERS, CPUS, HEAP, MEMORY, Believer, Question, ask, said
from liebench.stage.cgroup import Limits, home, nested, quota

HOST = read_host()
CPU_GROUP = pytest.mark.skipif(home(HOST.root, "cpu") is None, reason="needs a CPU control group of our own")
MEMORY_GROUP = pytest.mark.skipif(home(HOST.root, "memory") is None, reason="needs a memory control group of our own")
TWO = pytest.mark.skipif(len(HOST.processors) < 2, reason="needs two CPUs")
UNLIMITED = HOST.facts["limits"]["cpus"] is None and HOST.facts["limits"]["memory_mib"] is None
TRIES = 6
MIB = 1 << 20


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench("container-facts", HOST, tmp_path)


def before_others(*groups: Path) -> None:
    """The most weight there is: what else runs here shall not take what the quota leaves."""
    for group in groups:
        for file, most in (("cpu.shares", 262144), ("cpu.weight", 10000)):
            if (group / file).exists():
                (group / file).write_text(str(most))


# ---- what control groups allow, from trees of both versions ----

TWO_MOUNT = "30 23 0:26 {root} /sys/fs/cgroup rw - cgroup2 cgroup2 rw"
ONE_MOUNTS = (
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
)
ONE = ("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory")


def tree(folder: Path, files: dict[str, str]) -> Reader:
    for path, text in files.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text + "\n")
    return Reader(folder)


def version_two(own: str, root: str = "/", **files: str) -> dict[str, str]:
    """``a__b__cpu_max`` is the file cpu.max of the group a/b."""
    found = {"/proc/self/cgroup": f"0::{own}", "/proc/self/mountinfo": TWO_MOUNT.format(root=root)}
    for name, text in files.items():
        *parts, file = name.split("__")
        found["/".join(["/sys/fs/cgroup", *parts, file.replace("_", ".", 1)])] = text
    return found


def version_one(own: str, cpu: dict[str, str], memory: dict[str, str], root: str = "/") -> dict[str, str]:
    found = {
        "/proc/self/cgroup": f"4:cpu,cpuacct:{own}\n3:memory:{own}\n1:name=systemd:/elsewhere",
        "/proc/self/mountinfo": ONE_MOUNTS.format(root=root),
        f"{ONE[0]}/cpu.stat": "",
        f"{ONE[1]}/memory.limit_in_bytes": "9223372036854771712",
    }
    for group, share in cpu.items():
        found[f"{ONE[0]}{group}/cpu.cfs_quota_us"] = share
        found[f"{ONE[0]}{group}/cpu.cfs_period_us"] = "100000"
    return found | {f"{ONE[1]}{group}/memory.limit_in_bytes": text for group, text in memory.items()}


@pytest.mark.parametrize(
    ("parent", "leaf", "expected"),
    [
        ("max", "50000", 0.5),
        ("50000", "max", 0.5),
        ("150000", "50000", 0.5),
        ("50000", "150000", 0.5),
        ("150000", "150000", 1.5),
        ("max", "max", None),
        ("rubbish", "50000", 0.5),
        ("-7", "50000", 0.5),
        ("", "rubbish", None),
    ],
)
def test_the_smallest_quota_on_the_way_up_is_in_force(
    tmp_path: Path, parent: str, leaf: str, expected: float | None
) -> None:
    two = version_two("/pod/box", pod__cpu_max=f"{parent} 100000", pod__box__cpu_max=f"{leaf} 100000")
    assert allowed(tree(tmp_path / "two", two)).cpus == expected
    one = version_one("/pod/box", {"/pod": parent.replace("max", "-1"), "/pod/box": leaf.replace("max", "-1")}, {})
    found = allowed(tree(tmp_path / "one", one))
    assert found.cpus == expected
    if expected is not None:
        where = "/pod/box/" if leaf in ("50000", "150000") and parent != "50000" else "/pod/"
        assert where in found.cpus_by
        assert found.period_us == 100000


@pytest.mark.parametrize(
    ("parent", "leaf", "expected"),
    [
        ("max", str(256 * MIB), 256),
        (str(256 * MIB), "max", 256),
        (str(512 * MIB), str(256 * MIB), 256),
        (str(256 * MIB), str(512 * MIB), 256),
        ("max", "max", None),
        ("rubbish", "-1", None),
    ],
)
def test_the_smallest_memory_limit_on_the_way_up_is_in_force(
    tmp_path: Path, parent: str, leaf: str, expected: int | None
) -> None:
    most = None if expected is None else expected * MIB
    two = version_two("/pod/box", pod__memory_max=parent, pod__box__memory_max=leaf)
    assert allowed(tree(tmp_path / "two", two)).memory == most
    none = "9223372036854771712"
    one = version_one("/pod/box", {}, {"/pod": parent.replace("max", none), "/pod/box": leaf.replace("max", none)})
    assert allowed(tree(tmp_path / "one", one)).memory == most


def test_a_mount_that_begins_at_the_container_and_a_group_below_it(tmp_path: Path) -> None:
    """Docker with version 1: /proc/self/cgroup tells the host's path, the mount holds the container's part."""
    files = version_one("/docker/abc/in", {"": "150000", "/in": "-1"}, {"/in": str(64 * MIB)}, root="/docker/abc")
    reader = tree(tmp_path, files)
    assert (allowed(reader).cpus, allowed(reader).memory) == (1.5, 64 * MIB)
    assert view(reader)["cpu"] == {"group": "/sys/fs/cgroup/cpu,cpuacct", "top": "hidden"}


def test_a_mount_of_somebody_elses_part_says_nothing_about_us(tmp_path: Path) -> None:
    files = version_two("/docker/abc", root="/docker/other", cpu_max="50000 100000", memory_max=str(MIB))
    assert allowed(tree(tmp_path, files)) == limits.Allowed()
    outside = version_two("/../abc", cpu_max="50000 100000")
    assert allowed(tree(tmp_path / "outside", outside)).cpus is None


def test_controllers_are_found_where_they_are_mounted(tmp_path: Path) -> None:
    """Hybrid: processor time in version 1, memory in version 2, which is mounted beside it and listed first."""
    files = version_one("/a", {"/a": "50000"}, {}) | {
        "/proc/self/cgroup": "4:cpu,cpuacct:/a\n0::/b",
        "/proc/self/mountinfo": f"{TWO_MOUNT.format(root='/').replace('/cgroup ', '/cgroup/unified ', 1)}\n"
        + ONE_MOUNTS.format(root="/"),
        "/sys/fs/cgroup/unified/b/memory.max": str(64 * MIB),
        "/sys/fs/cgroup/unified/b/memory.high": str(32 * MIB),
        "/sys/fs/cgroup/unified/b/cpuset.cpus.effective": "0-2,5",
    }
    found = allowed(tree(tmp_path, files))
    assert (found.cpus, found.memory, found.high, found.cpuset) == (0.5, 64 * MIB, 32 * MIB, 4)


def test_version_1_tells_of_limits_above_what_is_mounted(tmp_path: Path) -> None:
    files = version_one("/docker/abc", {}, {"": str(512 * MIB)}, root="/docker/abc")
    files |= {f"{ONE[1]}/memory.stat": f"cache 0\nhierarchical_memory_limit {256 * MIB}"}
    found = allowed(tree(tmp_path, files))
    assert (found.memory, found.memory_by) == (256 * MIB, f"{ONE[1]}/memory.stat")


def test_whether_all_groups_above_can_be_seen(tmp_path: Path) -> None:
    host = {"cpu.stat": "", "memory.stat": "", "cgroup.procs": ""}
    files = {f"/sys/fs/cgroup/{name}": text for name, text in host.items()}
    whole_tree = tree(tmp_path / "whole", version_two("/") | files)
    assert groups(view(whole_tree))["value"] == "whole"
    inside = tree(tmp_path / "inside", version_two("/") | files | {"/sys/fs/cgroup/cgroup.type": "domain"})
    assert groups(view(inside))["value"] == "hidden"
    empty = tree(tmp_path / "empty", {"/proc/self/cgroup": "0::/"})
    assert groups(view(empty))["value"] == "none"
    assert allowed(empty) == limits.Allowed()
    assert allowed(Reader(tmp_path / "nothing")) == limits.Allowed()


# ---- limits of ours, as the kernel keeps them ----

PLACES = {
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
    cpus, used = ",".join(map(str, HOST.processors[:2])), []
    for _ in range(TRIES):
        with nested(bench.stage, *PLACES[place](Limits(share))) as made:
            before_others(made[0], made[0].parent)
            turn = Turn(Arm("busy"), "busy")
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
    measured = Rep({"cpus": [used], "idle": [idle]}, facts={"memory": 1 << 30})  # type: ignore[list-item]
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
from live import Bench
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
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
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


# ---- programs that are asked ----


def counted(name: str, **more: Any) -> dict[str, int]:
    return {b.says: b.number for b in ask(HOST, BELIEVERS[name], **more)}


def here(name: str) -> None:
    if not BELIEVERS[name].here(HOST):
        pytest.skip(f"needs {BELIEVERS[name].need.what}")


@pytest.mark.parametrize("name", BELIEVERS)
def test_every_believer_of_this_host_answers_with_plausible_numbers(name: str) -> None:
    here(name)
    online = HOST.facts["cpu"]["online"]
    for belief in ask(HOST, BELIEVERS[name]):
        most = online if belief.of == CPUS else 2 << 50
        assert 1 <= belief.number <= most
        assert belief.of == CPUS or belief.number > 64 * MIB


@TWO
@pytest.mark.parametrize(
    ("name", "says", "obeys"),
    [
        ("nproc", "nproc", True),
        ("sysconf", "sysconf(_SC_NPROCESSORS_ONLN)", False),  # glibc: online; musl counts the affinity
        ("python", "Python's os.cpu_count()", False),
        ("java", "the JVM", True),
        ("node", "Node's os.availableParallelism()", True),
        ("node", "Node's os.cpus()", False),
        ("go", "Go's GOMAXPROCS", True),
    ],
)
def test_who_counts_the_affinity_and_who_does_not(name: str, says: str, obeys: bool) -> None:
    here(name)
    found = {b.says: b.number for b in ask(HOST, BELIEVERS[name], (), HOST.processors[:1]) if b.of == CPUS}
    if says not in found or (name == "sysconf" and found[says] == 1):
        pytest.skip("needs a version of it that makes the difference")
    assert found[says] == (1 if obeys else HOST.facts["cpu"]["online"])


@CPU_GROUP
@MEMORY_GROUP
def test_the_jvm_reads_the_quota_of_its_own_group(bench: Bench) -> None:
    here("java")
    with nested(bench.stage, Limits(), Limits(1.0, 256)) as made:
        found = {b.of: b.number for b in ask(HOST, BELIEVERS["java"], made)}
    assert (found[CPUS], found[MEMORY]) == (1, 256 * MIB)
    assert found[HEAP] < 256 * MIB


def scripted(folder: Path, text: str, mode: int = 0o755) -> Host:
    """A host whose only program is ours, by the name of nproc."""
    script = folder / "usr/bin/nproc"
    script.parent.mkdir(parents=True)
    script.write_text(text)
    script.chmod(mode)
    return Host(HOST.facts, folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\necho what\n", "nothing that can be read: 'what"),
        ("#!/bin/sh\necho 0\n", "nothing that can be read"),
        ("#!/bin/sh\necho -3\n", "nothing that can be read"),
        ("#!/bin/sh\nprintf '\\377\\376\\000'\n", "nothing that can be read"),
        ("#!/bin/sh\n", "nothing that can be read: ''"),
        ("#!/bin/sh\necho 4; echo no memory >&2; exit 3\n", "status 3: no memory"),
        ("#!/bin/sh\nkill -9 $$\n", "status -9"),
        ("#!/bin/sh\nexec yes 4\n", "status -25"),
        ("no program at all", "cannot be started"),
        ("#!/does/not/exist\n", "cannot be started"),
    ],
)
def test_a_program_that_does_not_answer_is_unknown(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ToolFailed, match=why):
        ask(scripted(tmp_path, text), BELIEVERS["nproc"])


def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(believers, "PATIENCE_S", 0.5)
    host = scripted(tmp_path, f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid; echo 4; wait\n")
    began = time.monotonic()
    with pytest.raises(ToolFailed, match=r"did not end within 0\.5 s"):
        ask(host, BELIEVERS["nproc"])
    assert time.monotonic() - began < 10
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_child_that_outlives_its_program_is_ended_too(tmp_path: Path) -> None:
    host = scripted(tmp_path, f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid\necho 4\n")
    assert [b.number for b in ask(host, BELIEVERS["nproc"])] == [4]
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(pid: int) -> bool:
    """Ended, though perhaps not yet waited for by whoever inherited it."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_where_one_way_to_ask_is_silent_the_next_is_tried(tmp_path: Path) -> None:
    host = scripted(tmp_path, "#!/bin/sh\necho 5 $1\n")
    ways = (("missing",), ("nproc", "silent"), ("nproc", "CPUs"))
    found = ask(host, Believer("x", ways, (Question("x", CPUS, r"(\d+) CPUs"),), ""))
    assert [b.number for b in found] == [5]
    with pytest.raises(ToolFailed, match="not in the usual folders"):
        ask(host, BELIEVERS["java"])


def test_a_believer_gets_the_settings_of_runtimes_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMAXPROCS", "3")
    monkeypatch.setenv("LIEBENCH_SECRET", "hunter2")
    host = scripted(tmp_path, "#!/bin/sh\nexec env\n")
    names = {line.partition("=")[0] for line in said([str(host.root / "usr/bin/nproc")], {}, ()).splitlines()}
    assert "GOMAXPROCS" in names
    assert names <= {*believers.ENVIRONMENT, *believers.SETTINGS, "PWD", "SHLVL", "_", "OLDPWD"}


def test_a_runtime_that_was_told_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    here("nproc")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert counted("nproc") == {"nproc": 1}


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
    return Verdict(Word.COSTLY, cases=found)


def test_without_limits_everybody_is_right(bench: Bench) -> None:
    if not UNLIMITED:
        pytest.skip("needs a host without a quota and without a memory limit")
    names = [n for n in ("kernel", "sysconf", "nproc", "python") if BELIEVERS[n].here(HOST)]
    verdict = cases_of(bench, *names, "groups")
    if len(HOST.processors) == HOST.facts["cpu"]["online"]:
        assert {v.word for n, v in verdict.cases.items() if n != "groups"} == {Word.HONEST}
        assert (
            advise_run(HOST, {"container-facts": verdict}, {"container-facts": PROBES["container-facts"].probe}) == []
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
        "kernel": Verdict(Word.COSTLY, term="CPUs, memory"),
        "python": Verdict(Word.COSTLY, term="CPUs"),
        "java": Verdict(Word.COSTLY, term="heap"),
        "nproc": Verdict(Word.HONEST),
        "limited": Verdict(Word.COSTLY, term="CPUs, memory, heap"),
    }
    probe = {"container-facts": PROBES["container-facts"].probe}
    advice = {a.change: a for a in advise_run(host, {"container-facts": Verdict(Word.COSTLY, cases=wrong)}, probe)}
    assert set(advice) == {"cpu-count-of-python", "heap-of-java", "lxcfs"}
    assert "export PYTHON_CPU_COUNT=2 " in advice["cpu-count-of-python"].how
    assert "-Xmx3072m" in advice["heap-of-java"].how
    assert "1.5 CPUs" in advice["cpu-count-of-python"].why
    text = probe["container-facts"].delivers(Verdict(Word.COSTLY, cases=wrong), host)  # type: ignore[misc]
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
