"""What the author of a program changes in it. No file of the host holds it, so it is made by hand."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.host import Host


def _filters(host: Host) -> str:
    count = host.facts.get("process", {}).get("filters")
    return "unknown" if count is None else f"{count} filters"


def _thp(host: Host) -> str:
    return str(host.facts["memory"]["thp"] or "unknown")


CHANGES = (
    Change(
        id="coarse-clock",
        setting="clock id of time stamps",
        scope="process",
        default="CLOCK_REALTIME",
        risk="stamps are as coarse as the timer tick (1 to 10 ms)",
        how="use {to} where a stamp of some milliseconds is enough",
        undo="use {now} again",
        probe="clock-read",
        now=lambda host: "CLOCK_REALTIME",
    ),
    Change(
        id="boottime-clock",
        setting="clock id of durations and time-outs",
        scope="process",
        default="CLOCK_REALTIME",
        risk="CLOCK_BOOTTIME counts suspended time, CLOCK_MONOTONIC does not; neither is wall time",
        how="measure durations with {to}",
        undo="use {now} again",
        probe="clock-jump",
        now=lambda host: "CLOCK_REALTIME",
    ),
    Change(
        id="map-random",
        setting="advice on a mapping that is read at random",
        scope="process",
        default="MADV_NORMAL: readahead",
        risk="without readahead sequential reads of the mapping are slow",
        how="call {to} on it",
        undo="call madvise(MADV_NORMAL) ({now})",
        probe="file-map",
        now=unknown,
    ),
    Change(
        id="own-cache",
        setting="who caches the file",
        scope="process",
        default="the kernel",
        risk="memory for the cache must be sized below the limit, and is not given back under pressure",
        how="use {to}",
        undo="map the file again ({now})",
        probe="file-map",
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
        id="map-huge",
        setting="transparent huge pages",
        scope="process",
        default="madvise",
        risk="more memory for sparse data; compaction can stall an allocation",
        how="{to} for the large areas (madvise(2)); the setting huge-pages gives them to every program",
        undo="{now} again",
        probe="nested-page",
        now=_thp,
    ),
    Change(
        id="openat",
        setting="how the program names its files",
        scope="process",
        default="whole paths",
        risk="a folder that is moved meanwhile is still followed",
        how="open the folder once (O_PATH) and name files from there: {to}",
        undo="use whole paths again ({now})",
        probe="path-links",
        now=unknown,
    ),
    Change(
        id="batch-commits",
        setting="how many changes one fsync makes durable",
        scope="process",
        default="one",
        risk="what was not flushed yet is lost when the power fails, so nothing of it may have been confirmed",
        how="let several commits share a flush: {to}",
        undo="flush each one again ({now})",
        probe="flush-honesty",
        now=unknown,
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
        id="fewer-filters",
        setting="seccomp filters of a process",
        scope="process",
        default="no filter",
        risk="rules that are merged are new rules: read them again before you trust them",
        how="{to}: merge the rules before they are loaded (libseccomp does), and look at arguments of rare calls only",
        undo="load the filters one over the other again ({now})",
        probe="syscall-translated",
        now=_filters,
    ),
    Change(
        id="supervisor-place",
        setting="where a supervisor answers seccomp notifications",
        scope="process",
        default="wherever the scheduler puts it",
        risk="callers on several processors need a supervisor on each of them, and both share one processor's time",
        how="run {to} (sched_setaffinity(2), a cpuset)",
        undo="let the scheduler place it again ({now})",
        probe="syscall-translated",
        now=unknown,
    ),
    Change(
        id="no-tracer",
        setting="how system calls of a busy program are watched or translated",
        scope="process",
        default="ptrace",
        risk="a filter cannot follow pointers, and eBPF needs privileges: not everything a tracer sees is seen",
        how="use {to}",
        undo="use the tracer again ({now})",
        probe="syscall-translated",
        now=unknown,
    ),
)
