"""Volumes of device mapper and md: where they lie is said rightly, and their flushes are counted where they end."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.facts.volumes import Volume, flushes, io_counts, volume_of
from liebench.host import read_host

pytestmark = pytest.mark.guest
HOST = read_host()
SPARE = "/dev/vdb"  # guest_machine.DISKS
MIB, SECTORS = 24, 24 * 2048
SYNCS = 7


def ran(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr or done.stdout}"
    return done.stdout.strip()


@contextlib.contextmanager
def loops(folder: Path, count: int) -> Iterator[list[str]]:
    with contextlib.ExitStack() as stack:
        made = []
        for n in range(count):
            file = folder / f"disk{n}"
            with file.open("wb") as opened:
                opened.truncate(MIB << 20)
            made.append(ran("losetup", "--find", "--show", str(file)))
            stack.callback(ran, "losetup", "--detach", made[-1])
        yield made


@contextlib.contextmanager
def mapped(name: str, *table: str) -> Iterator[str]:
    """No udev lives in the guest: nobody is waited for, and the kernel's own node is used."""
    words = ["dmsetup", "create", "--noudevsync", name]
    subprocess.run(words, input="\n".join(table), text=True, check=True)
    try:
        yield "/dev/" + ran("dmsetup", "info", "-c", "--noheadings", "-o", "blkdevname", name)
    finally:
        ran("dmsetup", "remove", "--noudevsync", "--retry", name)


def linear(*devices: str) -> list[str]:
    return [f"{n * SECTORS} {SECTORS} linear {device} 0" for n, device in enumerate(devices)]


@contextlib.contextmanager
def mirrored(*devices: str) -> Iterator[str]:
    ran("mdadm", "--create", "/dev/md7", "--run", "--assume-clean", "--metadata=1.0", "--level=1",
        f"--raid-devices={len(devices)}", *devices)  # fmt: skip
    try:
        yield "/dev/md7"
    finally:
        ran("mdadm", "--stop", "/dev/md7")
        ran("mdadm", "--zero-superblock", *devices)


@contextlib.contextmanager
def mounted(device: str, folder: Path) -> Iterator[Volume]:
    """The volume below a file system that is made there, as it is found by its mount."""
    ran("mke2fs", "-q", "-F", "-t", "ext4", device)
    folder.mkdir()
    ran("mount", device, str(folder))
    try:
        number = folder.stat().st_dev
        found = volume_of(HOST, (os.major(number), os.minor(number)))
        assert found is not None
        assert found.mounts == (str(folder),)
        yield found
    finally:
        ran("umount", str(folder))


def test_a_mapping_lies_where_its_disk_lies(tmp_path: Path) -> None:
    with mapped("one", *linear(SPARE)) as device, mounted(device, tmp_path / "at") as found:
        assert (found.name, found.kind, found.why) == (Path(device).name, "virtual", "it lies on vdb")


@pytest.mark.parametrize("delay_ms", [0, 20])
def test_a_mapping_that_delays_lies_on_its_file_too(tmp_path: Path, delay_ms: int) -> None:
    with (
        loops(tmp_path, 1) as (loop,),
        mapped("late", f"0 {SECTORS} delay {loop} 0 {delay_ms}") as device,
        mounted(device, tmp_path / "at") as found,
    ):
        assert (found.kind, found.why) == ("stacked", f"it lies on {Path(loop).name}")


def test_a_mapping_over_disks_of_two_kinds_is_neither(tmp_path: Path) -> None:
    with (
        loops(tmp_path, 1) as (loop,),
        mapped("two", *linear(SPARE, loop)) as device,
        mounted(device, tmp_path / "at") as found,
    ):
        assert found.kind == "stacked"
        assert set(found.why.removeprefix("it lies on ").split(", ")) == {"vdb", Path(loop).name}


def test_a_mirror_over_a_mapping_is_followed_to_the_bottom(tmp_path: Path) -> None:
    with (
        mapped("left", f"0 {SECTORS} linear {SPARE} 0") as left,
        mapped("right", f"0 {SECTORS} linear {SPARE} {SECTORS}") as right,
        mirrored(left, right) as device,
        mounted(device, tmp_path / "at") as found,
    ):
        assert (found.name, found.kind) == ("md7", "virtual")
        assert set(found.why.removeprefix("it lies on ").split(", ")) == {Path(left).name, Path(right).name}


def test_a_mirror_of_files_is_stacked(tmp_path: Path) -> None:
    with loops(tmp_path, 2) as made, mirrored(*made) as device, mounted(device, tmp_path / "at") as found:
        assert (found.name, found.kind) == ("md7", "stacked")


def flushed(device: str) -> int:
    """How many more flushes reached the disks below while so many were asked for."""
    name, before = Path(device).name, flushes(HOST, Path(device).name)
    fd = os.open(device, os.O_WRONLY | os.O_EXCL)
    try:
        for n in range(SYNCS):
            os.pwrite(fd, bytes([n]) * 4096, 0)
            os.fsync(fd)
    finally:
        os.close(fd)
    after = flushes(HOST, name)
    assert before is not None
    assert after is not None
    return after - before


def test_every_flush_of_a_mapping_reaches_its_disk_once() -> None:
    with mapped("one", *linear(SPARE)) as device:
        assert flushed(device) == SYNCS
        counts = io_counts(HOST, Path(device).name)
        assert counts is not None
        assert counts.writes >= SYNCS


def test_every_flush_of_a_mirror_reaches_both_halves(tmp_path: Path) -> None:
    with loops(tmp_path, 2) as made, mirrored(*made) as device:
        assert flushed(device) >= 2 * SYNCS
