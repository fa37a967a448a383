"""What the kernel claims about the block volumes that are mounted here. Labels: they decide nothing, they are printed.

Sources: Documentation/ABI/stable/sysfs-block, Documentation/admin-guide/iostats.rst, proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from liebench.facts.mounts import mounts_in
from liebench.facts.reader import Reader, Sysroot, as_int

# What cloud providers call their disks (model as in /sys/block/*/device/model): the providers' own documentation of
# Amazon EBS and instance store volumes, Google Persistent Disk and Local SSD, Azure remote and temporary NVMe disks.
MODELS = (
    ("Amazon Elastic Block Store", "network"),
    ("Amazon EC2 NVMe Instance Storage", "instance"),
    ("nvme_card-pd", "network"),
    ("nvme_card", "instance"),
    ("PersistentDisk", "network"),
    ("EphemeralDisk", "instance"),
    ("MSFT NVMe Accelerator", "network"),
    ("Microsoft NVMe Direct Disk", "instance"),
    ("Virtual Disk", "network"),
)
NAMES = (
    (r"(nbd|rbd|drbd)\d+", "network", "block devices of that name lie behind a network"),
    (r"(zram|ram|pmem)\d+", "ram", "block devices of that name lie in memory"),
    (r"(vd|xvd)[a-z]+", "virtual", "a hypervisor made it; where it lies cannot be known from here"),
)
FAR = ("tcp", "rdma", "fc")  # transports of NVMe over fabrics
STACKED = re.compile(r"(dm-|md|loop|bcache)\d+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Volume:
    """One whole disk. ``kind``: network, instance, local, virtual, ram, stacked, unknown; ``why``: how it is known."""

    name: str
    mounts: tuple[str, ...]
    kind: str
    why: str
    model: str | None
    rotational: bool | None
    write_cache: str | None
    scheduler: str | None
    nr_requests: int | None
    read_ahead_kb: int | None
    io_timeout_ms: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class IoCounts:
    """Counters of a disk since boot; ``flushes`` is None on kernels before 5.5."""

    reads: int
    read_sectors: int
    writes: int
    written_sectors: int
    in_flight: int
    busy_ms: int
    flushes: int | None


def io_counts(host: Sysroot, name: str) -> IoCounts | None:
    """The counters of one disk as they are now; None where the kernel does not tell."""
    found = [as_int(word) for word in (host.read(f"/sys/block/{name}/stat") or "").split()]
    if len(found) < 11 or None in found:
        return None
    row = [value or 0 for value in found]
    return IoCounts(
        reads=row[0],
        read_sectors=row[2],
        writes=row[4],
        written_sectors=row[6],
        in_flight=row[8],
        busy_ms=row[9],
        flushes=row[15] if len(row) > 15 else None,
    )


def flushes(host: Sysroot, name: str) -> int | None:
    """Flushes that reached the disks below a volume so far: stacked devices pass them on without counting them."""
    below = [disk_of(Reader(host.root), host.read(f"/sys/class/block/{s}/dev") or "") for s in _slaves(host, name)]
    counts = [flushes(host, disk[0]) for disk in below if disk and disk[0] != name]
    if counts:
        return None if None in counts else sum(count or 0 for count in counts)
    found = io_counts(host, name)
    return found.flushes if found else None


def _slaves(host: Sysroot, name: str) -> list[str]:
    return host.names(f"/sys/block/{name}/slaves")


def disk_of(reader: Reader, number: str) -> tuple[str, Path] | None:
    """(name of the whole disk, its folder below /sys/devices) of a device number; a partition's disk is its parent."""
    link = reader.path(f"/sys/dev/block/{number}")
    try:
        place = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    place = place.parent if (place / "partition").exists() else place
    return place.name, place


def _transport(reader: Reader, name: str) -> str | None:
    """tcp, rdma, fc or pcie of an NVMe disk; with multipath the disk belongs to a subsystem, so any path counts."""
    controller = re.match(r"(nvme\d+)", name)
    return reader.text(f"/sys/class/nvme/{controller[1]}/transport") if controller else None


def kind_of(reader: Reader, name: str, place: Path, depth: int = 0) -> tuple[str, str]:
    model = reader.text(f"/sys/block/{name}/device/model") or ""
    for label, kind in MODELS:
        if label in model:
            return kind, f"its model is {model}"
    if re.search(r"/session\d+/", f"{place}/"):
        return "network", "it hangs on an iSCSI session"
    transport = _transport(reader, name)
    if transport in FAR:
        return "network", f"it is NVMe over {transport}"
    for pattern, kind, why in NAMES:
        if re.fullmatch(pattern, name):
            return kind, why
    if STACKED.fullmatch(name):
        return _stacked(reader, name, depth)
    if transport == "pcie":
        return "local", "it is NVMe on a PCIe bus"
    if re.search(r"/ata\d+/", f"{place}/"):
        return "local", "it hangs on a SATA port"
    return "unknown", "nothing here says where it lies"


def _stacked(reader: Reader, name: str, depth: int) -> tuple[str, str]:
    """What lies below decides, where it is of one kind."""
    below = reader.names(f"/sys/block/{name}/slaves")
    if not below or depth > 4:
        return "stacked", "it lies on a file" if name.startswith("loop") else "what lies below is not told"
    kinds = {_below(reader, slave, depth + 1) for slave in below}
    kind = kinds.pop() if len(kinds) == 1 else "stacked"
    return kind, f"it lies on {', '.join(below)}"


def _below(reader: Reader, slave: str, depth: int) -> str:
    number = reader.text(f"/sys/class/block/{slave}/dev")
    found = disk_of(reader, number) if number else None
    return kind_of(reader, *found, depth)[0] if found else "unknown"


def _volume(reader: Reader, name: str, place: Path, mounts: tuple[str, ...]) -> Volume:
    queue = f"/sys/block/{name}/queue"
    turns, chosen = reader.number(f"{queue}/rotational"), reader.text(f"{queue}/scheduler") or ""
    kind, why = kind_of(reader, name, place)
    return Volume(
        name=name,
        mounts=mounts,
        kind=kind,
        why=why,
        model=reader.text(f"/sys/block/{name}/device/model"),
        rotational=None if turns is None else bool(turns),
        write_cache=reader.text(f"{queue}/write_cache"),
        scheduler=chosen.partition("[")[2].partition("]")[0] or chosen or None,
        nr_requests=reader.number(f"{queue}/nr_requests"),
        read_ahead_kb=reader.number(f"{queue}/read_ahead_kb"),
        io_timeout_ms=reader.number(f"{queue}/io_timeout"),
    )


def _mounted(reader: Reader) -> list[tuple[str, str, str]]:
    """(device number, mount point, source) of every mount, in order."""
    return [(m.number, m.point, m.source) for m in mounts_in(reader.text("/proc/self/mountinfo"))]


def device_of(reader: Reader, number: str, source: str) -> str:
    """btrfs and others mount under a number of their own: then the source's node says which device it is."""
    if not number.startswith("0:") or not source.startswith("/dev/"):
        return number
    name = source.rpartition("/")[2]
    return reader.text(f"/sys/class/block/{name}/dev") or number


def volumes(host: Sysroot) -> list[Volume]:
    """Every whole disk that a mounted file system lies on, in the order of the mounts; of a run file as it was then."""
    if "volumes" in host.facts:
        return [Volume(**{**row, "mounts": tuple(row["mounts"])}) for row in host.facts["volumes"]]
    reader, places, found = Reader(host.root), {}, {}  # type: ignore[var-annotated]
    for number, point, source in _mounted(reader):
        disk = disk_of(reader, device_of(reader, number, source))
        if disk:
            places[disk[0]] = disk[1]
            found.setdefault(disk[0], []).append(point)
    return [_volume(reader, name, places[name], tuple(points)) for name, points in found.items()]


def volume_of(host: Sysroot, device: tuple[int, int]) -> Volume | None:
    """The whole disk below a device number, as ``os.stat`` gives it; None where the kernel does not tell."""
    reader, wanted = Reader(host.root), f"{device[0]}:{device[1]}"
    for number, _, source in _mounted(reader):
        if number == wanted:
            wanted = device_of(reader, number, source)
            break
    disk = disk_of(reader, wanted)
    if disk is None:
        return None
    name, place = disk
    mounted = ((point, device_of(reader, number, source)) for number, point, source in _mounted(reader))
    return _volume(reader, name, place, tuple(point for point, device in mounted if disk_of(reader, device) == disk))


def folder_on(host: Sysroot, name: str) -> str | None:
    """A folder on that disk where files may be made: a mount of its own, else where this host keeps what may go."""
    points = next((volume.mounts for volume in volumes(host) if volume.name == name), ())
    places = [point for point in points if point != "/"] + (["/var/tmp", "/tmp", "/"] if "/" in points else [])
    return next((place for place in places if _lies_on(host, place, name)), None)


def _lies_on(host: Sysroot, place: str, name: str) -> bool:
    """Whether files of ours at that place come to that disk: what is mounted over a mount hides it."""
    try:
        found = os.stat(host.root / place.lstrip("/"))
    except OSError:
        return False
    volume = volume_of(host, (os.major(found.st_dev), os.minor(found.st_dev)))
    return volume is not None and volume.name == name and stat.S_ISDIR(found.st_mode) and host.writable(place)
