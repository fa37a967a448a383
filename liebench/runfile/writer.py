"""Writes a run file as it grows.

While a run lasts the file is ``<id>.lb.part``: a header, then a frame per record, readable after a kill up to its last
whole frame. The finished ``<id>.lb`` is written beside it and renamed; only then is the growing file removed. Root's
files are root's alone: they hold what ran on the whole host.
"""

from __future__ import annotations

import io
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from liebench.runfile.binary import packed
from liebench.runfile.chunks import SIGNATURE, Kind, framed
from liebench.state.files import storage_full, write_atomic


def new_id(now: datetime | None = None) -> str:
    """``<UTC yyyymmddThhmmssZ>-<8 hex>``."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def _new_file(path: Path) -> tuple[io.FileIO, bool]:
    """A new file, and whether it still needs its name: it gets one when its header stands, so that a kill leaves either
    no file or one that can be read. File systems without O_TMPFILE (open(2)) get the name at once."""
    try:
        fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, _mode())
    except OSError:
        return io.FileIO(os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR, _mode()), "r+"), False
    return io.FileIO(fd, "r+"), True


def _frame(record: Mapping[str, Any]) -> bytes:
    return framed(Kind.RECORD, json.dumps(record, allow_nan=False, separators=(",", ":")).encode())


def _mode() -> int:
    return 0o600 if os.geteuid() == 0 else 0o644


class RunWriter:
    """Writes one run. Every method raises StorageFull with what to do; what is on disk stays readable."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self.folder, self.id = folder, str(header["id"])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.growing = folder / f"{self.id}.lb.part"
            self._file, nameless = _new_file(self.growing)
        except OSError as error:
            storage_full(folder, error)
        self.document: dict[str, Any] = {**header, "probes": {}, "controls": [], "blocks": [], "looks": []}
        self._write(SIGNATURE + _frame({"record": "header", **header}), sync=True)
        if nameless:
            self._name()

    def _name(self) -> None:
        fd = self._file.fileno()
        try:  # any src_dir_fd makes Python call linkat with AT_SYMLINK_FOLLOW, without which the link itself is meant
            os.link(f"/proc/self/fd/{fd}", self.growing, src_dir_fd=fd)
        except OSError as error:
            storage_full(self.growing, error)

    def _append(self, record: Mapping[str, Any], sync: bool = False) -> None:
        self._write(_frame(record), sync)

    def _write(self, data: bytes, sync: bool) -> None:
        try:
            while data:
                data = data[self._file.write(data) :]
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            storage_full(self.growing, error)

    def probe(self, name: str, row: Mapping[str, Any]) -> None:
        """A probe's row; a later one for the same id replaces it."""
        self._append({"record": "probe", "id": name, **row})
        self.document["probes"][name] = dict(row)

    def control(self, control: Mapping[str, Any]) -> None:
        self._append({"record": "control", **control})
        self.document["controls"].append(dict(control))

    def block(self, block: Mapping[str, Any]) -> None:
        self._append({"record": "block", **block})
        self.document["blocks"].append(dict(block))

    def look(self, look: Mapping[str, Any]) -> None:
        self._append({"record": "look", **look})
        self.document["looks"].append(dict(look))

    def finish(self, end: Mapping[str, Any]) -> Path:
        """Write the finished document, then remove the growing file. Returns the path of the document."""
        self._append({"record": "end", **end}, sync=True)
        self.document.update(end)
        path = self.folder / f"{self.id}.lb"
        write_atomic(path, packed(self.document), _mode())
        self._file.close()
        self.growing.unlink(missing_ok=True)
        return path
