"""What several probes need of a host, and the option they share: one wording, one cure."""

from __future__ import annotations

from liebench.contract import Need, Option
from liebench.host import program
from liebench.stage.cgroup import bursts, home

FMA = Need("fused multiply-add", lambda host: host.fma, "none: this processor has no such instruction")
TWO = Need("two processors", lambda host: len(host.processors) > 1, "none: this host has one processor")
KVM = Need("/dev/kvm", lambda host: host.writable("/dev/kvm"), "run as root or in the group kvm, where it is offered")
OVERLAY = Need("overlayfs", lambda host: "overlay" in (host.read("/proc/filesystems") or ""), "modprobe overlay")
FUSE_OVERLAY = Need(
    "fuse-overlayfs",
    lambda host: program(host, "fuse-overlayfs") and host.writable("/dev/fuse"),
    "apt install fuse-overlayfs",
)
CPU_GROUP = Need(
    "a CPU control group of our own",
    lambda host: home(host.root, "cpu") is not None,
    "run as root where control groups have the cpu controller",
)
CPU_BURST = Need(
    "cpu.max.burst or cpu.cfs_burst_us in a control group of our own",
    lambda host: bursts(host.root),
    "run as root, on a kernel since 5.14, where control groups have the cpu controller",
)
MEMORY_GROUP = Need(
    "a memory control group of our own",
    lambda host: home(host.root, "memory") is not None,
    "run as root where control groups have the memory controller",
)
PATH = Option("path", "", "a folder on the file system to measure; by default /var/tmp or /tmp, whichever is a disk")
