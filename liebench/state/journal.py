"""The journal of write-ahead undo, as data: what is noted, fsynced, before an act, and what is not done yet.

One file per process, ``<state>/journal/<pid>-<start>.jsonl``. An entry is written before its act and a ``done`` line
after its undo, so a kill between any two steps leaves either nothing to do or something that may be done twice.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from liebench.errors import HostDirty

OURS = "liebench-"  # how every name begins that we give to a thing on the host; undo removes nothing else


def a_name() -> str:
    """A fresh name for a thing of this process: whoever finds it sees whose it is, and by which process."""
    return f"{OURS}{os.getpid()}-{os.urandom(6).hex()}"


def process_start(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (field 22 of proc_pid_stat(5)); None where it is gone.

    One that has ended and that nobody has waited for yet is gone: it does nothing any more.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def ourselves() -> str:
    """How the journal of this process is called."""
    pid = os.getpid()
    return f"{pid}-{process_start(pid)}"


class Journal:
    """The journal of this process. Opened lazily: a run that changes nothing writes nothing."""

    def __init__(self, state: Path, boot: str | None) -> None:
        self.folder, self.boot = state / "journal", boot
        self.path = self.folder / f"{ourselves()}.jsonl"
        self._next = 0
        self._open: dict[int, dict[str, Any]] = {}

    def _write(self, record: dict[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(fd, json.dumps(record).encode() + b"\n")
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise HostDirty(
                f"the undo journal {self.path} cannot be written ({error.strerror}), so nothing was changed; "
                "free space there or set XDG_STATE_HOME"
            ) from error

    def note(self, kind: str, what: str, old: Any, new: Any) -> int:
        """Write down how to take an act back, before the act. Returns the entry's number."""
        self._next += 1
        entry = {"id": self._next, "kind": kind, "what": what, "old": old, "new": new}
        entry |= {"boot": self.boot, "uid": os.getuid(), "time": time.time()}
        self._write(entry)
        self._open[self._next] = entry
        return self._next

    def entry(self, number: int) -> dict[str, Any]:
        """An entry that is not done yet."""
        return self._open[number]

    def done(self, number: int) -> None:
        """Note that an act was taken back. A journal without an open entry is removed."""
        del self._open[number]
        self._write({"done": number})
        if not self._open:
            self.path.unlink(missing_ok=True)


def pending(path: Path) -> list[dict[str, Any]]:
    """Entries without a ``done``, newest first. A torn last line was never acted on."""
    entries: dict[int, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        if "done" in record:
            entries.pop(record["done"], None)
        else:
            entries[record["id"]] = record
    return list(reversed(entries.values()))


def is_alive(path: Path) -> bool:
    """Whether the process that wrote this journal still runs."""
    pid, _, start = path.stem.partition("-")
    return pid.isdigit() and str(process_start(int(pid))) == start


def held(state: Path) -> dict[str, int]:
    """Files whose value a running liebench has changed for a measurement, with its process id."""
    found: dict[str, int] = {}
    for path in (state / "journal").glob("*.jsonl"):
        try:
            if is_alive(path):
                found |= {e["what"]: int(path.stem.partition("-")[0]) for e in pending(path) if e["kind"] == "value"}
        except OSError:
            continue
    return found


def journals(state: Path) -> list[Path]:
    """Every journal that lies there, of living and of dead processes."""
    try:
        return sorted((state / "journal").glob("*.jsonl"))
    except OSError:
        return []
