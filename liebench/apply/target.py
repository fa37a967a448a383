"""The hands of apply and undo: values, drop-ins and the ledger, below a replaceable sysroot. Nothing else touches."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from liebench.apply.dropin import dropin_text
from liebench.apply.ledger import FILE, SCHEMA, SYSCTLS, VALUES, Change, Ledger, digest, ledger_of
from liebench.errors import HostDirty, LiebenchError, NeedUnmet, StorageFull
from liebench.host import Host
from liebench.stage.act import poke
from liebench.state.files import TOKEN, write_atomic
from liebench.state.jsonl import append, records, sync_folder


class Foreign(LiebenchError):
    """A drop-in of our name holds what we did not write."""


@dataclass(frozen=True, slots=True)
class Hands:
    host: Host
    state: Path

    @property
    def boot(self) -> str | None:
        token = self.host.facts["boot"]["token"]
        return None if token is None else str(token)

    def now_s(self) -> float:
        """Seconds since boot, of the clock that also counts sleep."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def at(self, path: str) -> Path:
        return self.host.root / path.lstrip("/")

    def ledger(self) -> Ledger:
        try:
            rows, said = records(self.state / FILE)
        except OSError as error:
            raise HostDirty(f"{self.state / FILE} cannot be read ({error.strerror}); nothing was changed") from error
        return ledger_of(rows, said)

    def note(self, record: str, **values: Any) -> None:
        """Add to the ledger, on disk when this returns. Raises HostDirty."""
        try:
            append(self.state / FILE, {"record": record, **values})
        except OSError as error:
            raise HostDirty(
                f"the ledger {self.state / FILE} cannot be written ({error.strerror}), so nothing goes on; "
                "free space there, then `liebench status` takes back what is half done"
            ) from error

    def note_intent(self, change: Change) -> None:
        self.note("intent", schema=SCHEMA, change={**asdict(change), "beside": dict(change.beside)})

    def may_write(self, path: str) -> None:
        """Raises NeedUnmet where a file cannot be opened for writing; opening changes nothing."""
        try:
            os.close(os.open(self.at(path), os.O_WRONLY | os.O_CLOEXEC))
        except OSError as error:
            cure = "run it as root, as sudo liebench, where the file is not read-only (a container's /proc often is)"
            raise NeedUnmet(f"to write {path} ({error.strerror})", cure) from error

    def write(self, path: str, text: str) -> None:
        """One write(2). Raises OSError for what the kernel refuses."""
        poke(self.at(path), text)

    def read(self, change: Change) -> str | None:
        return change.knob.read(self.host)

    def dropin(self, file: str) -> bytes | None:
        """What a drop-in holds; None where it is not there. Raises Foreign for what is no regular file."""
        path = self.at(file)
        try:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise Foreign(f"{file} is no regular file, so liebench did not write it; move it away")
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Foreign(f"{file} cannot be read ({error.strerror}), so it was left as it is") from error

    def ours(self, file: str, ledger: Ledger) -> bytes | None:
        """The same. Raises Foreign where somebody else has written, edited or removed it."""
        found = self.dropin(file)
        if digest(found) in ledger.hashes.get(file, (None,)) or (found is None and not ledger.kept(file)):
            return found
        if found is None:
            raise Foreign(f"{file} was removed by somebody since liebench wrote it; `liebench undo all` ends that")
        known = (
            "was changed by somebody since liebench wrote it"
            if file in ledger.hashes
            else "is not in liebench's ledger"
        )
        raise Foreign(f"{file} {known}, so it was left; move its lines to a file of another name, then remove it")

    def set_dropin(self, file: str, changes: Sequence[Change], ledger: Ledger) -> None:
        """Make a drop-in hold these changes, whole or not at all. Raises Foreign, HostDirty or StorageFull."""
        found, text = self.ours(file, ledger), dropin_text(file, changes)
        data = text.encode() or None
        new, made = digest(data), not self.at(file).parent.is_dir()
        holds = [c.number for c in changes]
        self.note("dropin", file=file, old=digest(found), new=new, made=made, holds=holds)
        if data != found:
            self._put(file, data, file in ledger.made)
        self.note("dropin", file=file, old=new, new=new, made=False, holds=holds, settled=True)

    def _put(self, file: str, data: bytes | None, made: bool) -> None:
        path = self.at(file)
        try:
            if data is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, data)
                path.chmod(0o644)
                return
            path.unlink(missing_ok=True)
            sync_folder(path.parent)  # else a power cut brings it back, and the next boot its values
            if made:
                with contextlib.suppress(OSError):  # somebody else keeps files there now
                    path.parent.rmdir()
        except (OSError, StorageFull) as error:
            cause = error.__cause__ if isinstance(error, StorageFull) else error
            why = getattr(cause, "strerror", None) or str(error)
            raise StorageFull(f"{file} cannot be written ({why}); without it a change would not last") from error

    def sweep(self) -> None:
        """Remove what a kill left of a drop-in that was being written (``state.files.write_atomic``)."""
        for file in (SYSCTLS, VALUES):
            path = self.at(file)
            for left in path.parent.glob(f".{path.name}." + "[0-9a-f]" * TOKEN):
                with contextlib.suppress(OSError):
                    left.unlink()


def beside(host: Host, path: str) -> Mapping[str, str]:
    """What the kernel zeroes when this is written (dirty_bytes and dirty_ratio count instead of each other)."""
    for one, other in (("bytes", "ratio"), ("ratio", "bytes")):
        for stem in ("/proc/sys/vm/dirty_", "/proc/sys/vm/dirty_background_"):
            if path == stem + one:
                held = host.read(stem + other)
                return {stem + other: held} if held not in (None, "0") else {}
    return {}
