"""Memory probes: limits of ours, caches of known size, and what must be left when they end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from liebench.contract import Arm, Disturbs, Touches, Turn, Verdict, Word
from liebench.errors import CoreKilled, NeedUnmet, StageRefused
from liebench.host import Host, read_host
from liebench.probes.file_map.probe import crossover
from liebench.probes.swap_cache.bench import by_reclaim, per_group
from liebench.probes.swap_cache.verdict import suggested
from liebench.stage.cgroup import MEMORY, home, memory
from liebench.stage.recovery import recover
from liebench.stage.swap import swapfile

from tests.helpers.live import PROBES, Bench, core, host_with, left_behind, planted

pytestmark = pytest.mark.machine

HOST = read_host()
GROUP = pytest.mark.skipif(home(HOST.root, "memory") is None, reason="needs a memory control group of our own")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@GROUP
def test_who_touches_beyond_the_limit_ends_there(tmp_path: Path) -> None:
    bench = Bench("memory-promise", HOST, tmp_path)
    found = bench.verdict("limit", 12)
    assert found.word is Word.HONEST
    assert found.value == pytest.approx(1, abs=0.03)
    fate = bench.verdict("beyond", 1)
    swap = HOST.facts["memory"]["swap_mib"]
    assert fate.term == ("killed" if not swap else fate.term)
    assert bench.control("limit=48m").value == pytest.approx(0.75, rel=0.03)
    assert left_behind(tmp_path) == []


@ROOT
@GROUP
def test_another_probes_swap_file_is_not_the_hosts(swapping: Bench, tmp_path: Path) -> None:
    """While a rig of ours has swap, a limit ends where it is, and the host's fate is told without that swap."""
    bench = Bench("memory-promise", host_with(memory={"swap_mib": 0}), tmp_path)
    found = bench.verdict("limit", 12)
    assert found.word is Word.HONEST
    assert bench.verdict("beyond", 1).term == "killed"
    assert bench.control("limit=48m").value == pytest.approx(0.75, rel=0.03)


@GROUP
def test_a_smaller_request_is_kept(tmp_path: Path) -> None:
    bench = Bench("memory-promise", HOST, tmp_path)
    with memory(bench.stage, 64):
        rep = bench.stage.core("memory-touch", Turn(Arm(id="x"), "x"), mib=32)
    assert (rep.facts["value"], list(rep.samples["mib"])) == ("kept", [32])


def test_more_is_granted_than_there_is_unless_the_kernel_counts(tmp_path: Path) -> None:
    found = Bench("memory-promise", HOST, tmp_path).verdict("granted", 12)
    strict = Path("/proc/sys/vm/overcommit_memory").read_text().strip() == "2"
    assert found.value is not None
    assert strict or found.value > 1


def test_a_group_that_was_not_declared_is_refused(tmp_path: Path) -> None:
    bench = Bench("clock-read", HOST, tmp_path)
    with pytest.raises(StageRefused, match=MEMORY), memory(bench.stage, 64):
        pass


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Any]:
    """``read(limit, **args)`` -> facts and median of one repetition in a group of ours."""
    bench = Bench("file-map", HOST, tmp_path)
    file = f"{tmp_path}/file"
    bench.stage.core("file-map", Turn(Arm(id="build"), "build"), file=file, file_mib=32, build=1)

    def once(limit: int, **args: str | int) -> tuple[dict[str, Any], float]:
        with memory(bench.stage, limit):
            rep = bench.stage.core("file-map", Turn(Arm(id="x", args=args), "x"), file=file, file_mib=32)
        return dict(rep.facts), median(rep.samples["ns"])

    yield once
    assert left_behind(tmp_path) == []


@GROUP
@pytest.mark.parametrize(("cache", "ws"), [(7, 18), (4, 18), (7, 9)])
def test_an_own_cache_misses_what_does_not_fit(read: Any, cache: int, ws: int) -> None:
    facts, _ = read(24, mode="own-direct", ws_mib=ws, cache_mib=cache, samples=200)
    assert facts["own_misses"] == pytest.approx(1 - cache / ws, abs=0.03)
    assert facts["disk_blocks"] == pytest.approx(facts["own_misses"], abs=0.01)  # O_DIRECT was direct


@GROUP
def test_a_mapping_misses_what_the_limit_does_not_hold(read: Any) -> None:
    facts, _ = read(10, mode="mmap-random", ws_mib=18, cache_mib=1, samples=200)
    assert 1 - 10 / 18 - 0.03 < facts["disk_blocks"] < 1 - 7 / 18  # the process itself needs some of the limit
    whole, _ = read(64, mode="mmap-random", ws_mib=18, cache_mib=1, samples=200)
    assert whole["disk_blocks"] < 0.01


@GROUP
def test_popular_blocks_are_found_more_often(read: Any) -> None:
    uniform, _ = read(24, mode="own-direct", ws_mib=18, cache_mib=7, samples=200)
    zipf, _ = read(24, mode="own-direct", ws_mib=18, cache_mib=7, zipf=1, samples=200)
    assert zipf["own_misses"] < 0.5 * uniform["own_misses"]


@GROUP
def test_readahead_reads_what_nobody_asked_for(read: Any) -> None:
    ahead = int((HOST.read("/sys/class/block/vda/queue/read_ahead_kb") or "128").strip())
    plain, _ = read(10, mode="mmap-random", ws_mib=18, cache_mib=1, samples=20)
    facts, _ = read(10, mode="mmap", ws_mib=18, cache_mib=1, each=1, samples=20)
    assert plain["disk_blocks"] < 1
    if ahead >= 128:
        assert facts["disk_blocks"] > 4


@pytest.mark.parametrize(("dearer", "says"), [(10, 18), (0.5, 133), (1, 100)])
def test_the_kernels_formula(dearer: float, says: float) -> None:
    """Documentation/admin-guide/sysctl/vm.rst: swap twice as fast as the file system is 133, equal is 100."""
    assert suggested(dearer) == pytest.approx(says, abs=0.5)


H, OPEN, HONEST, COST = Word.HELPFUL, Word.INCONCLUSIVE, Word.HONEST, Word.COSTLY


@pytest.mark.parametrize(
    ("spare", "contested", "says"),
    [
        ((H, 200), (HONEST, 100), ["200"]),
        ((H, 100), (H, 100), ["100"]),
        ((H, 200), (H, 0), []),  # each regime wants another: no value suits both
        ((H, 200), (OPEN, 100), []),  # it may lose there
        ((H, 200), (COST, 100), []),
        ((HONEST, 100), (H, 0), ["0"]),
        ((HONEST, 100), (HONEST, 100), []),
    ],
)
def test_a_swappiness_is_advised_where_it_won_and_lost_nothing(spare: Any, contested: Any, says: list[str]) -> None:
    made = zip(("cold-to-spare", "contested"), (spare, contested), strict=True)
    cases = {name: Verdict(word=word, value=0.5, arm=f"swappiness-{value}") for name, (word, value) in made}
    advise = PROBES["swap-cache"].probe.advise
    assert advise is not None
    assert [p.to for p in advise(Verdict(word=Word.HELPFUL, cases=cases), HOST)] == says


def test_swap_of_ours_wants_consent_and_a_declaration(tmp_path: Path) -> None:
    with (
        pytest.raises(StageRefused, match="not declared"),
        swapfile(Bench("clock-read", HOST, tmp_path).stage, tmp_path, 1),
    ):
        pass
    stage = Bench("clock-read", HOST, tmp_path).stage
    stage.touches = (Touches(other=("swap",)),)
    with pytest.raises(StageRefused, match="--disturb neighbours"), swapfile(stage, tmp_path, 1):
        pass


@pytest.fixture
def swapping(tmp_path: Path) -> Iterator[Bench]:
    """A bench of swap-cache with swap: the host's own, else 96 MiB of ours for the length of a test."""
    bench = Bench("swap-cache", HOST, tmp_path, consent=Disturbs.NEIGHBOURS)
    bench.stage.touches = (Touches(other=("swap", MEMORY), disturbs=Disturbs.NEIGHBOURS),)
    with contextlib.ExitStack() as stack:
        if not HOST.facts["memory"]["swap_mib"]:
            try:
                stack.enter_context(swapfile(bench.stage, tmp_path, 96))
            except NeedUnmet as unmet:
                pytest.skip(f"needs {unmet.what}")
        yield bench
    assert not list(tmp_path.glob("*.swap"))
    assert left_behind(tmp_path) == []


@ROOT
@GROUP
@pytest.mark.skipif(not per_group(HOST), reason="needs groups with a swappiness of their own")
def test_at_0_nothing_is_swapped_and_at_200_the_cold_memory_is(swapping: Bench, tmp_path: Path) -> None:
    args: dict[str, str | float] = {"file": f"{tmp_path}/file", "file_mib": 28, "hot_mib": 10, "cold_mib": 24}
    swapping.stage.core("swap-cache", Turn(Arm(id="x"), "x"), build=1, **args)
    swapped = {}
    for value in (0, 200):
        with memory(swapping.stage, 48, value):
            swapped[value] = swapping.stage.core("swap-cache", Turn(Arm(id="x"), "x"), rounds=3000, **args).facts
    assert swapped[0]["swapped_kib"] == 0
    assert swapped[200]["swapped_kib"] > 0.4 * 24 * 1024
    assert swapped[200]["disk_mib"] < 0.5 * swapped[0]["disk_mib"]  # fixed work: the file stays where it can


@ROOT
@GROUP
def test_what_was_paged_out_comes_from_swap(swapping: Bench, tmp_path: Path) -> None:
    with memory(swapping.stage, 48):
        rep = swapping.stage.core("swap-cost", Turn(Arm(id="x"), "x"), **{"from": "swap"}, push_mib=44)
    assert rep.facts["paged_out"] > 0.6


@ROOT
def test_a_swap_file_is_taken_back_after_a_kill(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from liebench.contract import Disturbs, Touches
from liebench.host import Host, read_host
from liebench.state.journal import Journal
from liebench.stage.stage import Stage
from liebench.stage.swap import swapfile
touches = (Touches(other=("swap",), disturbs=Disturbs.NEIGHBOURS),)
journal = Journal(Path({str(tmp_path)!r}), "boot")
stage = Stage(read_host(), Path("/bin/false"), journal, touches, Disturbs.NEIGHBOURS)
with swapfile(stage, Path({str(tmp_path)!r}), 8):
    print("on", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        if running.stdout.readline() != "on\n":
            pytest.skip("needs a file system that takes a swap file")
        assert left_behind(tmp_path)
        running.kill()
    assert any("is no swap any more" in line for line in recover(tmp_path, "boot"))
    assert left_behind(tmp_path) == []
    assert not list(tmp_path.glob("*.swap"))


@GROUP
def test_a_planted_half_is_found_among_reads(tmp_path: Path) -> None:
    found = planted(Bench("file-map", HOST, tmp_path), "plant_extra=0.5")
    assert found.status == "shown", found


@GROUP
def test_a_process_that_is_killed_is_said_so(tmp_path: Path) -> None:
    """Far above its limit and without swap of its own it cannot live."""
    bench = Bench("file-map", HOST, tmp_path)
    if HOST.facts["memory"]["swap_mib"]:
        pytest.skip("needs a host without swap")
    file = f"{tmp_path}/file"
    bench.stage.core("file-map", Turn(Arm(id="build"), "build"), file=file, file_mib=64, build=1)
    with memory(bench.stage, 12), pytest.raises(CoreKilled, match="memory limit"):
        bench.stage.core(
            "file-map", Turn(Arm(id="x"), "x"), file=file, file_mib=64, mode="own", ws_mib=64, cache_mib=64
        )
    assert left_behind(tmp_path) == []


def interval(low: float, high: float) -> Verdict:
    return Verdict(word=Word.HONEST, value=(low * high) ** 0.5, low=low, high=high)


@pytest.mark.parametrize(
    ("below", "at", "above", "said"),
    [
        ((0.7, 0.9), (0.8, 1.3), (1.5, 2.0), "the mapping wins up to 4 MiB and the own cache from 21 MiB on"),
        ((0.7, 0.9), (1.1, 1.3), (1.5, 2.0), "the mapping wins up to 4 MiB and the own cache from 12 MiB on"),
        ((1.1, 1.2), (0.5, 0.6), (0.5, 0.6), "the own cache wins up to 4 MiB and the mapping from 12 MiB on"),
        ((0.7, 0.9), (0.7, 0.9), (0.7, 0.9), ""),
        ((0.7, 1.9), (0.7, 1.9), (1.1, 1.9), ""),
    ],
)
def test_the_crossover_lies_between_proven_winners(below: Any, at: Any, above: Any, said: str) -> None:
    found = {"below": interval(*below), "at": interval(*at), "above": interval(*above)}
    assert crossover(found).startswith(said)
    assert bool(crossover(found)) == bool(said)


MGLRU = "/sys/kernel/mm/lru_gen/enabled"


@pytest.mark.parametrize(("now", "to"), [("0x0007", "0x0000"), ("0x0000", "0x0007")])
def test_the_other_way_to_choose_pages_is_an_arm_where_it_can_be_switched(now: str, to: str) -> None:
    probe = PROBES["swap-cache"].probe
    assert "mglru" not in [c.id for c in probe.cases(host_with(memory={"mglru": None}), {"path": ""})]
    case = next(c for c in probe.cases(host_with(memory={"mglru": now}), {"path": ""}) if c.id == "mglru")
    assert case.delivered[0].args["mglru"] == to
    assert case.delivered[0].touches.keys == (MGLRU,)
    assert case.delivered[0].touches.disturbs is Disturbs.HOST  # it is everybody's


@pytest.mark.parametrize(("release", "takes"), [("6.9.1", False), ("6.10.0-rc1", True), ("7.0", True), ("", False)])
def test_a_kernel_that_takes_a_swappiness_to_reclaim_by(tmp_path: Path, release: str, takes: bool) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cgroup.subtree_control").write_text("cpu memory")
    host = Host({**HOST.facts, "kernel": {"release": release}}, tmp_path)
    assert by_reclaim(host) is takes
    assert not per_group(host)
    touched = [t for c in PROBES["swap-cache"].probe.cases(host, {"path": ""}) for t in c.touches if t.keys]
    assert bool(touched) is not takes  # else the whole host's value has to be changed


def test_a_group_is_kept_below_its_limit_by_memory_reclaim(tmp_path: Path) -> None:
    """Two files stand for the group: what is above the limit is asked back, by the swappiness that was wanted."""
    (tmp_path / "memory.current").write_text(f"{50 << 20}\n")
    (tmp_path / "memory.reclaim").write_text("")
    core(
        "swap-cache",
        file=tmp_path / "file",
        file_mib=4,
        hot_mib=1,
        cold_mib=1,
        rounds=40,
        group=tmp_path,
        keep_mib=48,
        swappiness=7,
    )
    asked = (tmp_path / "memory.reclaim").read_text()
    assert asked.startswith(f"{2 << 20} swappiness=7")
