"""quota-spike: what a quota does to a spike of work, against an exact model of the bandwidth controller."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest

from liebench.contract import Arm, Turn, Verdict, Word
from liebench.errors import StageRefused
from liebench.host import Host, read_host
from liebench.probes.quota_spike.probe import QUOTA_US, WORK_MS, advise
from liebench.stage.cgroup import bursts, home, quota
from liebench.stage.needs import CPU_BURST

from tests.helpers.live import Bench, core, left_behind, planted

pytestmark = pytest.mark.machine

HOST = read_host()
ROOT = pytest.mark.skipif(home(Path("/"), "cpu") is None, reason="needs a CPU control group of our own")
BURSTS = pytest.mark.skipif(not bursts(Path("/")), reason="needs cpu.max.burst or cpu.cfs_burst_us")
TRIES = 6


def late_ms(work: float, allowed: float, burst: float, phase: float, period: float = 100.0) -> float:
    """How long a spike takes that begins ``phase`` ms into a period with a full bucket (sched-bwc.rst)."""
    full = allowed + burst
    have, now, done, refill = full, 0.0, 0.0, period - phase
    while work - done > 1e-9:
        if have <= 1e-9:  # throttled until the next period
            now = refill
        ran = min(work - done, have, refill - now)
        now, done, have = now + ran, done + ran, have - ran
        if refill - now < 1e-9:
            have, refill = min(full, have + allowed), refill + period
    return now


def expected_ms(allowed_ms: float, burst_ms: float) -> float:
    """The mean over every place in the period."""
    return fmean(late_ms(WORK_MS, allowed_ms, burst_ms, phase) for phase in range(100))


def test_the_model_is_the_controller_of_the_documentation() -> None:
    assert late_ms(30, 40, 0, 50) == pytest.approx(30)  # below the quota nothing waits
    assert late_ms(80, 40, 0, 0) == pytest.approx(140)  # 40 ms, wait for the next period, 40 ms
    assert late_ms(80, 40, 0, 60) == pytest.approx(80)  # its second half meets the refill
    assert late_ms(80, 40, 40, 0) == pytest.approx(80)
    assert expected_ms(40, 0) == pytest.approx(122, abs=1)


@ROOT
@pytest.mark.parametrize(
    ("allowed_us", "burst_us"), [(40_000, 0), (20_000, 0), pytest.param(40_000, 20_000, marks=BURSTS)]
)
def test_a_quota_of_known_size_makes_a_spike_as_late_as_the_model_says(
    tmp_path: Path, allowed_us: int, burst_us: int
) -> None:
    """On average over the period; what else runs here adds to both, and is the alibi's business."""
    bench, model = Bench("quota-spike", HOST, tmp_path), expected_ms(allowed_us / 1000, burst_us / 1000)
    every = 100 * (WORK_MS * 1000 // allowed_us + 2)  # so that the bucket is full again
    seen: list[float] = []
    for _ in range(TRIES):
        with quota(bench.stage, allowed_us / 100_000, 100_000, burst_us):
            turn = Turn(Arm(id="x", args={"work_ms": WORK_MS, "every_ms": every}), "x")
            seen += bench.stage.core("cpu-spike", turn, samples=8).samples["ms"]
        if len(seen) >= 16 and fmean(seen) == pytest.approx(model, rel=0.1):
            break
    assert fmean(seen) == pytest.approx(model, rel=0.15)
    assert left_behind(tmp_path) == []


@ROOT
@BURSTS
def test_a_burst_as_large_as_the_quota_covers_a_spike_of_twice_the_quota(tmp_path: Path) -> None:
    ratios: list[float] = []
    bench = Bench("quota-spike", HOST, tmp_path)
    for _ in range(TRIES):
        verdict = bench.verdict("burst", 3)
        assert verdict.value is not None
        ratios.append(verdict.value)
        if min(ratios) < 1.05:
            break
    assert min(ratios) < 1.05


@ROOT
def test_a_burst_above_the_quota_is_one_clear_error(tmp_path: Path) -> None:
    stage = Bench("quota-spike", HOST, tmp_path).stage
    if not bursts(Path("/")):
        pytest.skip("needs cpu.max.burst or cpu.cfs_burst_us")
    with (
        pytest.raises(StageRefused, match=r"the kernel refuses cpu\..*burst.*=50000"),
        quota(stage, 0.4, 100_000, 50_000),
    ):
        raise AssertionError
    assert left_behind(tmp_path) == []


@ROOT
def test_the_planted_wait_is_found(tmp_path: Path) -> None:
    found = planted(Bench("quota-spike", HOST, tmp_path), "plant_wait=0.2", rounds=(6, 12, 24))
    assert found.status == "shown", found


def test_the_spike_needs_what_it_says() -> None:
    answer = core("cpu-spike", work_ms=5, every_ms=10, samples=4)
    assert min(answer["samples"]["ms"]) >= 5
    assert answer["facts"]["delay_ms"] >= 0


def verdict(spike: Word, burst: Word) -> Verdict:
    cases = {"spike": Verdict(word=spike, value=1.5), "burst": Verdict(word=burst, value=1.0)}
    return Verdict(word=spike, value=1.5, cases=cases)


@pytest.mark.parametrize(("cpus", "to"), [(0.2, "20000"), (2.0, str(QUOTA_US))])
def test_advice_needs_a_quota_of_this_hosts_own_and_a_burst_that_helps(cpus: float, to: str) -> None:
    def host(limit: float | None) -> Host:
        return Host({"limits": {"cpus": limit}})

    assert [p.to for p in advise(verdict(Word.COSTLY, Word.HONEST), host(cpus))] == [to]
    assert advise(verdict(Word.COSTLY, Word.HONEST), host(None)) == []
    assert advise(verdict(Word.COSTLY, Word.COSTLY), host(cpus)) == []
    assert advise(verdict(Word.HONEST, Word.HONEST), host(cpus)) == []


def test_a_kernel_without_bursts_leaves_that_case_out(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup/cpu").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu/cgroup.procs").write_text("")
    assert not CPU_BURST.met(Host({}, tmp_path))
    (tmp_path / "sys/fs/cgroup/cpu/cpu.cfs_burst_us").write_text("0")
    assert CPU_BURST.met(Host({}, tmp_path))
