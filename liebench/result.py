"""The run file: write it as it grows, read it back, check its shape. One JSON document, schema ``liebench.run/1``.

While a run lasts the file is ``<id>.ndjson``: a header, then a record per line, readable after a kill up to its last
whole record. The finished ``<id>.json`` is written beside it and renamed; only then is the growing file removed.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from liebench.document import mapping, records, section
from liebench.embed import OLD_TYPE, TYPE, expanded, unpack
from liebench.errors import RunUnreadable, StorageFull

SCHEMA = "liebench.run/1"
VERSION = 1
MOST_BYTES = 512 << 20
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}  # from version n to n + 1
EMBEDDED = re.compile(
    f'<script type="({re.escape(TYPE)}|{re.escape(OLD_TYPE)})" id="liebench-run">(.*?)</script>', re.DOTALL
)
LATE = ("finished", "stopped", "quiet", "instrument", "receipt")


def new_id(now: datetime | None = None) -> str:
    """``<UTC yyyymmddThhmmssZ>-<8 hex>``."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def state_dir() -> Path:
    """Where the undo journal and caches live, whatever ``--out`` says: sysctls belong to the host."""
    if os.geteuid() == 0:
        return Path("/var/lib/liebench")
    base = os.environ.get("XDG_STATE_HOME")
    return Path(base) / "liebench" if base else Path.home() / ".local" / "state" / "liebench"


def results_dir(out: Path | None = None) -> Path:
    """``--out``, else ``$LIEBENCH_RESULTS``, else ``./results`` where that exists, else the state directory."""
    if out is not None:
        return out
    named = os.environ.get("LIEBENCH_RESULTS")
    if named:
        return Path(named)
    here = Path("results")
    return here if here.is_dir() else state_dir() / "results"


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` is either the old file or the whole new one, also after a power cut."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        _storage(path, error)


def _storage(path: Path, error: OSError) -> NoReturn:
    reason = {errno.ENOSPC: "the disk is full", errno.EROFS: "the file system is read-only"}
    why = reason.get(error.errno or 0, error.strerror or str(error))
    raise StorageFull(f"{path} cannot be written: {why}; name another folder with --out") from error


def _new_file(path: Path) -> tuple[io.FileIO, bool]:
    """A new file, and whether it still needs its name: it gets one when its header stands, so that a kill leaves either
    no file or one that can be read. File systems without O_TMPFILE (open(2)) get the name at once."""
    try:
        fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o644)
    except OSError:
        return path.open("xb", buffering=0), False
    return io.FileIO(fd, "r+"), True


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"


class RunWriter:
    """Writes one run. Every method raises StorageFull with what to do; what is on disk stays readable."""

    def __init__(self, folder: Path, header: Mapping[str, Any]) -> None:
        self.folder, self.id = folder, str(header["id"])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.growing = folder / f"{self.id}.ndjson"
            self._file, nameless = _new_file(self.growing)
        except OSError as error:
            _storage(folder, error)
        self.document: dict[str, Any] = {**header, "probes": {}, "controls": [], "blocks": [], "looks": []}
        self._append({"record": "header", **header}, sync=True)
        if nameless:
            self._name()

    def _name(self) -> None:
        fd = self._file.fileno()
        try:  # any src_dir_fd makes Python call linkat with AT_SYMLINK_FOLLOW, without which the link itself is meant
            os.link(f"/proc/self/fd/{fd}", self.growing, src_dir_fd=fd)
        except OSError as error:
            _storage(self.growing, error)

    def _append(self, record: Mapping[str, Any], sync: bool = False) -> None:
        data = _line(record)
        try:
            while data:
                data = data[self._file.write(data) :]
            if sync:
                os.fsync(self._file.fileno())
        except OSError as error:
            _storage(self.growing, error)

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
        path = self.folder / f"{self.id}.json"
        write_atomic(path, _line(self.document))
        self._file.close()
        self.growing.unlink(missing_ok=True)
        return path


def file_hash(path: Path | str) -> str:
    """SHA-256 of a run file, which a report of it holds; empty for what came from standard input or is a page."""
    name = str(path)
    if name == "-" or name.endswith(".html"):
        return ""
    with open(name, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_run(path: Path | str) -> dict[str, Any]:
    """A finished or growing run file, a report that embeds one, or ``-`` for standard input.

    Raises RunUnreadable naming the file and the place; the file is never touched.
    """
    return read_document(path, lambda doc: validate(upgrade(doc)))


def read_document(path: Path | str, check: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The same for any document of ours: ``check`` says whether it is one that the caller can use."""
    name = str(path)
    try:
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if name == "-" else _bytes(Path(path))
    except OSError as error:
        raise RunUnreadable(f"{name} cannot be read: {error.strerror or error}") from error
    if len(raw) > MOST_BYTES:
        raise RunUnreadable(f"{name} is larger than {MOST_BYTES >> 20} MiB; that is no run file of liebench")
    try:
        return check(_parse(raw.decode("utf-8"), name))
    except UnicodeDecodeError as error:
        raise RunUnreadable(f"{name} is not text (byte {error.start}); is it a run file?") from error
    except RecursionError as error:
        raise RunUnreadable(f"{name} is nested too deeply to be a run file") from error
    except RunUnreadable as error:
        raise error if name in str(error) else RunUnreadable(f"{name}: {error}") from error


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _refuse_constant(value: str) -> NoReturn:
    raise ValueError(f"{value} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)


def _parse(text: str, name: str) -> dict[str, Any]:
    embedded = EMBEDDED.search(text) if text.lstrip()[:1] == "<" else None
    text = unpack(embedded[1], embedded[2], MOST_BYTES) if embedded else text
    first, _, rest = text.partition("\n")
    try:
        head = _loads(first if rest.strip() else text)
    except json.JSONDecodeError as error:
        try:
            head = _loads(text)  # a document spread over lines
        except ValueError:
            place = f"line {error.lineno}, column {error.colno}"
            raise RunUnreadable(f"{name} is damaged at {place}: {error.msg}; nothing was changed") from error
    except ValueError as error:
        raise RunUnreadable(f"{name} is damaged: {error}; nothing was changed") from error
    doc = mapping(head, "the run file")
    if doc.get("record") == "header":
        return _grown(doc, rest, name)
    return expanded(doc) if "columns" in doc else dict(doc)


def _grown(header: Mapping[str, Any], rest: str, name: str) -> dict[str, Any]:
    """The document of a growing file: the same as the finished one, ``stopped: killed`` without an end."""
    doc: dict[str, Any] = {**header, "probes": {}, "blocks": [], "looks": [], "stopped": "killed", "finished": None}
    doc.pop("record")
    lines = rest.split("\n")
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            record = mapping(_loads(line), f"line {number}")
        except ValueError as error:
            if number == len(lines) + 1:  # the line that was being written when the run was killed
                break
            raise RunUnreadable(f"{name} is damaged at line {number}: {error}; nothing was changed") from error
        _add(doc, dict(record), f"line {number}")
    return doc


def _add(doc: dict[str, Any], record: dict[str, Any], place: str) -> None:
    kind = record.pop("record", None)
    if kind == "probe" and isinstance(record.get("id"), str):
        doc["probes"][record.pop("id")] = record
    elif kind in ("control", "block", "look"):
        doc[f"{kind}s"].append(record)
    elif kind == "end":
        doc.update({k: v for k, v in record.items() if k in LATE})
    else:
        raise RunUnreadable(f"{place} is a record of an unknown kind {str(kind)[:40]!r}")


def upgrade(doc: dict[str, Any]) -> dict[str, Any]:
    """Bring an older document to today's schema. A newer one is refused with what to do."""
    name, _, number = str(doc.get("schema", "")).rpartition("/")
    if name != "liebench.run" or not number.isdecimal() or len(number) > 6:
        raise RunUnreadable(f"this is no run file of liebench: its schema is {str(doc.get('schema'))[:60]!r}")
    version = int(number)
    if version > VERSION:
        raise RunUnreadable(f"this run file has schema {number}, this liebench reads up to {VERSION}; upgrade liebench")
    for step in range(version, VERSION):
        if step not in UPGRADES:
            raise RunUnreadable(f"run files of schema {step} can no longer be read; use an older liebench")
        doc = UPGRADES[step](doc)
    return doc


def validate(doc: Mapping[str, Any]) -> dict[str, Any]:
    """Check the parts every reader relies on; judges check the rest where they use it. Raises RunUnreadable."""
    for key in ("id", "started"):
        if not isinstance(doc.get(key), str):
            raise RunUnreadable(f"{key} must be text; the run file is damaged")
    for key in ("probes", "hashes", "host", "settings", "tool"):
        section(doc, key)
    for key in ("blocks", "looks", "controls"):
        records(doc, key)
    return dict(doc)
