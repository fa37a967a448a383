"""Block probes: network disks of known slowness, flushes that do nothing, servers that stop; and what must be left."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Arm, Touches, Turn, Verdict, Word
from liebench.errors import CoreFailed, NeedUnmet, StageRefused, UsageError
from liebench.host import read_host
from liebench.probes.flush_honesty.verdict import sent
from liebench.stage.block import LOOP, NETWORK_DISK, SERVER, network_disk
from liebench.stage.counted import NOT_TOUCHED, counted, volume_below
from liebench.stage.recovery import recover

from tests.helpers.live import PROBES, Bench, host_with, left_behind, planted, settled

pytestmark = pytest.mark.machine

HOST = read_host()
RIG = pytest.mark.skipif(not NETWORK_DISK.met(HOST), reason="needs nbdkit, nbdfuse and /dev/fuse")
DEVICE = pytest.mark.skipif(not LOOP.met(HOST), reason="needs loop devices")
TRIES = 5
READS = 20


def bench_of(probe: str, folder: Path) -> Bench:
    bench = Bench(probe, HOST, folder)
    bench.stage.touches = (*bench.stage.touches, Touches(other=(SERVER,)))
    return bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield bench_of("block-remote", tmp_path)
    assert left_behind(tmp_path) == []


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """Processors that never halt: a guest's wake from a halt is late, and a server's wait of 1 ms with it."""
    spin = "import os; os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\nwhile True: pass"
    cpus = sorted(os.sched_getaffinity(0))
    spinners = [subprocess.Popen(["taskset", "-c", str(cpu), sys.executable, "-c", spin]) for cpu in cpus]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def read_us(bench: Bench, file: str, **args: str | int) -> float:
    rep = bench.stage.core("block-io", Turn(Arm(id="x"), "x"), file=file, samples=READS, **args)
    return float(rep.facts["typical_us"])


def waited_us(log: Path) -> list[float]:
    """How long the server itself held each read, by the clock of its own log (nbdkit-log-filter(1))."""
    begun: dict[str, datetime] = {}
    waits = []
    for line in log.read_text().splitlines():
        found = re.match(r"(\S+ \S+) connection=\d+ (\.\.\.)?Read id=(\d+)", line)
        if found:
            at, end, id = datetime.fromisoformat(found[1]), found[2], found[3]
            if end:
                waits.append((at - begun.pop(id)) / timedelta(microseconds=1))
            else:
                begun[id] = at
    return waits


@RIG
@pytest.mark.parametrize("ms", [1, 7, 20])
def test_a_delay_is_read_as_such_within_5_percent(bench: Bench, tmp_path: Path, ms: int) -> None:
    """What the server really waited is its own log's to say: its timer is late where a machine is busy or a guest."""
    log = tmp_path / "log"
    with contextlib.ExitStack() as stack:
        stack.enter_context(awake())
        near, far = (
            stack.enter_context(
                network_disk(
                    bench.stage,
                    tmp_path,
                    ("--filter=log", "--filter=delay", "memory", "8M", f"delay-read={wait}ms", f"logfile={file}"),
                )
            ).target
            for wait, file in ((0, tmp_path / "log0"), (ms, log))
        )
        for _ in range(2 * TRIES):
            found = read_us(bench, far) - read_us(bench, near)
            waited = statistics.median(waited_us(log)[-READS:])
            if abs(found / waited - 1) < 0.05:
                break
    assert found == pytest.approx(waited, rel=0.05)
    assert 1000 * ms <= waited


@RIG
def test_a_rate_is_read_as_such_within_5_percent(bench: Bench) -> None:
    full, half = pytest.approx(0, abs=0.05 * 64), pytest.approx(-32, abs=0.05 * 32)
    assert settled(bench, "rate", full) == full
    assert planted(bench, "rate=32", half).value == half


@RIG
def test_what_a_server_keeps_to_itself_is_lost_and_what_it_flushed_is_not(tmp_path: Path) -> None:
    bench = bench_of("flush-honesty", tmp_path)
    kept = bench.verdict("cut", 12)
    assert (kept.word, kept.term, kept.value) == (Word.INCONCLUSIVE, "not disproved", 0)
    assert bench.control("unsafe", 6).value == 100  # the same server, told to drop flushes
    assert left_behind(tmp_path) == []


@RIG
def test_a_loss_is_caught(tmp_path: Path) -> None:
    bench = bench_of("flush-honesty", tmp_path)
    doc = bench.document("cut", 12)
    for block in doc["blocks"]:
        block["reps"]["measured"]["samples"]["percent"] = [100.0]
    lost = bench.judged(doc)
    assert (lost.word, lost.term, lost.value) == (Word.COSTLY, "caught", 100)


@RIG
@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_a_hang_is_as_long_as_the_server_stood_still(tmp_path: Path, seconds: float) -> None:
    bench = bench_of("block-stall", tmp_path)
    disk = bench.stage.scratch(str(tmp_path))
    with disk as folder, network_disk(bench.stage, folder, ("memory", "8M"), LOOP.met(HOST)) as served:
        for _ in range(TRIES):
            with served.stopping(0.3, seconds):
                rep = bench.stage.core(
                    "block-prober", Turn(Arm(id="x"), "x"), file=served.target, samples=int((seconds + 0.6) * 500)
                )
            stopped, facts = served.stopped_ms or 0, rep.facts
            late = [ms for ms in rep.samples["read_ms"] if ms > 50]
            if (
                abs(facts["read_longest_ms"] / stopped - 1) < 0.02
                and facts["cached_longest_ms"] < 0.2 * stopped
                and abs(2 * len(late) / (stopped - 50) - 1) < 0.1
            ):
                break  # else somebody else held it up as well
    assert stopped == pytest.approx(1000 * seconds, rel=0.05)
    assert facts["read_longest_ms"] == pytest.approx(stopped, rel=0.02)
    assert facts["cached_longest_ms"] < 0.2 * stopped
    assert len(late) == pytest.approx((stopped - 50) / 2, rel=0.1)  # one due every 2 ms, each late by what was left
    if seconds > 1:
        assert facts["read_closed_p99_ms"] < 0.1 * stopped  # what a closed loop would have told


@RIG
@DEVICE
def test_iowait_tells_all_or_nothing_of_the_same_slow_disk(bench: Bench, tmp_path: Path) -> None:
    words = ("--filter=delay", "memory", "8M", "delay-read=10ms")
    with network_disk(bench.stage, tmp_path, words, device=True) as disk:

        def window(**args: str | int) -> dict[str, float]:
            rep = bench.stage.core("block-wait", Turn(Arm(id="x"), "x"), file=disk.target, window_ms=300, **args)
            return {k: v[0] for k, v in rep.samples.items()}

        for _ in range(3 * TRIES):  # somebody else's work on that processor hides iowait, as the busy thread does
            free, busy, aio = window(), window(busy=1), window(engine="aio")
            least, most = min(free["waited"], busy["waited"], aio["waited"]), max(busy["iowait"], aio["iowait"])
            if least > 90 and free["iowait"] > 70 and busy["pressure"] > 70 and max(most, aio["pressure"]) < 10:
                break
    assert min(free["waited"], busy["waited"], aio["waited"]) > 90
    assert free["iowait"] > 70
    assert busy["iowait"] < 10
    assert aio["iowait"] < 10
    assert busy["pressure"] > 70  # where the process sleeps, not what its processor does meanwhile
    assert aio["pressure"] < 10


@RIG
@DEVICE
def test_a_device_of_ours_is_there_and_gone(bench: Bench, tmp_path: Path) -> None:
    with network_disk(bench.stage, tmp_path, ("memory", "8M"), device=True) as disk:
        assert stat.S_ISBLK(os.stat(disk.device).st_mode)
        assert Path(f"/sys/block/{Path(disk.device).name}/loop/backing_file").read_text().strip() == str(disk.file)
        volume = volume_below(bench.stage, disk.device)
        assert volume is not None
        rep = counted(
            bench.stage,
            volume,
            lambda: bench.stage.core("block-io", Turn(Arm(id="x"), "x"), file=disk.device, op="sync", samples=16),
        )
        assert rep.facts["device_share"] == 1
        assert rep.facts["device_flushes"] == 16
    assert not Path(f"/sys/block/{Path(disk.device).name}/loop").exists()


@RIG
def test_a_kill_leaves_no_server_no_mount_no_device(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from liebench.contract import Touches
from liebench.host import read_host
from liebench.state.journal import Journal
from liebench.stage.stage import Stage
from liebench.stage.block import LOOP, SERVER, network_disk
here = Path({str(tmp_path)!r})
host = read_host()
stage = Stage(host, Path("/bin/false"), Journal(here, "boot"), (Touches(other=(SERVER,)),))
with network_disk(stage, here, ("memory", "8M"), LOOP.met(host)) as disk:
    print(disk.server.pid, disk.device, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        pid, _, device = running.stdout.readline().strip().partition(" ")
        assert left_behind(tmp_path)
        running.kill()
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
    assert any("was unmounted" in line for line in recover(tmp_path, "boot"))
    assert left_behind(tmp_path) == []
    assert not device or not Path(f"/sys/block/{Path(device).name}/loop").exists()


def test_a_network_disk_that_was_not_declared_is_refused(tmp_path: Path) -> None:
    bench = Bench("clock-read", HOST, tmp_path)
    with pytest.raises(StageRefused, match=SERVER), network_disk(bench.stage, tmp_path, ("memory", "8M")):
        pass


@RIG
def test_a_server_that_does_not_start_says_why(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(NeedUnmet, match="nbdkit that serves"), network_disk(bench.stage, tmp_path, ("no-such-plugin",)):
        pass


@RIG
def test_a_backend_that_vanishes_is_one_clear_error(bench: Bench, tmp_path: Path) -> None:
    with network_disk(bench.stage, tmp_path, ("memory", "8M")) as disk:
        disk.cut_power()
        with pytest.raises(CoreFailed, match="cannot read"):
            read_us(bench, disk.target)


@RIG
@DEVICE
def test_a_device_that_somebody_has_is_never_written(bench: Bench, tmp_path: Path) -> None:
    """A mount, a swap device, an array hold theirs as this does: exclusively."""
    with network_disk(bench.stage, tmp_path, ("memory", "8M"), device=True) as disk:
        holder = os.open(disk.device, os.O_RDONLY | os.O_EXCL)
        try:
            with pytest.raises(CoreFailed, match="busy"):
                read_us(bench, disk.device, op="write")
            assert read_us(bench, disk.device) > 0
        finally:
            os.close(holder)


def test_a_hole_is_found_out(tmp_path: Path) -> None:
    """A file of nothing is read without its device: that is no measurement of it."""
    bench = Bench("block-remote", HOST, tmp_path)
    hole = tmp_path / "hole"
    with hole.open("wb") as file:
        file.truncate(8 << 20)
    volume = volume_below(bench.stage, str(hole))
    if volume is None:
        pytest.skip("needs a folder on a block device")
    rep = counted(bench.stage, volume, lambda: bench.stage.core("block-io", Turn(Arm(id="x"), "x"), file=str(hole)))
    assert NOT_TOUCHED in rep.flags
    assert rep.facts["device_share"] < 0.95


def test_a_verdict_needs_a_device_that_was_touched(tmp_path: Path) -> None:
    bench = Bench("block-remote", HOST, tmp_path)
    doc = bench.document("small", 12)
    for block in doc["blocks"]:
        block["reps"]["small"]["facts"]["device_share"] = 0.01
    found = bench.judged(doc)
    assert found.word is Word.INCONCLUSIVE
    assert "the device saw 1 % of what was asked" in found.why


@pytest.mark.parametrize(
    ("cache", "reached", "ever", "value"),
    [
        ("write back", 20, 20, "sent"),
        ("write back", 25, 900, "sent"),
        ("write back", 2, 900, "missing"),
        ("write back", 0, 900, "missing"),
        ("write back", 0, 0, "unknown"),  # a driver that counts none
        ("write through", 0, 0, "unneeded"),
        ("write back", None, None, "unknown"),
        (None, 20, 20, "unknown"),
    ],
)
def test_a_missing_flush_is_caught_where_the_cache_is_volatile(
    tmp_path: Path, cache: Any, reached: Any, ever: Any, value: str
) -> None:
    from liebench.facts.volumes import Volume

    volume = Volume(
        name="sda",
        mounts=("/",),
        kind="local",
        why="",
        model=None,
        rotational=False,
        write_cache=cache,
        scheduler=None,
        nr_requests=None,
        read_ahead_kb=None,
        io_timeout_ms=None,
    )
    assert sent(volume, reached, ever, 20)["value"] == value
    assert sent(None, 20, 20, 20)["value"] == "unknown"


def test_one_hang_decides_however_good_the_rest_was(tmp_path: Path) -> None:
    bench = Bench("block-stall", HOST, tmp_path)
    doc = bench.document("longest-read", 12)
    for block in doc["blocks"]:
        block["reps"]["measured"]["samples"]["ms"] = [1.0]
    assert bench.judged(doc).word is Word.HONEST
    doc["blocks"][5]["reps"]["measured"]["samples"]["ms"] = [1280.0]
    found = bench.judged(doc)
    assert found.word is Word.COSTLY
    assert "1.28 s" in found.why


@pytest.mark.parametrize("seconds", ["nan", "x", "0", "31", "-1"])
def test_a_stop_of_no_sense_is_refused(seconds: str) -> None:
    with pytest.raises(UsageError, match="seconds"):
        PROBES["block-stall"].probe.cases(HOST, {"seconds": seconds, "path": ""})


def test_advice_names_what_was_measured() -> None:
    probe = PROBES["block-remote"].probe
    assert probe.advise is not None
    cases = {
        "against": Verdict(word=Word.COSTLY, value=14.0),
        "turns": Verdict(word=Word.HARMLESS, term="does not turn"),
        "iowait-busy": Verdict(word=Word.HONEST, value=1.0),
    }
    found = probe.advise(Verdict(word=Word.COSTLY, cases=cases), HOST)
    assert [p.change for p in found] == ["near-volume", "not-rotational"]
    assert "14 times as long" in found[0].why


def test_two_volumes_are_found_or_named() -> None:
    probe = PROBES["block-remote"].probe
    named = probe.cases(host_with(), {"path": "/data", "against": "/local"})
    assert next(c.id for c in named if c.headline) == "against"
