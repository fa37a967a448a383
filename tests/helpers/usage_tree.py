"""Small trees of /proc and /sys in which usage is counted without the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liebench.facts.reader import Reader
from liebench.facts.usage.observe import observe
from liebench.facts.usage.outside import Outside
from liebench.facts.usage.values import Usage

from tests.helpers.disk_tree import Tree

PLAIN_STATUS = {
    "Uid": "1000\t1000\t1000\t1000",
    "TracerPid": "0",
    "NoNewPrivs": "0",
    "Seccomp": "0",
    "Seccomp_filters": "0",
    "CapEff": "0000000000000000",
    "VmSwap": "0 kB",
    "voluntary_ctxt_switches": "10",
}
INITIAL, KERNEL_THREAD = "pid:[4026531836]", 0x00200000


@dataclass(frozen=True, kw_only=True)
class Proc:
    """A process of a tree. ``network`` and ``space`` name namespaces: equal names are one namespace."""

    comm: str = "sleep"
    parent: int = 1
    state: str = "S"
    threads: int = 1
    majors: int = 0
    ticks: int = 0
    flags: int = 0
    cgroup: str = "0::/"
    network: str = "host"
    space: str = "host"
    numbers: str = ""
    mounts: tuple[str, ...] = ("22 1 254:0 / / rw - ext4 /dev/vda1 rw",)
    status: Mapping[str, str] | None = None
    uid_map: str = "0 0 4294967295"


class UsageTree(Tree):
    """A sysroot with processes, groups and counters."""

    def process(self, pid: int, proc: Proc) -> None:
        folder = f"/proc/{pid}"
        self.move(pid, proc)
        status = {**PLAIN_STATUS, "NSpid": proc.numbers or str(pid), **(proc.status or {})}
        self.write(f"{folder}/status", f"Name:\t{proc.comm}\n" + "".join(f"{k}:\t{v}\n" for k, v in status.items()))
        self.write(f"{folder}/cgroup", proc.cgroup + "\n")
        self.write(f"{folder}/mountinfo", "\n".join(proc.mounts) + "\n")
        self.write(f"{folder}/uid_map", proc.uid_map)
        self.namespace(f"{folder}/net/dev", f"net-{proc.network}")
        self.namespace(f"{folder}/ns/mnt", f"mnt-{proc.space}")

    def move(self, pid: int, proc: Proc) -> None:
        """Its /proc/PID/stat alone, so that it may move in a window."""
        rest = f"{proc.state} {proc.parent} 1 1 0 -1 {proc.flags} 5 0 {proc.majors} 0 {proc.ticks} 0 0 0 20 0"
        self.write(f"/proc/{pid}/stat", f"{pid} ({proc.comm}) {rest} {proc.threads} 0 99 0 0\n")

    def namespace(self, path: str, name: str) -> None:
        """A file that is one file, under each path of the same name."""
        stock = self.root / "namespaces" / name
        if not stock.exists():
            self.write(f"namespaces/{name}", "")
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.hardlink_to(stock)

    def own(self, root: bool = False, **more: str) -> None:
        """/proc/self, as far as it is asked."""
        self.write("/proc/self/status", f"Uid:\t{0 if root else 1000}\t{0 if root else 1000}\t0\t0\n")
        self.write("/proc/self/cgroup", more.get("cgroup", "0::/") + "\n")
        self.namespace("/proc/self/net/dev", "net-host")
        if "pid" in more:
            place = self.root / "proc/self/ns/pid"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(more["pid"])

    def group(self, name: str, **files: str) -> None:
        """A control group of version 2: ``cpu_max`` is the file cpu.max."""
        for file, text in files.items():
            self.write(f"/sys/fs/cgroup{name}/{file.replace('_', '.', 1)}", text + "\n")

    def usage(self, window: Callable[[], object] = lambda: None, ours: Any = None, **outside: Any) -> Usage:
        """What is counted, ``window`` being what happens while it waits: one second, by its clock."""
        ticks = iter((100.0, 101.0))
        quiet = Outside(sleep=lambda _: (window(), None)[1], monotonic=lambda: next(ticks))
        return observe(Reader(self.root), replace(quiet, **outside), 1.0, ours)


def tree(folder: Path) -> UsageTree:
    return UsageTree(folder)
