"""Places: where the same executable runs the same work, a line of arguments and a line of answer each.

A place is a process of ours that lives on the host, in a container or in a guest, and runs kernels as children of its
own (``liebench-core place``). It ends with its input, and with us.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liebench.errors import CoreFailed, NeedUnmet
from liebench.stage.block import dying_with_us
from liebench.stage.core import ENVIRONMENT, parsed, words

PATIENCE_S = 60.0  # for one line of work; an emulated guest is slow


@dataclass(slots=True)
class Place:
    """One place. ``processor``: the one it may be pinned to there. ``up_s``: from its start to its first word."""

    name: str
    process: subprocess.Popen[bytes]
    processor: int
    up_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    _rest: bytes = b""

    def line(self, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The next line it says, as JSON. Raises CoreFailed where it is gone or silent for so long."""
        assert self.process.stdout is not None
        until = time.monotonic() + patience_s
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise CoreFailed(f"{self.name} said nothing for {patience_s:g} s; was it stopped?")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise CoreFailed(f"{self.name} is gone")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return parsed(line, self.name)

    def call(self, kernel: str, args: Mapping[str, object]) -> dict[str, Any]:
        """Run one kernel there. Raises CoreFailed with its words where it fails."""
        assert self.process.stdin is not None
        there = {**args, "cpu": self.processor}
        try:
            self.process.stdin.write(" ".join(words(kernel, there)).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise CoreFailed(f"{self.name} is gone") from error
        before = time.monotonic_ns()
        answer = self.line()
        if "error" in answer:
            raise CoreFailed(f"{self.name}: {answer['error']}")
        answer.setdefault("facts", {})["outside_ns"] = time.monotonic_ns() - before
        return answer


@contextlib.contextmanager
def place(
    name: str, command: Sequence[str], processor: int, patience_s: float, cure: str, ending: Callable[[], str] = str
) -> Iterator[Place]:
    """The place that ``command`` makes. Raises NeedUnmet where it does not come up within ``patience_s``.

    ``ending`` may say why, from a log of its own.
    """
    before = time.monotonic()
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT | PATHS,
            process_group=0, preexec_fn=dying_with_us,
        )  # fmt: skip
    except OSError as error:
        raise NeedUnmet(f"{command[0]} ({error.strerror})", cure) from error
    found = Place(name, process, processor)
    try:
        try:
            found.line(patience_s)
        except CoreFailed as error:
            process.kill()
            said = (process.communicate()[1].decode("utf-8", "replace") or ending()).strip().splitlines()[-1:]
            raise NeedUnmet(f"{name} that comes up ({error}{': ' + said[0] if said else ''})", cure) from error
        found.up_s = time.monotonic() - before
        yield found
    finally:
        _end(process)


PATHS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its input ends, which is its end; what has not gone after that is killed."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(2.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def here(core: Path, processor: int) -> contextlib.AbstractContextManager[Place]:
    """The bare host."""
    return place("the host", [str(core), "place"], processor, 10.0, "`liebench doctor` checks the core")


def footprint(found: Place) -> float:
    """KiB that its processes take, shared pages divided among their users (PSS, proc_pid_smaps(5)), runtime included.

    Raises CoreFailed where the kernel does not tell.
    """
    import psutil

    tree = [found.process.pid, *(child.pid for child in psutil.Process(found.process.pid).children(recursive=True))]
    total = 0
    for pid in tree:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError as error:
            raise CoreFailed(f"what {found.name} takes cannot be read ({error.strerror})") from error
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return float(total)


def started(command: Sequence[str]) -> float:
    """Milliseconds from starting a program to its end. Raises NeedUnmet with its words where it fails."""
    before = time.monotonic_ns()
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False, env=ENVIRONMENT | PATHS)
    took = (time.monotonic_ns() - before) / 1e6
    if done.returncode:
        said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"])[-1]
        raise NeedUnmet(f"{command[0]} that runs ({said})", "see what it says")
    return took
