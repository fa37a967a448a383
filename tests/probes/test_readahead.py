"""What is read ahead: windows as the queue says, on a disk of ours that counts them; a trial of its queue."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.contract import Verdict, Word
from liebench.core import core_path
from liebench.facts.volumes import io_counts
from liebench.probes.block_remote.verdict import advise, worth_reading_ahead
from liebench.stage.block import network_disk

from tests.helpers.disk_tree import Tree
from tests.helpers.live import HOST, core, left_behind
from tests.helpers.own_state import liebench
from tests.probes.test_block import DEVICE, RIG, bench_of

pytestmark = pytest.mark.machine

MIB, TOUCHES = 16, 16
ORDER = {"kib": 64, "seq": 1, "each": MIB * 16, "direct": 0, "drop": 1, "samples": 1}
MAPPED = {"kib": 4, "each": TOUCHES, "direct": 0, "drop": 1, "map": 1, "samples": 1}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """The name of a block device of ours that waits 2 ms for each read."""
    words = ("memory", "1400M", "--filter=delay", "delay-read=2ms")
    with network_disk(bench_of("block-remote", tmp_path).stage, tmp_path, words, device=True) as made:
        yield made.device.removeprefix("/dev/")
    assert left_behind(tmp_path) == []


def queue(disk: str) -> Path:
    return Path("/sys/block", disk, "queue/read_ahead_kb")


def read(disk: str, kib: int, how: dict[str, int]) -> tuple[int, float, float]:
    """(requests, KiB) at the device and us an operation, with so much readahead."""
    queue(disk).write_text(str(kib))
    before = io_counts(HOST, disk)
    us = core("block-io", file=f"/dev/{disk}", **how)["samples"]["us"][0]
    after = io_counts(HOST, disk)
    assert before is not None
    assert after is not None
    return after.reads - before.reads, (after.read_sectors - before.read_sectors) / 2, us


@RIG
@DEVICE
def test_reads_in_order_come_in_windows_of_what_the_queue_says(disk: str) -> None:
    times = {}
    for kib in (32, 128, 512):
        requests, read_kib, times[kib] = read(disk, kib, ORDER)
        assert read_kib == MIB << 10  # nothing beyond the file, and nothing twice
        windows = (MIB << 10) / max(kib, ORDER["kib"])  # a read that is longer than its window is one request
        assert windows <= requests <= 1.25 * windows  # the first windows are shorter
    assert times[32] > 2 * times[512]  # 256 waits against 35


@RIG
@DEVICE
def test_a_byte_of_a_mapping_is_read_with_what_lies_around_it(disk: str) -> None:
    for kib in (16, 64, 128):
        requests, read_kib, us = read(disk, kib, MAPPED)
        assert requests <= TOUCHES
        assert read_kib == pytest.approx(TOUCHES * kib, rel=0.15)  # two of them may share a window
        assert us > 2000 * requests / TOUCHES


@RIG
@DEVICE
def test_a_disks_readahead_is_tried_on_that_disk(disk: str, tmp_path: Path) -> None:
    place = tmp_path / "mnt"
    place.mkdir()
    subprocess.run(["mkfs.ext4", "-q", f"/dev/{disk}"], check=True)
    subprocess.run(["mount", f"/dev/{disk}", place], check=True)
    try:
        queue(disk).write_text("32")
        change = f"{queue(disk)}=1024"
        words = ("--disturb", "host", "--budget", "30", "--json", "--out", str(tmp_path / "out"))
        said = liebench(tmp_path / "state", "try", change, *words)
        assert said.returncode == 0, said.stderr
        (trial,) = json.loads(said.stdout)["trials"]
        rows = {(row["case"], row["arm"]): row for row in trial["rows"] if row["statistic"] == "median"}
        assert rows["ahead", "cached"]["value"] < 0.6  # 16 waits in place of 256, and the bytes take what they take
        assert queue(disk).read_text().strip() == "32"
        assert [p.name for p in place.iterdir()] == ["lost+found"]
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_mapping_is_read_through_the_page_cache_or_not_at_all(tmp_path: Path) -> None:
    for words in ({}, {"direct": 0}, {"drop": 1}, {"direct": 0, "drop": 1, "op": "write"}):
        given = [f"{key}={value}" for key, value in {"file": tmp_path / "f", "build": 1, "map": 1, **words}.items()]
        done = subprocess.run([core_path(), "block-io", *given], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "map=1 needs" in done.stderr


def test_what_is_proposed_keeps_the_disk_busy_and_no_more(tmp_path: Path) -> None:
    assert worth_reading_ahead(44, 1.81) == 512
    assert worth_reading_ahead(1000, 8) == 2048  # 1 ms, 500 MB/s
    assert worth_reading_ahead(5, 2) == 128  # never below the kernel's own
    assert worth_reading_ahead(50_000, 1) == 16384  # never above what the trial can show
    tree = Tree(tmp_path)
    tree.mount(tree.disk("sda"), "/")
    small = Verdict(word=Word.HARMLESS, delivered=44.0)
    busy = Verdict(word=Word.HELPFUL, value=0.5, promised=4.0, delivered=1.81)
    dear = Verdict(word=Word.COSTLY, value=70.0)
    waits = Verdict(word=Word.COSTLY, value=3.0, promised=8.0, delivered=24.0)
    fine = Verdict(word=Word.HARMLESS, value=2.0)

    def proposed(kib: int, ahead: Verdict, around: Verdict) -> list[tuple[str, str]]:
        tree.write("/sys/block/sda/queue/read_ahead_kb", str(kib))
        cases = {"small": small, "ahead": ahead, "around": around}
        return [(p.change, p.to) for p in advise(Verdict(word=Word.COSTLY, cases=cases), tree.host)]

    assert proposed(8192, busy, dear) == [("readahead", "512")]
    assert proposed(256, busy, dear) == []  # less than is worth it already
    assert proposed(64, waits, fine) == [("readahead", "128")]
    assert proposed(128, waits, fine) == []
    assert proposed(8192, busy, fine) == []
