"""From mounts and swap areas down to disks, by /sys/dev/block and the slaves of what is stacked.

Never by stat's device number: btrfs and overlay have one of their own (proc(5), Documentation/ABI/stable/sysfs-block).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from liebench.facts.mounts import Mount
from liebench.facts.reader import Reader
from liebench.facts.usage.outside import Outside
from liebench.facts.usage.sources import Sources, paths
from liebench.facts.usage.values import Disk
from liebench.facts.volumes import device_of, disk_of, kind_of

MEMORY = frozenset(("tmpfs", "ramfs", "rootfs", "devtmpfs", "hugetlbfs"))
REMOTE = frozenset(("nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "fuse", "glusterfs", "lustre", "afs"))
UNTOLD = frozenset(("zfs", "bcachefs"))  # they keep their disks in lists of their own
DM = {"LVM-": "dm_lvm", "mpath-": "dm_multipath", "CRYPT-": "dm_crypt", "DMRAID-": "dm_raid"}
LVM_CACHE = re.compile(r"-c(data|meta|vol|pool)$")
HIDDEN_PATH = "nvme[0-9]*c[0-9]*n[0-9]*"  # of NVMe multipath, below its head
DEEPEST = 8


@dataclass(slots=True)
class Found:
    """Bottom disks by name, and how many devices of each stacked kind were passed on the way down."""

    disks: dict[str, object] = field(default_factory=dict)
    passed: dict[str, str] = field(default_factory=dict)  # device -> kind
    untold: int = 0


def kinds(mounts: Iterable[Mount]) -> dict[str, int]:
    """How many mounts there are of each kind of file system; FUSE's own names may be anybody's, and are left out."""
    return dict(sorted(Counter("fuse" if m.kind.startswith("fuse.") else m.kind for m in mounts).items()))


def below(reader: Reader, mounts: list[Mount], swaps: Iterable[str]) -> Found:
    """``swaps``: lines of /proc/swaps, which name a device or a file."""
    found = Found()
    for mount in {m.number: m for m in mounts}.values():
        _under(reader, mount, mounts, found)
    for line in swaps:
        name = line.split()[0].rpartition("/")[2] if line.startswith("/dev/") else ""
        _down(reader, reader.text(f"/sys/class/block/{name}/dev") if name else None, mounts, found)
    return found


def _under(reader: Reader, mount: Mount, mounts: list[Mount], found: Found) -> None:
    if mount.kind in MEMORY or mount.kind.split(".")[0] in REMOTE:
        return
    if mount.kind in UNTOLD:
        found.untold += 1
    elif mount.kind == "btrfs":
        for number in _members(reader, mount.source) or [device_of(reader, mount.number, mount.source)]:
            _down(reader, number, mounts, found)
    else:
        _down(reader, device_of(reader, mount.number, mount.source), mounts, found)


def _members(reader: Reader, source: str) -> list[str]:
    """Device numbers of all disks of the btrfs that has this one."""
    for folder in reader.names("/sys/fs/btrfs", "*-*"):
        names = reader.names(f"/sys/fs/btrfs/{folder}/devices")
        if source.rpartition("/")[2] in names:
            return [number for name in names if (number := reader.text(f"/sys/class/block/{name}/dev"))]
    return []


def _down(reader: Reader, number: str | None, mounts: list[Mount], found: Found, depth: int = 0) -> None:
    """To the bottom: a loop device lies on the file system of its file."""
    disk = disk_of(reader, number) if number else None
    if disk is None or depth > DEEPEST:
        return
    name = disk[0]
    kind = _stacked(reader, name)
    if kind == "loop":
        file = reader.text(f"/sys/block/{name}/loop/backing_file")
        holder = _mount_of(file, mounts) if file else None
        found.passed[name] = kind
        if holder is None or holder.number == number:
            found.untold += 1
        elif depth < DEEPEST:
            _down(reader, device_of(reader, holder.number, holder.source), mounts, found, depth + 1)
        return
    slaves = reader.names(f"/sys/block/{name}/slaves")
    if kind:
        found.passed[name] = kind
    for slave in slaves:
        _down(reader, reader.text(f"/sys/class/block/{slave}/dev"), mounts, found, depth + 1)
    if not slaves:
        found.disks[name] = disk[1]


def _mount_of(file: str, mounts: list[Mount]) -> Mount | None:
    """The mount with the longest point above a path; of two at one point the later lies on top."""
    above = [m for m in mounts if file == m.point or file.startswith(m.point.rstrip("/") + "/")]
    longest = max((len(m.point) for m in above), default=0)
    return next((m for m in reversed(above) if len(m.point) == longest), None)


def _stacked(reader: Reader, name: str) -> str:
    """Kind of a device that lies on others; "" for none. Device mapper tells users its maker's prefix alone."""
    if re.fullmatch(r"loop\d+", name):
        return "loop"
    if re.fullmatch(r"md.*", name) and reader.exists(f"/sys/block/{name}/md"):
        return "md"
    if re.fullmatch(r"bcache\d+", name):
        return "bcache"
    if re.fullmatch(r"dm-\d+", name):
        uuid = reader.text(f"/sys/block/{name}/dm/uuid") or ""
        if uuid.startswith("LVM-") and LVM_CACHE.search(uuid):
            return "dm_cache"
        return next((kind for prefix, kind in DM.items() if uuid.startswith(prefix)), "dm_other")
    return ""


def stacks(reader: Reader, found: Found, mounts: list[Mount]) -> dict[str, int | None]:
    """Counts: ``*_present`` of all that is there, the others of what lies below a mount or a swap area."""
    names = reader.names("/sys/block") if reader.exists("/sys/block") else None
    passed = Counter(found.passed.values())
    many = [f for f in reader.names("/sys/fs/btrfs", "*-*") if len(reader.names(f"/sys/fs/btrfs/{f}/devices")) > 1]
    degraded = [reader.number(path) or 0 for path in paths(reader, "/sys/block", "md*/md/degraded")]
    there: dict[str, int | None] = {
        "md_present": _count(names, "md"),
        "dm_present": _count(names, "dm-"),
        "bcache_present": _count(names, "bcache"),
        "md_degraded": sum(value > 0 for value in degraded) if names is not None else None,
        "dm_cache_present": _caches(reader, names),
        "dm_many": sum(len(reader.names(f"/sys/block/{n}/slaves")) > 1 for n in found.passed if n.startswith("dm-")),
        "nvme_paths": len(reader.names("/sys/block", HIDDEN_PATH)) if names is not None else None,
        "btrfs_many": len(many) if reader.exists("/sys/fs") else None,
        "zfs_pools": len({m.source.partition("/")[0] for m in mounts if m.kind == "zfs"}),
        "untold": found.untold,
    }
    for kind in ("md", "loop", "bcache", "dm_cache", "dm_other", *DM.values()):
        there[kind] = passed[kind] if names is not None else None
    return dict(sorted(there.items()))


def _count(names: list[str] | None, prefix: str) -> int | None:
    return None if names is None else sum(name.startswith(prefix) and name[len(prefix) :].isdecimal() for name in names)


def _caches(reader: Reader, names: list[str] | None) -> int | None:
    return None if names is None else sum(n.startswith("dm-") and _stacked(reader, n) == "dm_cache" for n in names)


def described(sources: Sources, found: Found) -> tuple[Disk, ...]:
    """Labels of each disk: they decide nothing, but say what may have credits, or lie behind a network."""
    return tuple(_disk(sources.reader, name) for name in sorted(found.disks))


def _disk(reader: Reader, name: str) -> Disk:
    folder, place = f"/sys/block/{name}", reader.path(f"/sys/block/{name}").resolve()
    sectors, turns = reader.number(f"{folder}/size"), reader.number(f"{folder}/queue/rotational")
    return Disk(
        name=name,
        kind=kind_of(reader, name, place)[0],
        model=reader.text(f"{folder}/device/model"),
        size_bytes=None if sectors is None else sectors * 512,
        rotational=None if turns is None else bool(turns),
        write_cache=reader.text(f"{folder}/queue/write_cache"),
        read_ahead_kb=reader.number(f"{folder}/queue/read_ahead_kb"),
    )


def reflinked(mounts: Iterable[Mount], outside: Outside) -> int | None:
    """How many XFS have reflinks on: possible, not shared. None where one of them did not say."""
    told = [outside.reflinks(m.point) for m in {m.number: m for m in mounts if m.kind == "xfs"}.values()]
    return None if None in told else sum(bool(value) for value in told)
