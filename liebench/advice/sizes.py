"""Sizes of a program: what whoever starts it tells it, because it cannot see its own limits or its processors."""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.host import Host

FEWER = "threads that wait for a disk or a network need more than one a CPU: keep those pools as they are"
UNSET = "one per CPU that it believes in"


def _cpus(host: Host) -> str:
    return f"{host.words['cpus']} CPUs"


def _limit(host: Host) -> str:
    known = host.facts["limits"]["memory_mib"]
    return "no limit" if known is None else f"a limit of {known} MiB"


def _workers(id: str, setting: str, how: str, undo: str) -> Change:
    return Change(
        id=id,
        setting=setting,
        scope="process",
        default=UNSET,
        risk=FEWER,
        how=how,
        undo=undo,
        probe="container-facts",
        now=unknown,
    )


CHANGES = (
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
        id="size-below-limit",
        setting="what the program may allocate",
        scope="process",
        default="whatever it asks for",
        risk="a program that is told less works with less: more misses, more collections",
        how="set {to} (-Xmx, maxmemory, shared_buffers)",
        undo="give it the old size again ({now})",
        probe="memory-promise",
        now=_limit,
    ),
    _workers(
        "processes-of-servers",
        "worker processes of servers that ask sysconf, such as nginx",
        "worker_processes {to}; (nginx), or the same number for what your server calls its workers",
        "worker_processes auto; ({now})",
    ),
    _workers(
        "threads-of-openmp",
        "OMP_NUM_THREADS, which nproc, OpenMP and OpenBLAS obey",
        "export OMP_NUM_THREADS={to}; make -j {to}",
        "unset OMP_NUM_THREADS ({now})",
    ),
    _workers(
        "cpu-count-of-python",
        "PYTHON_CPU_COUNT",
        "export PYTHON_CPU_COUNT={to} (Python 3.13 or newer; before that give {to} to every pool: max_workers={to})",
        "unset PYTHON_CPU_COUNT ({now})",
    ),
    _workers(
        "processors-of-java",
        "-XX:ActiveProcessorCount",
        "export JAVA_TOOL_OPTIONS=-XX:ActiveProcessorCount={to}, or a JVM that reads this kind of control group",
        "unset JAVA_TOOL_OPTIONS ({now})",
    ),
    _workers(
        "threads-of-go",
        "GOMAXPROCS",
        "export GOMAXPROCS={to}, or build with Go 1.25 or newer, which reads the quota of its own group",
        "unset GOMAXPROCS ({now})",
    ),
    _workers(
        "workers-of-node",
        "workers of Node's cluster and worker_threads",
        "start {to} workers; UV_THREADPOOL_SIZE is 4 unless it is set, whatever there is",
        "start as many as os.cpus() says again ({now})",
    ),
    Change(
        id="heap-of-java",
        setting="largest heap of the JVM (MiB)",
        scope="process",
        default="a quarter of the memory that it believes in",
        risk="a heap that is too small collects garbage all the time: watch the time spent in it",
        how="export JAVA_TOOL_OPTIONS=-Xmx{to}m",
        undo="unset JAVA_TOOL_OPTIONS ({now})",
        probe="container-facts",
        now=unknown,
    ),
    Change(
        id="heap-of-node",
        setting="largest old generation of V8 (MiB)",
        scope="process",
        default="what V8 derives from the memory that it believes in",
        risk="a heap that is too small collects garbage all the time: watch the time spent in it",
        how="export NODE_OPTIONS=--max-old-space-size={to}",
        undo="unset NODE_OPTIONS ({now})",
        probe="container-facts",
        now=unknown,
    ),
)
