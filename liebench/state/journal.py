"""Write-ahead undo: note the old value, fsync, then act. What a killed process left behind, the next start takes back.

One file per process, ``<state>/journal/<pid>-<start>.jsonl``. An entry is written before its act and a ``done`` line
after its undo, so a kill between any two steps leaves either nothing to do or something that may be done twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from liebench.errors import HostBusy, HostDirty, NeedUnmet
from liebench.state.lock import exclusive

Undo = Callable[[dict[str, Any]], str]  # takes one entry back; returns what it did, "" where nothing was to do
UNDO: dict[str, Undo] = {}  # kind of entry -> how it is taken back; files of stage/ add theirs
ACTS = ("block", "cgroup", "clock", "container", "engine", "swap")  # files of stage/ that take kinds of their own back
ENDS_S = 1.0
OURS = "liebench-"  # how every name begins that we give to a thing on the host; undo removes nothing else


def a_name() -> str:
    """A fresh name for a thing of this process: whoever finds it sees whose it is, and by which process."""
    return f"{OURS}{os.getpid()}-{os.urandom(6).hex()}"


def undoes(kind: str) -> Callable[[Undo], Undo]:
    """Register how entries of a kind are taken back. The function must be idempotent."""

    def register(function: Undo) -> Undo:
        UNDO[kind] = function
        return function

    return register


def know_all() -> None:
    """Load every way to take something back, for who did not make it."""
    for name in ACTS:
        import_module(f"liebench.stage.{name}")


def process_start(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot (field 22 of proc_pid_stat(5)); None where it is gone.

    One that has ended and that nobody has waited for yet is gone: it does nothing any more.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _ourselves() -> str:
    pid = os.getpid()
    return f"{pid}-{process_start(pid)}"


class Journal:
    """The journal of this process. Opened lazily: a run that changes nothing writes nothing."""

    def __init__(self, state: Path, boot: str | None) -> None:
        self.folder, self.boot = state / "journal", boot
        self.path = self.folder / f"{_ourselves()}.jsonl"
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

    def undo(self, number: int) -> str:
        """Take one act back and note it. Returns what was done, in words."""
        entry = self._open.pop(number)
        said = UNDO[entry["kind"]](entry)
        self._write({"done": number})
        if not self._open:
            self.path.unlink(missing_ok=True)
        return said

    @contextlib.contextmanager
    def acting(self, kind: str, what: str, old: Any, new: Any) -> Iterator[None]:
        """Note, let the caller act, undo on every way out."""
        number = self.note(kind, what, old, new)
        try:
            yield
        finally:
            self.undo(number)


def _pending(path: Path) -> list[dict[str, Any]]:
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


def _is_alive(path: Path) -> bool:
    pid, _, start = path.stem.partition("-")
    return pid.isdigit() and str(process_start(int(pid))) == start


def held(state: Path) -> dict[str, int]:
    """Files whose value a running liebench has changed for a measurement, with its process id."""
    found: dict[str, int] = {}
    for path in (state / "journal").glob("*.jsonl"):
        try:
            if _is_alive(path):
                found |= {e["what"]: int(path.stem.partition("-")[0]) for e in _pending(path) if e["kind"] == "value"}
        except OSError:
            continue
    return found


def recover(state: Path, boot: str | None) -> list[str]:
    """Take back what dead processes left. Returns one sentence per thing done, left or reported.

    Values of the host are taken back under the lock alone (``locking``). Whoever holds it has taken them back before it
    changed any; to compare them with what it has set since would find a stranger's value, and forget ours for good.
    """
    said: list[str] = []
    for path in _journals(state):
        try:
            if any(e["kind"] == "value" for e in _pending(path)):
                with suppress(HostBusy, NeedUnmet), exclusive(state, "taking back what was left"):
                    if path.stem != _ourselves() and _has_ended(path):
                        _recover_all(path, boot, said)
            elif not _is_alive(path):
                _recover_all(path, boot, said)
        except FileNotFoundError:
            continue  # another start, or the guardian, has taken it back meanwhile
        except OSError as error:
            said.append(f"{path} cannot be read: {error.strerror}; look at it as the user who owns it")
    return said


def _has_ended(path: Path) -> bool:
    """A killed process gives back its lock a moment before the kernel calls it ended."""
    until = time.monotonic() + ENDS_S
    while _is_alive(path):
        if time.monotonic() > until:
            return False  # it changes values without the lock: they are its own
        time.sleep(0.01)
    return True


def _journals(state: Path) -> list[Path]:
    try:
        return sorted((state / "journal").glob("*.jsonl"))
    except OSError:
        return []


def _recover_all(path: Path, boot: str | None, said: list[str]) -> None:
    left = [s for s in (_recover_one(e, boot, said) for e in _pending(path)) if s]
    if not left:
        path.unlink(missing_ok=True)


def _recover_one(entry: dict[str, Any], boot: str | None, said: list[str]) -> bool:
    """True where the entry must stay in its journal."""
    if entry["uid"] != os.getuid():
        said.append(f"{entry['what']} was changed by user {entry['uid']}; run liebench as that user to take it back")
        return True
    if entry["boot"] != boot and entry["kind"] != "folder":
        return False  # the boot has taken it back
    if entry["kind"] not in UNDO:
        know_all()
    undo = UNDO.get(entry["kind"])
    if undo is None:
        said.append(f"{entry['what']}: this liebench does not know how to take back {entry['kind']!r}")
        return True
    try:
        word = undo(entry)
    except OSError as error:
        said.append(f"{entry['what']} could not be taken back: {error.strerror}; its old value is {entry['old']!r}")
        return True
    if word:
        said.append(word)
    return False


def poke(path: Path, text: str) -> None:
    """Write a value in one call and without truncating first: a kill must find the old value or the new one."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


@undoes("value")
def _undo_value(entry: dict[str, Any]) -> str:
    """Write the old value back, unless somebody else has changed it since."""
    path = Path(entry["what"])
    now = path.read_text().strip()
    if now == entry["old"]:
        return ""
    if now != entry["new"]:
        return f"{path} is {now!r}, neither what we found nor what we wrote: somebody changed it, so it was left"
    poke(path, entry["old"])
    return f"{path} is {entry['old']!r} again"


@undoes("folder")
def _undo_folder(entry: dict[str, Any]) -> str:
    import shutil

    path = Path(entry["what"])
    if not path.name.startswith(OURS) or not path.is_dir() or path.is_symlink():
        return ""

    def open_up(_act: object, what: str, _why: object) -> None:
        """A folder that even its owner may not enter, such as the one an overlay works in (mode 0)."""
        with contextlib.suppress(OSError):
            os.chmod(what, 0o700)
            shutil.rmtree(what, ignore_errors=True)

    shutil.rmtree(path, onerror=open_up)
    if path.exists():  # now it can be entered
        shutil.rmtree(path, ignore_errors=True)
    return f"{path} could not be removed; look at what is left in it" if path.exists() else f"{path} was removed"
