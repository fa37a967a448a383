"""Volumes as kernels of several hosts show them, from trees of /proc and /sys, and what an EBS volume confesses."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from liebench.facts.ebs import HEAD, LENGTH, MAGIC, confession
from liebench.facts.volumes import Volume, flushes, folder_on, io_counts, volume_of, volumes
from liebench.host import read_host
from liebench.probes.block_remote.probe import pair
from liebench.stage.nvme import COMMAND, command

from tests.helpers.disk_tree import DISK, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


PCI = "/sys/devices/pci0000:00/0000:00:04.0"
ISCSI = "/sys/devices/platform/host3/session1/target3:0:0/3:0:0:1/block"
SATA = "/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block"
KINDS = [
    ("nvme0n1", PCI, {"device/model": "Amazon Elastic Block Store              "}, "network", "Amazon Elastic"),
    ("nvme1n1", PCI, {"device/model": "Amazon EC2 NVMe Instance Storage"}, "instance", "Instance Storage"),
    ("nvme2n1", PCI, {"device/model": "nvme_card-pd"}, "network", "nvme_card-pd"),
    ("nvme3n1", PCI, {"device/model": "nvme_card"}, "instance", "nvme_card"),
    ("sda", PCI, {"device/model": "PersistentDisk"}, "network", "PersistentDisk"),
    ("sdb", PCI, {"device/model": "EphemeralDisk"}, "instance", "EphemeralDisk"),
    ("sdc", PCI, {"device/model": "Virtual Disk"}, "network", "Virtual Disk"),
    ("sdd", ISCSI, {"device/model": "IBLOCK"}, "network", "iSCSI"),
    ("sde", SATA, {"device/model": "Samsung SSD 870"}, "local", "SATA"),
    ("sdf", PCI, {}, "unknown", "nothing"),
    ("nbd0", "/sys/devices/virtual/block", {}, "network", "behind a network"),
    ("rbd3", "/sys/devices/rbd", {}, "network", "behind a network"),
    ("zram0", "/sys/devices/virtual/block", {}, "ram", "memory"),
    ("vda", PCI, {}, "virtual", "hypervisor"),
    ("xvdb", PCI, {}, "virtual", "hypervisor"),
    ("loop7", "/sys/devices/virtual/block", {}, "stacked", "a file"),
]


@pytest.mark.parametrize(("name", "at", "files", "kind", "why"), KINDS, ids=[row[0] for row in KINDS])
def test_where_a_disk_lies(tree: Tree, name: str, at: str, files: DISK, kind: str, why: str) -> None:
    tree.mount(tree.disk(name, at, files), "/data")
    (found,) = volumes(tree.host)
    assert (found.name, found.kind, found.mounts) == (name, kind, ("/data",))
    assert why in found.why


@pytest.mark.parametrize(("transport", "kind"), [("tcp", "network"), ("rdma", "network"), ("pcie", "local")])
def test_nvme_over_a_fabric_is_a_network(tree: Tree, transport: str, kind: str) -> None:
    tree.write("/sys/class/nvme/nvme4/transport", transport)
    tree.mount(tree.disk("nvme4n1", PCI, {"device/model": "Dell"}), "/data")
    assert [v.kind for v in volumes(tree.host)] == [kind]


def test_a_network_volume_and_one_of_the_host_are_compared(tree: Tree) -> None:
    (tree.root / "local").mkdir()
    tree.mount(tree.disk("nvme0n1", PCI, {"device/model": "Amazon Elastic Block Store"}), "/")
    assert pair(tree.host, {"path": "", "against": ""}) is None
    tree.mount(tree.disk("nvme1n1", PCI, {"device/model": "Amazon EC2 NVMe Instance Storage"}), "/local", "xfs")
    assert pair(tree.host, {"path": "", "against": ""}) == ("/local", "")  # "": the usual folder of the root's volume
    assert pair(tree.host, {"path": "/data", "against": ""}) is None
    assert pair(tree.host, {"path": "/data", "against": "/fast"}) == ("/fast", "/data")


def test_a_partition_is_its_disk_with_the_claims_of_its_queue(tree: Tree) -> None:
    queue = {
        "queue/rotational": "1",
        "queue/write_cache": "write back",
        "queue/scheduler": "none [mq-deadline] kyber",
        "queue/nr_requests": "256",
        "queue/read_ahead_kb": "8192",
        "queue/io_timeout": "30000",
    }
    tree.disk("sda", SATA, queue)
    tree.mount(tree.disk("sda1", SATA, below="sda"), "/")
    tree.mount(tree.disk("sda2", SATA, below="sda"), "/home")
    (found,) = volumes(tree.host)
    assert found == Volume(
        name="sda",
        mounts=("/", "/home"),
        kind="local",
        why="it hangs on a SATA port",
        model=None,
        rotational=True,
        write_cache="write back",
        scheduler="mq-deadline",
        nr_requests=256,
        read_ahead_kb=8192,
        io_timeout_ms=30000,
    )


def test_what_lies_below_a_stack_decides_where_it_is_of_one_kind(tree: Tree) -> None:
    for name in ("nvme0n1", "nvme1n1"):
        model = "Amazon Elastic Block Store" if name == "nvme0n1" else "Amazon EC2 NVMe Instance Storage"
        tree.disk(name, PCI, {"device/model": model})
    tree.disk("nvme0n1p2", PCI, below="nvme0n1")
    one, mixed = "/sys/devices/virtual/block/dm-0", "/sys/devices/virtual/block/md0"
    lvm, raid = (tree.disk(name, "/sys/devices/virtual/block") for name in ("dm-0", "md0"))
    tree.write(f"{one}/slaves/nvme0n1p2", "")
    tree.write(f"{mixed}/slaves/nvme0n1", "")
    tree.write(f"{mixed}/slaves/nvme1n1", "")
    tree.mount(lvm, "/a")
    tree.mount(raid, "/b")
    assert {v.name: (v.kind, v.why) for v in volumes(tree.host)} == {
        "dm-0": ("network", "it lies on nvme0n1p2"),
        "md0": ("stacked", "it lies on nvme0n1, nvme1n1"),
    }


def test_flushes_are_counted_where_they_end(tree: Tree) -> None:
    """A stacked device passes them on: dm-0 says 0, and its disk got 16."""
    stat = {"stat": " ".join(str(n) for n in range(1, 18))}
    tree.disk("nvme0n1", PCI, stat)
    tree.disk("nvme0n1p2", PCI, below="nvme0n1")
    tree.disk("nvme1n1", PCI, stat)
    tree.disk("dm-0", "/sys/devices/virtual/block", {"stat": "0 " * 17, "slaves/nvme0n1p2": ""})
    tree.disk("md0", "/sys/devices/virtual/block", {"stat": "0 " * 17, "slaves/dm-0": "", "slaves/nvme1n1": ""})
    assert [flushes(tree.host, name) for name in ("nvme0n1", "dm-0", "md0", "sdz")] == [16, 16, 32, None]


def test_a_file_system_with_numbers_of_its_own_is_found_by_its_source(tree: Tree) -> None:
    tree.disk("sda", SATA)
    tree.mount("0:42", "/btrfs", "btrfs", "/dev/sda")
    tree.mount("0:43", "/nfs", "nfs4", "server:/export")
    tree.mount("0:44", "/run", "tmpfs", "tmpfs")
    assert [v.name for v in volumes(tree.host)] == ["sda"]
    found = volume_of(tree.host, (0, 42))
    assert found is not None
    assert found.name == "sda"
    assert volume_of(tree.host, (0, 43)) is None
    assert volume_of(tree.host, (0, 44)) is None
    assert volume_of(tree.host, (9, 9)) is None


@pytest.mark.parametrize("text", ["", "nonsense", "1 2 3", "30 1 259:16 / /x rw - ext4", "\x00\xff - -"])
def test_odd_lists_of_mounts_are_no_error(tree: Tree, text: str) -> None:
    tree.write("/proc/self/mountinfo", text)
    assert volumes(tree.host) == []
    assert volume_of(tree.host, (259, 16)) is None


@pytest.mark.parametrize(("columns", "flushes"), [(11, None), (15, None), (17, 16)])
def test_counters_of_old_and_new_kernels(tree: Tree, columns: int, flushes: int | None) -> None:
    tree.disk("sda", SATA, {"stat": " ".join(str(n) for n in range(1, columns + 1))})
    found = io_counts(tree.host, "sda")
    assert found is not None
    assert (found.reads, found.read_sectors, found.writes, found.written_sectors) == (1, 3, 5, 7)
    assert (found.in_flight, found.busy_ms, found.flushes) == (9, 10, flushes)


@pytest.mark.parametrize("text", ["", "1 2 3", "a b c d e f g h i j k"])
def test_counters_that_cannot_be_read_are_unknown(tree: Tree, text: str) -> None:
    tree.disk("sda", SATA, {"stat": text})
    assert io_counts(tree.host, "sda") is None


def test_this_host(tmp_path: Path) -> None:
    """Whatever it has: every volume has a name, a kind and a reason, and is found again by its number."""
    for volume in volumes(read_host()):
        assert volume.why
        assert volume.mounts
        found = volume_of(read_host(), (os.major(n := os.stat(volume.mounts[0]).st_dev), os.minor(n)))
        assert found is None or found.name == volume.name


def test_an_ebs_volume_confesses() -> None:
    page = HEAD.pack(MAGIC, 100, 200, 1, 2, 3, 4, 31_000_000, 5, 0, 200_000, 12).ljust(LENGTH, b"\0")
    found = confession(page)
    assert found is not None
    assert (found.volume_iops_us, found.instance_throughput_us, found.queue) == (31_000_000, 200_000, 12)
    assert found.exceeded_us == 31_000_000


@pytest.mark.parametrize("page", [b"", b"\x10\xb5\x23", struct.pack("<I", 7).ljust(LENGTH, b"\0")])
def test_another_page_is_no_confession(page: bytes) -> None:
    assert confession(page) is None


def test_a_log_page_is_asked_for_as_the_specification_says() -> None:
    """72 bytes as struct nvme_admin_cmd; 1024 words less one in the upper half of cdw10, the page in its lower."""
    assert COMMAND.size == 72
    fields = COMMAND.unpack(command(0xD0, 4096, 0x1234))
    assert (fields[0], fields[3], fields[7], fields[9]) == (0x02, 0xFFFFFFFF, 0x1234, 4096)
    assert fields[10] == 1023 << 16 | 0xD0


def test_a_folder_on_a_disk_is_one_whose_files_come_to_that_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several mounts, that of its own which may be written and which no other mount hides."""
    tree, devices = Tree(tmp_path), {"/": "root", "/var/tmp": "root", "/data": "data", "/hidden": "root"}
    numbers = {name: tree.disk(disk) for name, disk in (("root", "vda"), ("data", "vdb"), ("ro", "vdc"))}
    for point in devices:
        (tmp_path / point.lstrip("/")).mkdir(parents=True, exist_ok=True)
    for number, point in (("root", "/"), ("data", "/hidden"), ("data", "/data"), ("ro", "/ro")):
        tree.mount(numbers[number], point)
    real = os.stat

    def on(path: Path, **more: object) -> os.stat_result:
        place = "/" + str(path).removeprefix(str(tmp_path)).lstrip("/")
        found = real(path)
        if place not in devices:
            return found
        major, minor = map(int, numbers[devices[place]].split(":"))
        return os.stat_result((*found[:2], os.makedev(major, minor), *found[3:]))

    monkeypatch.setattr("liebench.facts.volumes.os.stat", on)
    assert folder_on(tree.host, "vda") == "/var/tmp"
    assert folder_on(tree.host, "vdb") == "/data"
    assert folder_on(tree.host, "vdc") is None  # nothing is there
    assert folder_on(tree.host, "vdd") is None
