"""The user's own command as a probe of one case: how long it takes, in wall time and in processor time.

The command runs without a shell (``sh -c '…'`` where one is wanted), with no input, its output thrown away. One that
fails is no number: it ends the probe, and a gate without its number is never green.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from liebench.contract import Arm, Case, Claim, Cost, Layer, Option, Options, Rep, Rig, Turn
from liebench.errors import ToolFailed, UsageError
from liebench.host import Host
from liebench.probe import Probe
from liebench.registry import Registered
from liebench.settings.launch import Start, start_of
from liebench.stage.stage import Stage

REPETITION_S, MOST = 0.1, 25  # a repetition runs the command until this long, and at most so often
QUANTITIES = ("s", "cpu_s")


def words_of(command: str) -> list[str]:
    """Raises UsageError where it is empty or its quotes do not match."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the command {command!r} cannot be read: {error}") from error
    if not words:
        raise UsageError("the command is empty")
    return words


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    arm = (Arm(id="command", says="your command", promised=True, args={"run": 1}),)
    return (
        Case(id="wall", quantity="s", unit="s", arms=arm, asks="How long does it take?", work="command"),
        Case(
            id="cpu", quantity="cpu_s", unit="s", arms=arm, asks="How much processor time does it take?", work="command"
        ),
    )


def run_once(words: Sequence[str], start: Start | None = None) -> dict[str, float]:
    """Seconds of wall time and of processor time (the command and the children it waited for, getrusage(2)).

    ``start``: how it is started, where that is what is tried.
    """
    how: dict[str, Any] = {} if start is None else {"preexec_fn": start.before, "env": start.environment}
    before = time.monotonic_ns()
    try:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, close_fds=True, **how
        )
    except OSError as error:
        raise ToolFailed(f"{words[0]} cannot be run: {error.strerror or error}") from error
    except subprocess.SubprocessError as error:  # what comes before the program failed: no such processor, no right
        raise ToolFailed(f"{words[0]} cannot be started so: this host or this user does not allow it") from error
    assert process.stderr is not None
    said = process.stderr.read()[-300:]
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.monotonic_ns() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    if process.returncode:
        last = (said.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
        raise ToolFailed(f"{shlex.join(words)[:80]} ended with {process.returncode}: {last}")
    return {"s": elapsed / 1e9, "cpu_s": usage.ru_utime + usage.ru_stime}


def measure(stage: Stage) -> Iterator[Rig]:
    words, start = words_of(stage.options["run"]), start_of(stage.options["launch"])
    first = run_once(words, start)  # also warms what it reads
    count = stage.calibrations.setdefault("command", {"times": max(1, min(MOST, int(REPETITION_S / first["s"])))})

    def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        found = {}
        for turn in turns:
            began = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
            rows = [run_once(words, start) for _ in range(int(count["times"]))]
            elapsed = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - began
            samples = {q: [max(r[q], 1e-9) for r in rows] for q in QUANTITIES}
            found[turn.label] = Rep(samples=samples, start_ns=began, elapsed_ns=elapsed)
        return found

    yield Rig(once)


COMMAND = Registered(
    "command",
    Probe(
        claim=Claim(Layer.CPU, says="This change costs nothing.", read_from="the command line", title="your command"),
        cases=cases,
        cost=Cost(seconds=20),
        measure=measure,
        options=(Option("run", "", "the command"), Option("launch", "", "how it is started, as nice=5")),
    ),
    None,
)
