"""Changes around containers and sandboxes: what stands between a program and the kernel."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.host import Host


def _filters(host: Host) -> str:
    count = host.facts.get("process", {}).get("filters")
    return "unknown" if count is None else f"{count} filters"


CHANGES = (
    Change(
        "fewer-filters",
        "seccomp filters of a process",
        "process",
        "no filter",
        "rules that are merged are new rules: read them again before you trust them",
        "{to}: merge the rules before they are loaded (libseccomp does), and look at arguments of rare calls only",
        "load the filters one over the other again ({now})",
        "syscall-translated",
        _filters,
    ),
    Change(
        "supervisor-place",
        "where a supervisor answers seccomp notifications",
        "process",
        "wherever the scheduler puts it",
        "callers on several processors need a supervisor on each of them, and both share one processor's time",
        "run {to} (sched_setaffinity(2), a cpuset)",
        "let the scheduler place it again ({now})",
        "syscall-translated",
        unknown,
    ),
    Change(
        "no-tracer",
        "how system calls of a busy program are watched or translated",
        "process",
        "ptrace",
        "a filter cannot follow pointers, and eBPF needs privileges: not everything a tracer sees is seen",
        "use {to}",
        "use the tracer again ({now})",
        "syscall-translated",
        unknown,
    ),
    Change(
        "keep-containers",
        "how long a container lives",
        "process",
        "as the orchestrator has it",
        "what one piece of work leaves behind, the next one finds",
        "use {to}",
        "start one for each piece again ({now})",
        "container-vm",
        unknown,
    ),
    Change(
        "container-network",
        "whose network a container has",
        "namespace",
        "one of its own",
        "a container on the host's network sees and takes the host's ports",
        "give hot paths {to} (--network host, hostNetwork: true)",
        "give it one of its own again ({now})",
        "container-vm",
        unknown,
    ),
    Change(
        "cpu-burst",
        "cpu.max.burst of the control group (us)",
        "cgroup",
        "0",
        "what the group did not use it takes later, when its neighbours may want it",
        "write {to} to cpu.max.burst (version 2) or cpu.cfs_burst_us (version 1) of the group",
        "write {now} there again",
        "quota-spike",
        unknown,
    ),
)
