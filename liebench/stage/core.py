"""Running liebench-core: one process per repetition, and the watcher that answers between them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from liebench.errors import CoreFailed, CoreKilled

LIMIT_S, PATIENCE_S = 60, 15.0  # what the core gives itself unless it is told another limit, and we give it
ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}


def words(kernel: str, args: Mapping[str, object]) -> list[str]:
    return [kernel, *(f"{k}={v:.9g}" if isinstance(v, float) else f"{k}={v}" for k, v in args.items())]


def parsed(raw: bytes, what: str) -> dict[str, Any]:
    try:
        answer = json.loads(raw)
    except ValueError as error:
        raise CoreFailed(
            f"{what} said something unreadable: {raw[:80]!r}; `liebench doctor` checks the core"
        ) from error
    if not isinstance(answer, dict):
        raise CoreFailed(f"{what} answered with a {type(answer).__name__}; `liebench doctor` checks the core")
    return answer


def entering(group: Path | None) -> Callable[[], None] | None:
    """What the child does before it becomes the core: enter a control group."""
    if group is None:
        return None
    procs = str(group / "cgroup.procs")

    def enter() -> None:
        fd = os.open(procs, os.O_WRONLY)
        os.write(fd, b"0")
        os.close(fd)

    return enter


def call(core: Path, kernel: str, args: Mapping[str, object], group: Path | None = None) -> dict[str, Any]:
    """Run one kernel to its end, in a control group where one is given, and return its answer.

    Ctrl-C does not reach it: it has its own process group.
    """
    command = [str(core), *words(kernel, args)]
    shown = " ".join(command[1:])
    timeout = float(str(args.get("limit_s", LIMIT_S))) + PATIENCE_S
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=ENVIRONMENT,
            process_group=0,
            preexec_fn=entering(group),
        )
    except subprocess.SubprocessError as error:
        if not isinstance(error, subprocess.TimeoutExpired):
            raise CoreFailed(f"{core.name} {shown} cannot enter {group}: {error}") from error
        raise CoreFailed(f"{core.name} {shown} did not end within {timeout:g} s and was killed") from error
    except OSError as error:
        raise CoreFailed(f"{core.name} cannot be started ({error.strerror}); `liebench doctor` checks it") from error
    if done.returncode == -signal.SIGKILL:
        raise CoreKilled(f"{core.name} {shown} was killed; did it reach a memory limit?")
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"status {done.returncode}"]
        raise CoreFailed(f"{core.name} {shown} failed: {last[0]}")
    return parsed(done.stdout, f"{core.name} {shown}")


@lru_cache(maxsize=16)
def kernels_of(core: Path) -> Mapping[str, str]:
    """Kernels by name: ``batched`` where operations are cheap and alike, so that the work of a sample is calibrated."""
    done = subprocess.run([str(core), "--list"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    rows = (line.split("\t") for line in done.stdout.splitlines())
    return {row[0]: row[1] for row in rows if len(row) == 3}


class Watcher:
    """A co-process that answers one line per request; it ends when its input closes."""

    def __init__(self, core: Path, kernel: str, args: Mapping[str, object]) -> None:
        self.what = " ".join([core.name, *words(kernel, args)])
        self.process = subprocess.Popen(
            [str(core), *words(kernel, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            process_group=0,
        )

    def tick(self) -> Mapping[str, Any]:
        """One reading of every clock. Raises CoreFailed where the watcher is gone or silent for 10 s."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(b"t\n")
            self.process.stdin.flush()
        except OSError as error:
            raise CoreFailed(f"{self.what} is gone") from error
        if not select.select([self.process.stdout], [], [], 10.0)[0]:
            raise CoreFailed(f"{self.what} did not answer within 10 s; was it stopped?")
        return parsed(self.process.stdout.readline(), self.what)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self.process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def watching(core: Path, kernel: str, args: Mapping[str, object]) -> Iterator[Watcher]:
    watcher = Watcher(core, kernel, args)
    try:
        yield watcher
    finally:
        watcher.close()
