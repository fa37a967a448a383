"""Control groups where version 2 is the only one: limits of ours, what they do as the kernel counts it, containers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.contract import Arm, Touches, Turn
from liebench.facts.limits import Allowed, allowed, view
from liebench.facts.reader import Reader
from liebench.host import read_host
from liebench.probes.container_facts.verdict import groups
from liebench.probes.swap_cache.bench import by_reclaim, per_group
from liebench.stage.believers import said
from liebench.stage.cgroup import MEMORY, PERIOD_US, Limits, home, memory, nested, quota
from liebench.stage.container import CONTAINERS, container
from liebench.stage.core import entering

from tests.helpers.live import Bench, left_behind

pytestmark = pytest.mark.guest
HOST = read_host()
TOP = Path("/sys/fs/cgroup")
MIB = 1 << 20
X = Turn(Arm(id="x"), "x")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench("container-facts", HOST, tmp_path)
    found.stage.touches = (*found.stage.touches, Touches(other=(MEMORY, CONTAINERS)))
    yield found
    assert left_behind(tmp_path) == []


def counted(file: Path) -> dict[str, int]:
    return {key: int(value) for key, value in (line.split() for line in file.read_text().splitlines())}


def inside(made: tuple[Path, ...]) -> Allowed:
    return allowed(Reader(), said(("/bin/cat", "/proc/self/cgroup"), {}, made))


def test_version_2_is_found_and_nothing_of_version_1() -> None:
    assert HOST.facts["limits"]["cgroup"] == "v2"
    assert [home(HOST.root, name) for name in ("cpu", "memory", "none")] == [(TOP, True), (TOP, True), None]
    assert not per_group(HOST)
    assert groups(view(Reader()))["value"] == "whole"


@pytest.mark.parametrize("where", ["leaf", "parent"])
def test_a_process_inside_reads_the_smallest(bench: Bench, where: str) -> None:
    limit, none = Limits(0.5, 256), Limits()
    with nested(bench.stage, *((none, limit) if where == "leaf" else (limit, none))) as made:
        assert len(made) == 1
        found = inside(made)
        group = made[0] if where == "leaf" else made[0].parent
        assert (found.cpus, found.cpus_by) == (0.5, str(group / "cpu.max"))
        assert (found.memory, found.memory_by) == (256 * MIB, str(group / "memory.max"))
        assert found.period_us == PERIOD_US
    assert not made[0].parent.exists()


def test_version_2_takes_a_leaf_above_its_parent_and_the_parent_counts(bench: Bench) -> None:
    with nested(bench.stage, Limits(0.5, 64), Limits(1.5, 256)) as made:
        found = inside(made)
    assert (found.cpus, found.memory) == (0.5, 64 * MIB)


def test_memory_that_is_throttled_is_read(bench: Bench) -> None:
    with nested(bench.stage, Limits(mib=256), Limits()) as made:
        (made[0] / "memory.high").write_text(str(32 * MIB))
        found = inside(made)
        assert (found.high, found.high_by) == (32 * MIB, str(made[0] / "memory.high"))


def test_a_quota_throttles_and_what_is_used_is_the_quota(bench: Bench) -> None:
    """In every period half of it, by the kernel's own count; at most a slice more on each of two processors."""
    with quota(bench.stage, 0.5) as made:
        bench.stage.core("container-facts", X, on="0,1", window_ms=1000, warm_ms=40, samples=1)
        found = counted(made / "cpu.stat")
    assert found["nr_throttled"] >= 10
    assert found["usage_usec"] <= 0.55 * PERIOD_US * (found["nr_periods"] + 1)


def test_who_takes_more_than_its_memory_is_killed_and_counted(bench: Bench) -> None:
    with memory(bench.stage, 32) as made:
        words = [sys.executable, "-S", "-c", "b = bytearray(64 << 20); b[::4096] = b'x' * len(b[::4096])"]
        done = subprocess.run(words, preexec_fn=entering(made), check=False)
        events, peak = counted(made / "memory.events"), int((made / "memory.peak").read_text())
    assert done.returncode == -9
    assert events["oom_kill"] == 1
    assert peak <= 32 * MIB


def test_whether_reclaim_takes_a_swappiness_is_known(bench: Bench) -> None:
    with memory(bench.stage, 32) as made:
        reclaim = made / "memory.reclaim"
        if not reclaim.exists():
            assert not by_reclaim(HOST)
            return
        try:
            fd = os.open(reclaim, os.O_WRONLY)
            os.write(fd, b"1 swappiness=0")
            takes = True
        except OSError as error:
            takes = error.errno != 22  # EINVAL; EAGAIN: it tried, and found too little
        finally:
            os.close(fd)
        assert by_reclaim(HOST) == takes


@pytest.mark.parametrize("kind", ["runc", "crun", "bwrap", "own"])
def test_containers_work_below_version_2(bench: Bench, kind: str) -> None:
    with container(bench.stage, HOST.processors[-1], kind) as found:
        assert found.facts == {"by": kind, "tried": []}
        for work in ("call", "fork", "file"):
            assert len(found.call("place-work", {"work": work, "ops": 2, "samples": 3})["samples"]["ns"]) == 3
        assert len(found.call("net-trip", {"samples": 2})["samples"]["us"]) == 2
    assert not list(TOP.glob(f"**/liebench-{os.getpid()}-*"))
