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
        id="ask-provider",
        setting="what only the provider or the owner of the hypervisor can change",
        scope="reboot",
        default="the provider's choice",
        risk="another machine type costs another price, and its own lies: measure it before you move",
        how="ask for {to}",
        undo="ask for what you had ({now})",
        probe="smt-core",
        now=unknown,
    ),
    Change(
        id="pin-per-core",
        setting="number and place of the workers",
        scope="process",
        default="one worker per processor, anywhere",
        risk="work that waits a lot (memory, disks, networks) loses what the second threads gave it",
        how="start {to}: taskset or a cpuset with one thread of every core, and as many workers",
        undo="start one worker per processor again ({now})",
        probe="smt-core",
        now=_cpus,
    ),
    Change(
        id="cpu-quota",
        setting="CPU limit of the control group",
        scope="cgroup",
        default="no limit",
        risk="whoever shares the machine loses what this group gains",
        how="set {to}: cpu.max (version 2) or cpu.cfs_quota_us (version 1), or the limit of the orchestrator",
        undo="set the limit to {now} again",
        probe="cpu-share",
        now=_quota,
    ),
    Change(
        id="workers",
        setting="number of busy threads",
        scope="process",
        default="one per processor that the kernel shows",
        risk="fewer threads use less of what is free when the neighbours are idle",
        how="start {to} (GOMAXPROCS, ActiveProcessorCount, OMP_NUM_THREADS and the like)",
        undo="start as many as before ({now})",
        probe="cpu-share",
        now=_cpus,
    ),
    Change(
        id="governor",
        setting="frequency governor",
        scope="host",
        default="schedutil or the driver's own",
        risk="more power and heat; on shared hosts the hypervisor decides, not the guest",
        how="echo {to} > /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        undo="echo {now} there again",
        probe="cpu-frequency",
        now=lambda host: str(host.facts["cpu"]["governor"] or "none"),
    ),
    Change(
        id="fewer-wakes",
        setting="how often work crosses into the hypervisor",
        scope="process",
        default="one wake-up, timer or interrupt per event",
        risk="batches add delay to the first event in them",
        how="{to}",
        undo="wake for every event again ({now})",
        probe="vm-exit",
        now=unknown,
    ),
    Change(
        id="fewer-shootdowns",
        setting="how often memory is given back while other threads run",
        scope="process",
        default="the allocator returns memory at once",
        risk="memory stays with the process for longer",
        how="{to}",
        undo="return it at once again ({now})",
        probe="tlb-flush",
        now=unknown,
    ),
    Change(
        id="prefault",
        setting="when memory is touched first",
        scope="process",
        default="at first use",
        risk="start-up takes longer, and memory that is never used is paid for",
        how="touch it before it is needed: {to}",
        undo="leave it to first use again ({now})",
        probe="nested-page",
        now=unknown,
    ),
    Change(
        id="huge-pages",
        setting="transparent huge pages",
        scope="process",
        default="madvise",
        risk="more memory for sparse data; compaction can stall an allocation",
        how="{to} for the large areas (madvise MADV_HUGEPAGE, or always in "
        "/sys/kernel/mm/transparent_hugepage/enabled)",
        undo="{now} again",
        probe="nested-page",
        now=_thp,
    ),
    Change(
        id="halt-poll",
        setting="how long an idle virtual CPU polls before it halts (ns)",
        scope="host",
        default="200000",
        risk="an idle CPU that polls burns power, and time of the sibling or of a neighbour",
        how=f"echo {{to}} > {POLL}",
        undo=f"echo {{now}} > {POLL}",
        probe="paravirt",
        now=_poll,
    ),
)
