"""Changes around processors and hypervisors. What only the provider can change says so: liebench cannot try it."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.host import Host

POLL = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"


def _cpus(host: Host) -> str:
    return f"{host.words['cpus']} CPUs"


def _poll(host: Host) -> str:
    return host.read(POLL) or "unknown"


def _thp(host: Host) -> str:
    return str(host.facts["memory"]["thp"] or "unknown")


def _quota(host: Host) -> str:
    cpus = host.facts["limits"]["cpus"]
    return "no limit" if cpus is None else f"{cpus:g} CPUs"


CHANGES = (
    Change(
        "ask-provider",
        "what only the provider or the owner of the hypervisor can change",
        "reboot",
        "the provider's choice",
        "another machine type costs another price, and its own lies: measure it before you move",
        "ask for {to}",
        "ask for what you had ({now})",
        "smt-core",
        unknown,
    ),
    Change(
        "pin-per-core",
        "number and place of the workers",
        "process",
        "one worker per processor, anywhere",
        "work that waits a lot (memory, disks, networks) loses what the second threads gave it",
        "start {to}: taskset or a cpuset with one thread of every core, and as many workers",
        "start one worker per processor again ({now})",
        "smt-core",
        _cpus,
    ),
    Change(
        "cpu-quota",
        "CPU limit of the control group",
        "cgroup",
        "no limit",
        "whoever shares the machine loses what this group gains",
        "set {to}: cpu.max (version 2) or cpu.cfs_quota_us (version 1), or the limit of the orchestrator",
        "set the limit to {now} again",
        "cpu-share",
        _quota,
    ),
    Change(
        "workers",
        "number of busy threads",
        "process",
        "one per processor that the kernel shows",
        "fewer threads use less of what is free when the neighbours are idle",
        "start {to} (GOMAXPROCS, ActiveProcessorCount, OMP_NUM_THREADS and the like)",
        "start as many as before ({now})",
        "cpu-share",
        _cpus,
    ),
    Change(
        "governor",
        "frequency governor",
        "host",
        "schedutil or the driver's own",
        "more power and heat; on shared hosts the hypervisor decides, not the guest",
        "echo {to} > /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        "echo {now} there again",
        "cpu-frequency",
        lambda host: str(host.facts["cpu"]["governor"] or "none"),
    ),
    Change(
        "fewer-wakes",
        "how often work crosses into the hypervisor",
        "process",
        "one wake-up, timer or interrupt per event",
        "batches add delay to the first event in them",
        "{to}",
        "wake for every event again ({now})",
        "vm-exit",
        unknown,
    ),
    Change(
        "fewer-shootdowns",
        "how often memory is given back while other threads run",
        "process",
        "the allocator returns memory at once",
        "memory stays with the process for longer",
        "{to}",
        "return it at once again ({now})",
        "tlb-flush",
        unknown,
    ),
    Change(
        "prefault",
        "when memory is touched first",
        "process",
        "at first use",
        "start-up takes longer, and memory that is never used is paid for",
        "touch it before it is needed: {to}",
        "leave it to first use again ({now})",
        "nested-page",
        unknown,
    ),
    Change(
        "huge-pages",
        "transparent huge pages",
        "process",
        "madvise",
        "more memory for sparse data; compaction can stall an allocation",
        "{to} for the large areas (madvise MADV_HUGEPAGE, or always in /sys/kernel/mm/transparent_hugepage/enabled)",
        "{now} again",
        "nested-page",
        _thp,
    ),
    Change(
        "halt-poll",
        "how long an idle virtual CPU polls before it halts (ns)",
        "host",
        "200000",
        "an idle CPU that polls burns power, and time of the sibling or of a neighbour",
        f"echo {{to}} > {POLL}",
        f"echo {{now}} > {POLL}",
        "paravirt",
        _poll,
    ),
)
