"""Inside the guest: one pytest session that has collected its tests and runs each when the host names it.

python -m tests.helpers.guest_worker ITEMS PORT. Each test runs in a child of its own, so that one
which hangs or dies takes nobody along.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import tty
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

LIMIT_S = 180.0


class Worker:
    def __init__(self, port: str) -> None:
        fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        tty.setraw(fd)
        self.port = os.fdopen(fd, "r+b", buffering=0)

    def say(self, **answer: object) -> None:
        text = json.dumps(answer).encode() + b"\n"
        while text:
            text = text[self.port.write(text) or 0 :]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        self.say(items=len(items))
        while (name := self.port.readline().decode().strip()) not in ("", "end"):
            if name in items:
                self.say(**_run(items[name]))
            else:
                self.say(error=f"{name} is not collected in the guest; its parameters must not depend on the host")
        return True


def _run(item: pytest.Item) -> dict[str, object]:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        _report(item, theirs)
    os.close(theirs)
    try:
        text = _read(ours)
    finally:
        os.close(ours)
        for end in (os.killpg, os.kill):  # with whatever it left
            with contextlib.suppress(ProcessLookupError):
                end(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if text.endswith(b"\n"):
        return {"reports": json.loads(text)}
    return {"error": f"{item.nodeid} ended without a word, or not within {LIMIT_S:g} s, in the guest"}


def _report(item: pytest.Item, fd: int) -> None:
    try:
        reports = runtestprotocol(item, log=False, nextitem=None)
        hook = item.config.hook
        rows = [hook.pytest_report_to_serializable(config=item.config, report=report) for report in reports]
        with os.fdopen(fd, "wb") as file:
            file.write(json.dumps(rows, default=str).encode() + b"\n")
    finally:
        os._exit(0)


def _read(fd: int) -> bytes:
    text = b""
    while not text.endswith(b"\n"):
        if not select.select([fd], [], [], LIMIT_S)[0]:
            return b""
        part = os.read(fd, 1 << 16)
        if not part:
            break
        text += part
    return text


if __name__ == "__main__":
    names = json.loads(Path(sys.argv[1]).read_text())
    options = ["-q", "-p", "no:cacheprovider", "--basetemp=/var/tmp/tests"]
    sys.exit(pytest.main([*options, *names], plugins=[Worker(sys.argv[2])]))
