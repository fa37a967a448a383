"""Places: where the same executable runs the same work, a line of arguments and a line of answer each.

A place is a process of ours that lives on the host, in a container or in a guest, and runs kernels as children of its
own (``liebench-core place``). It ends with its input, and with us.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.contract import Arm, Rep, Turn
from liebench.errors import CoreFailed, NeedUnmet
from liebench.stage.block import dying_with_us
from liebench.stage.core import ENVIRONMENT, parsed, words

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

PATIENCE_S = 60.0  # for one line of work; an emulated guest is slow
END_S = 5.0  # from being told to end to the end: a guest switches itself off
PATHS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(slots=True)
class Wire:
    """The process that is or holds a place, and the two pipes to it."""

    process: subprocess.Popen[bytes]
    _rest: bytes = b""

    def say(self, text: str) -> None:
        """Raises OSError where nobody is there."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, name: str, patience_s: float) -> dict[str, Any]:
        """The next line, as JSON. Raises CoreFailed where it is gone or silent for so long."""
        assert self.process.stdout is not None
        until = time.monotonic() + patience_s
        while b"\n" not in self._rest:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise CoreFailed(f"{name} said nothing for {patience_s:g} s; was it stopped?")
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                raise CoreFailed(f"{name} is gone")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return parsed(line, name)

    def close(self) -> None:
        """It is told to end, its input ends; what has not gone after that is killed."""
        with contextlib.suppress(OSError, ValueError):  # gone, or closed when its last words were read
            self.say("end")
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class Place:
    """One place. ``processor``: the one it may be pinned to there. ``up_s``: from its start to its first word."""

    name: str
    wire: Wire
    processor: int
    up_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    command: Sequence[str] = ()
    ahead: str = ""  # what stands before each line, for a place that another one holds

    @property
    def inside(self) -> Place:
        """The place in namespaces that a guest holds."""
        return replace(self, name=f"namespaces inside {self.name}", ahead="inside ")

    def hold(self, kib: int) -> None:
        """From now on it takes so much more memory, touched, than it does by itself."""
        self.wire.say(f"{self.ahead}hold {kib}")
        self.wire.hear(self.name, PATIENCE_S)

    def call(self, kernel: str, args: Mapping[str, object]) -> dict[str, Any]:
        """Run one kernel there. Raises CoreFailed with its words where it fails.

        Where it stamps the edges of its work (a guest), ``facts["host_ns"]`` is how long that took by our clock.
        """
        try:
            self.wire.say(self.ahead + " ".join(words(kernel, {**args, "cpu": self.processor})))
        except OSError as error:
            raise CoreFailed(f"{self.name} is gone") from error
        edges: dict[str, int] = {}
        while "edge" in (answer := self.wire.hear(self.name, PATIENCE_S)):
            edges[str(answer["edge"])] = time.monotonic_ns()
        if "error" in answer:
            raise CoreFailed(f"{self.name}: {answer['error']}")
        if len(edges) == 2:
            answer.setdefault("facts", {})["host_ns"] = edges["end"] - edges["begin"]
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
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT | PATHS,
            process_group=0,
            preexec_fn=dying_with_us,
        )
    except OSError as error:
        raise NeedUnmet(f"{command[0]} ({error.strerror})", cure) from error
    found = Place(name, Wire(process), processor, command=command)
    try:
        try:
            found.wire.hear(name, patience_s)
        except CoreFailed as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a child of its would hold the pipes open
            said = (process.communicate()[1].decode("utf-8", "replace") or ending()).strip().splitlines()[-1:]
            raise NeedUnmet(f"{name} that comes up ({error}{': ' + said[0] if said else ''})", cure) from error
        found.up_s = time.monotonic() - before
        yield found
    finally:
        found.wire.close()


def here(core: Path, processor: int) -> contextlib.AbstractContextManager[Place]:
    """The bare host."""
    return place("the host", [str(core), "place"], processor, 10.0, "`liebench doctor` checks the core")


def footprint(found: Place) -> float:
    """KiB that its processes take, shared pages divided among their users (PSS, proc_pid_smaps(5)), runtime included.

    Raises CoreFailed where the kernel does not tell.
    """
    import psutil

    top = found.wire.process.pid
    tree = [top, *(child.pid for child in psutil.Process(top).children(recursive=True))]
    total = 0
    for pid in tree:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            if pid == top:
                raise CoreFailed(f"{found.name} is gone") from None
            continue  # what a runtime starts with is not what stays
        except OSError as error:
            raise CoreFailed(f"what {found.name} takes cannot be read ({error.strerror})") from error
        total += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return float(total)


def started(stage: Stage, command: Sequence[str], turn: Turn, folder: Path) -> Rep:
    """A whole place from its start to its end, as the core sees it: quantities ``ms``, and ``first_ms`` to its word.

    ``folder``: of ours, where the core finds the command.
    """
    named = folder / "command"
    named.write_text("\n".join(command))
    return stage.core("place-start", Turn(Arm(id="start"), turn.label, turn.plant), command=str(named), sentinel=0)
