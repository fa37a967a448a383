"""Changes around containers and sandboxes: what stands between a program and the kernel."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.host import Host


def _filters(host: Host) -> str:
    count = host.facts.get("process", {}).get("filters")
    return "unknown" if count is None else f"{count} filters"


CHANGES = (
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
    Change(
        id="keep-containers",
        setting="how long a container lives",
        scope="process",
        default="as the orchestrator has it",
        risk="what one piece of work leaves behind, the next one finds",
        how="use {to}",
        undo="start one for each piece again ({now})",
        probe="container-vm",
        now=unknown,
    ),
    Change(
        id="container-network",
        setting="whose network a container has",
        scope="namespace",
        default="one of its own",
        risk="a container on the host's network sees and takes the host's ports",
        how="give hot paths {to} (--network host, hostNetwork: true)",
        undo="give it one of its own again ({now})",
        probe="container-vm",
        now=unknown,
    ),
    Change(
        id="cpu-burst",
        setting="cpu.max.burst of the control group (us)",
        scope="cgroup",
        default="0",
        risk="what the group did not use it takes later, when its neighbours may want it",
        how="write {to} to cpu.max.burst (version 2) or cpu.cfs_burst_us (version 1) of the group",
        undo="write {now} there again",
        probe="quota-spike",
        now=unknown,
    ),
)
