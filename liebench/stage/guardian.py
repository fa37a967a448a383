"""Stands beside a measurement that changes the host, and takes back what it left if it is killed: within seconds.

The journal alone is read at the next start of liebench, which may be never. The guardian is a process of its own
session that holds the reading end of a pipe; the other end closes with the measurement, however that ends. Then it
does what the next start would do. A measurement that ended well has nothing in its journal, and it does nothing.

``python -P -m liebench.stage.guardian STATE BOOT``
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from liebench.errors import StageRefused
from liebench.stage.recovery import recover

READY = b"r"
GONE_S = 2.0  # until the kernel has ended every thread of whoever closed the pipe


@contextlib.contextmanager
def guarded(state: Path, boot: str | None) -> Iterator[None]:
    """Somebody watches over the host inside this block. Raises StageRefused where the guardian cannot be started."""
    command = [sys.executable, "-P", "-m", "liebench.stage.guardian", str(state.resolve()), boot or ""]
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise StageRefused(f"nobody can watch over the host ({error.strerror}); nothing was changed") from error
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        if child.stdout.read(1) != READY:
            raise StageRefused("who should watch over the host did not start; nothing was changed")
        yield
    finally:
        child.stdin.close()
        child.stdout.close()
        child.wait(GONE_S + 30)


def main() -> int:
    state, boot = Path(sys.argv[1]), sys.argv[2] or None
    os.write(1, READY)
    os.close(1)
    while os.read(0, 1):  # nothing is ever written: this waits for the end
        pass
    until = time.monotonic() + GONE_S
    while (state / "journal").is_dir() and any((state / "journal").glob("*.jsonl")):
        recover(state, boot)
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
