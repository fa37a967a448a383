#!/usr/bin/env python3
"""Every test in five parts, and one line with the totals of all: what `make test` runs.

    python ci/run_tests.py [words for every pytest, for example -x]

What touches no machine runs first, side by side. What needs the machine follows, one test after another, before
everybody else on the processors. Guests, the browser, packages and long sweeps run behind both of them meanwhile. When
they have ended, what measures runs alone: a processor that is never idle hides waiting for a disk, and pressure of
anybody stops a run. Ends with 1 where a part failed, found no test, or ended without its report.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
BEHIND = ("browser", "guest", "packaging", "slow")
PURE = " and ".join(f"not {mark}" for mark in ("machine", *BEHIND))
GOES_S = 60.0  # how long an interrupted part may take to end its guest and its browser


@dataclass(frozen=True, slots=True)
class Part:
    """A pytest of its own: which tests, its words, and its nice value (tests/conftest.py)."""

    name: str
    marks: str
    nice: int
    words: tuple[str, ...] = ()
    behind: bool = False  # at work while those in front run, and ended before the last


PARTS = (
    Part("pure", PURE, 0, ("-n", "2", "--dist", "loadfile")),
    Part("machine", "machine and not slow and not alone and not guest", -20),
    Part("alone", "alone and not slow and not guest", -20),
    Part("guests", "guest", 19, behind=True),
    Part("behind", f"(slow or ({' or '.join(BEHIND)}) and not machine) and not guest", 19, behind=True),
)


def command(part: Part, folder: Path, more: Sequence[str]) -> list[str]:
    words = ["-m", part.marks, "--durations=20", f"--junit-xml={report(part, folder)}", *part.words]
    return [sys.executable, "-m", "pytest", *words, *more]


def report(part: Part, folder: Path) -> Path:
    return folder / f"{part.name}.xml"


def environment(part: Part) -> dict[str, str]:
    return os.environ | {"LIEBENCH_TESTS_NICE": str(part.nice)}


def counted(path: Path) -> Counter[str]:
    """Tests by what became of them, from pytest's own JUnit report; a part without one has failed."""
    try:
        suites = list(ElementTree.parse(path).getroot().iter("testsuite"))
    except (OSError, ElementTree.ParseError):
        return Counter(failed=1)
    found: Counter[str] = Counter()
    for suite in suites:
        tests, skipped = (int(suite.get(key, "0")) for key in ("tests", "skipped"))
        failed = sum(int(suite.get(key, "0")) for key in ("failures", "errors"))
        found.update(passed=tests - skipped - failed, failed=failed, skipped=skipped)
    return found


def interrupted(running: subprocess.Popen[bytes]) -> None:
    """Ends a part as Control-C would, so that it takes its guest along."""
    if running.poll() is None:
        os.killpg(running.pid, signal.SIGINT)
    try:
        running.wait(GOES_S)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def run(parts: Sequence[Part], folder: Path, more: Sequence[str] = ()) -> dict[str, int]:
    """Exit codes by part. Those behind run beside the others, except the last, which waits until they have ended."""
    *front, alone = (part for part in parts if not part.behind)
    beside = {part.name: started(part, folder, more) for part in parts if part.behind}
    codes: dict[str, int] = {}
    try:
        codes |= {part.name: in_front(part, folder, more) for part in front}
        codes |= {name: running.wait() for name, running in beside.items()}
    finally:
        for name, running in beside.items():
            interrupted(running)
            print(f"\n## {name}\n{said_by(name, folder).read_text(errors='replace')}", flush=True)
    return codes | {alone.name: in_front(alone, folder, more)}


def said_by(name: str, folder: Path) -> Path:
    return folder / f"{name}.log"


def started(part: Part, folder: Path, more: Sequence[str]) -> subprocess.Popen[bytes]:
    """A part behind the others, in a session of its own, which is what the kernel's autogroups weigh."""
    with said_by(part.name, folder).open("wb") as out:
        return subprocess.Popen(
            command(part, folder, more),
            cwd=ROOT,
            env=environment(part),
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def in_front(part: Part, folder: Path, more: Sequence[str]) -> int:
    print(f"\n## {part.name}: {part.marks}", flush=True)
    return subprocess.run(command(part, folder, more), cwd=ROOT, env=environment(part), check=False).returncode


def main() -> int:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="liebench-tests-") as folder:
        codes = run(PARTS, Path(folder), sys.argv[1:])
        total: Counter[str] = Counter()
        for part in PARTS:
            total.update(counted(report(part, Path(folder))))
    for name, code in codes.items():
        if code:
            print(f"{name} ended with {code}")
    words = ", ".join(f"{total[word]} {word}" for word in ("passed", "failed", "skipped"))
    print(f"{time.monotonic() - began:.0f} s in all")
    print(words)  # alone on the last line: whoever runs this in a pipeline reads it there
    return int(any(codes.values()) or total["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
