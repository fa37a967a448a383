"""Programs asked how many CPUs and how much memory they believe to have: one bounded run, numbers or nothing."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from liebench.contract import Need
from liebench.errors import ToolFailed
from liebench.host import Host, where
from liebench.stage.core import ENVIRONMENT, entering

PATIENCE_S, CPU_S = 5.0, 10  # a JVM starts in half a second, and in two where it may use half a CPU
MOST_BYTES = 4 << 20  # /proc/stat and /proc/cpuinfo of a thousand CPUs
CPUS, MEMORY, HEAP = "CPUs", "memory", "heap"
SETTINGS = (  # by which people tell runtimes what they may use: part of what is asked, everything else is fixed
    "GOMAXPROCS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "NODE_OPTIONS",
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "PYTHON_CPU_COUNT",
)
PYTHON = """import os
for name in ("cpu_count", "process_cpu_count"):
    print(name, getattr(os, name, str)())"""
NODE = """const os = require("os"), say = (name, n) => console.log(name, n)
say("cpus", os.cpus().length)
if (os.availableParallelism) say("availableParallelism", os.availableParallelism())
say("totalmem", os.totalmem())
say("heap", require("v8").getHeapStatistics().heap_size_limit)"""


@dataclass(frozen=True, slots=True)
class Question:
    """One number among what a program prints: the group of ``pattern``, or how often it occurs without a group."""

    says: str  # the program's own name for it
    of: str  # CPUS, MEMORY or HEAP
    pattern: str
    unit: int = 1

    def answer(self, text: str) -> int | None:
        """The number, in CPUs or bytes. None where there is none; nobody has nothing, so 0 is none."""
        found = re.findall(self.pattern, text, re.MULTILINE)
        counts = re.compile(self.pattern).groups == 0
        number = len(found) if counts else int(found[0]) * self.unit if found else 0
        return number or None


@dataclass(frozen=True, slots=True)
class Believer:
    """A program and its questions. ``commands`` are ways to ask, the best one first: the next where one is silent."""

    id: str
    commands: Sequence[Sequence[str]]
    questions: Sequence[Question]
    cure: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def need(self) -> Need:
        names = [c[0] for c in self.commands]
        return Need(f"{' or '.join(names)} in the usual folders", lambda host: bool(self.here(host)), self.cure)

    def here(self, host: Host) -> list[list[str]]:
        """Its commands whose programs are on this host."""
        found = ((where(host, name), rest) for name, *rest in self.commands)
        return [[path, *rest] for path, rest in found if path is not None]


@dataclass(frozen=True, slots=True)
class Belief:
    says: str
    of: str
    number: int


NUMBER = r"([1-9]\d{0,17})"
BELIEVERS = {
    b.id: b
    for b in (
        Believer(
            "kernel",
            (("cat", "/proc/stat", "/proc/meminfo"),),
            (
                Question("/proc/stat", CPUS, r"^cpu\d+ "),
                Question("/proc/meminfo", MEMORY, rf"^MemTotal: +{NUMBER} kB", 1024),
            ),
            "apt install coreutils",
        ),
        Believer(
            "sysconf",
            (("getconf", "_NPROCESSORS_ONLN"),),
            (Question("sysconf(_SC_NPROCESSORS_ONLN)", CPUS, rf"^{NUMBER}$"),),
            "apt install libc-bin",
        ),
        Believer("nproc", (("nproc",),), (Question("nproc", CPUS, rf"^{NUMBER}$"),), "apt install coreutils"),
        Believer(
            "python",
            (("python3", "-S", "-c", PYTHON),),
            (
                Question("Python's os.cpu_count()", CPUS, rf"^cpu_count {NUMBER}$"),
                Question("Python's os.process_cpu_count()", CPUS, rf"^process_cpu_count {NUMBER}$"),
            ),
            "apt install python3",
        ),
        Believer(
            "java",
            (("java", "-XX:-UsePerfData", "-Xlog:gc+init", "-version"),),
            (
                Question("the JVM", CPUS, rf"CPUs: \d+ total, {NUMBER} available"),
                Question("the JVM", MEMORY, rf"Memory: {NUMBER}M", 1 << 20),
                Question("the JVM's largest heap", HEAP, rf"Heap Max Capacity: {NUMBER}M", 1 << 20),
            ),
            "install a JDK, 15 or newer: only these say it in their log",
        ),
        Believer(
            "node",
            (("node", "-e", NODE),),
            (
                Question("Node's os.cpus()", CPUS, rf"^cpus {NUMBER}$"),
                Question("Node's os.availableParallelism()", CPUS, rf"^availableParallelism {NUMBER}$"),
                Question("Node's os.totalmem()", MEMORY, rf"^totalmem {NUMBER}$"),
                Question("V8's largest heap", HEAP, rf"^heap {NUMBER}$"),
            ),
            "apt install nodejs",
        ),
        Believer(
            "go",
            (
                ("go", "version"),
                ("kubectl", "version", "--client"),
                ("containerd", "--version"),
                ("podman", "--version"),
                ("runc", "--version"),
                ("docker", "--version"),
            ),
            (Question("Go's GOMAXPROCS", CPUS, rf"^SCHED .*?\bgomaxprocs={NUMBER} "),),
            "any program made with Go will do: apt install golang-go",
            {"GODEBUG": "schedtrace=1000", "GOTOOLCHAIN": "local"},  # the scheduler's first trace comes at once
        ),
    )
}


def ask(host: Host, believer: Believer, groups: Sequence[Path] = (), cpus: Iterable[int] = ()) -> list[Belief]:
    """What a believer answers inside these control groups and on these CPUs; without any, where we are ourselves.

    Raises ToolFailed where it is not here, fails, hangs, or says nothing that can be read: unknown is not zero.
    """
    failed = ToolFailed(f"{believer.id} is not in the usual folders of this host: {believer.cure}")
    for command in believer.here(host):
        try:
            text = said(command, believer.environment, groups, cpus)
        except ToolFailed as error:
            failed = error
            continue
        answers = [(q, q.answer(text)) for q in believer.questions]
        if found := [Belief(q.says, q.of, number) for q, number in answers if number is not None]:
            return found
        failed = ToolFailed(f"{command[0]} said nothing that can be read: {text[:60]!r}")
    raise failed


def said(
    command: Sequence[str], environment: Mapping[str, str], groups: Sequence[Path], cpus: Iterable[int] = ()
) -> str:
    """All that a program prints, both ways, within PATIENCE_S and MOST_BYTES. Raises ToolFailed."""
    settings = {name: os.environ[name] for name in SETTINGS if name in os.environ}
    output = os.memfd_create("liebench-said", os.MFD_CLOEXEC)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            process_group=0,
            env={**ENVIRONMENT, **settings, **environment},
            preexec_fn=_bound(groups, frozenset(cpus)),
        )
        status = _end(process)
        text = os.pread(output, MOST_BYTES, 0).decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolFailed(f"{command[0]} cannot be started: {error}") from error
    finally:
        os.close(output)
    if status is None:
        raise ToolFailed(f"{command[0]} did not end within {PATIENCE_S:g} s and was killed")
    if status:
        last = text.strip().splitlines()[-1:] or ["it said nothing"]
        raise ToolFailed(f"{command[0]} ended with status {status}: {last[0][:120]}")
    return text


def _bound(groups: Sequence[Path], cpus: frozenset[int]) -> Callable[[], None]:
    """What the child does before it becomes the program: it enters, and cannot spin or print without end."""
    enters = [enter for group in groups if (enter := entering(group))]

    def bind() -> None:
        for enter in enters:
            enter()
        if cpus:
            os.sched_setaffinity(0, cpus)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))

    return bind


def _end(process: subprocess.Popen[bytes]) -> int | None:
    """Its status, and its whole process group gone; None where it had to be stopped.

    The group is killed before its leader is waited for: until then its number cannot be anybody else's.
    """
    until, ended = time.monotonic() + PATIENCE_S, False
    try:
        while not ended and time.monotonic() < until:
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
            time.sleep(0 if ended else 0.002)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
    return status if ended else None
