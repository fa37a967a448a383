"""Bringing the index of a store up to date: what is new or changed is read and judged, what is gone is forgotten."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import liebench
from liebench.errors import LiebenchError
from liebench.judge.rows import Row
from liebench.judge.run import judge_run
from liebench.judge.table import run_table
from liebench.judge.verdicts import Judge
from liebench.runfile.files import file_hash, run_files
from liebench.runfile.reader import read_run

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LAYOUT = 1  # of the index; another one is built anew
KINDS = {"int": "BIGINT", "float | None": "DOUBLE", "str": "VARCHAR"}
COLUMNS = tuple(f.name for f in fields(Row))
TABLES = (
    "CREATE TABLE meta (judge VARCHAR)",
    "CREATE TABLE files (path VARCHAR PRIMARY KEY, size BIGINT, mtime_ns BIGINT, hash VARCHAR, run VARCHAR, "
    "error VARCHAR)",
    "CREATE TABLE runs (run VARCHAR PRIMARY KEY, path VARCHAR, started VARCHAR, finished VARCHAR, stopped VARCHAR, "
    "host VARCHAR, kind VARCHAR, config VARCHAR, tool VARCHAR, profile VARCHAR)",
    "CREATE TABLE verdicts (run VARCHAR, host VARCHAR, started VARCHAR, "
    + ", ".join(f'"{f.name}" {KINDS[str(f.type)]}' for f in fields(Row))
    + ")",
)


def judge_id(judges: Mapping[str, Judge]) -> str:
    """Changes with whatever words depend on: the layout, the code of liebench and of the probes' own judges."""
    folder = Path(liebench.__file__).parent
    found = hashlib.sha256(f"{LAYOUT} {liebench.__version__} {sys.version_info[:2]}".encode())
    own = [judge.__module__ for judge in judges.values()]
    modules = [getattr(sys.modules.get(name), "__file__", None) for name in sorted(own)]
    for path in (*sorted(folder.rglob("*.py")), *(Path(m) for m in modules if m)):
        found.update(path.read_bytes())
    found.update(" ".join(sorted(judges)).encode())
    return found.hexdigest()


def refresh(index: Path, folder: Path, judge: str, judges: Mapping[str, Judge]) -> None:
    """Make the index say what the files say. Raises duckdb.Error where it cannot be written."""
    import duckdb

    connection = _opened(index, judge)
    try:
        connection.execute("BEGIN")
        _update(connection, folder, judges)
        connection.execute("COMMIT")
    except UnicodeEncodeError as error:
        raise duckdb.Error(str(error)) from error
    finally:
        connection.close()


def _opened(index: Path, judge: str) -> DuckDBPyConnection:
    """An index of this judge; an older, foreign or damaged one gives way to an empty one."""
    import duckdb

    try:
        connection = duckdb.connect(str(index))
    except duckdb.IOException as error:
        if "lock" in str(error).lower() or not index.is_file():
            raise
        connection = _anew(index)
    try:
        if connection.execute("SELECT judge FROM meta").fetchall() == [(judge,)]:
            return connection
    except duckdb.Error:
        pass
    connection.close()
    connection = _anew(index)
    for statement in TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO meta VALUES (?)", [judge])
    return connection


def _anew(index: Path) -> DuckDBPyConnection:
    import duckdb

    try:
        for path in (index, index.with_name(f"{index.name}.wal")):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise duckdb.IOException(str(error)) from error
    return duckdb.connect(str(index))


def _update(connection: DuckDBPyConnection, folder: Path, judges: Mapping[str, Judge]) -> None:
    known = {row[0]: row[1:] for row in connection.execute("SELECT path, size, mtime_ns, hash FROM files").fetchall()}
    seen: dict[str, Path] = {}
    for path in run_files(folder, below=True):
        name = _text(path.relative_to(folder).as_posix())
        seen[name] = path
        try:
            at = path.stat()
            if known.get(name, ())[:2] == (at.st_size, at.st_mtime_ns):
                continue
            digest = file_hash(path)
        except OSError as error:
            _forget(connection, name)
            _file(connection, (name, 0, 0, "", None, f"{name} cannot be read: {error.strerror or error}"))
            continue
        if name in known and known[name][2] == digest:  # touched, not changed
            connection.execute(
                "UPDATE files SET size = ?, mtime_ns = ? WHERE path = ?", [at.st_size, at.st_mtime_ns, name]
            )
            continue
        _forget(connection, name)
        _add(connection, path, (name, at.st_size, at.st_mtime_ns, digest), judges)
    for name in known.keys() - seen.keys():
        _forget(connection, name)
    _adopt(connection, folder, judges)


def _forget(connection: DuckDBPyConnection, name: str) -> None:
    """A file that is gone or changed; its run goes with it where the run was read from it."""
    gone = connection.execute("SELECT run FROM runs WHERE path = ?", [name]).fetchall()
    for (run,) in gone:
        connection.execute("DELETE FROM verdicts WHERE run = ?", [run])
        connection.execute("DELETE FROM runs WHERE run = ?", [run])
    connection.execute("DELETE FROM files WHERE path = ?", [name])


def _adopt(connection: DuckDBPyConnection, folder: Path, judges: Mapping[str, Judge]) -> None:
    """Runs whose file went away and that lie there a second time are read from their first copy."""
    orphans = connection.execute(
        "SELECT run, min(path) FROM files WHERE run IS NOT NULL AND run NOT IN (SELECT run FROM runs) GROUP BY run"
    ).fetchall()
    for _, name in orphans:
        size, mtime, digest = connection.execute(
            "SELECT size, mtime_ns, hash FROM files WHERE path = ?", [name]
        ).fetchall()[0]
        _forget(connection, name)
        _add(connection, folder / name, (name, size, mtime, digest), judges)


def _add(
    connection: DuckDBPyConnection, path: Path, file: tuple[str, int, int, str], judges: Mapping[str, Judge]
) -> None:
    """Read and judge one file. Whatever is wrong with it is a text in ``files``."""
    try:
        doc = read_run(path)
        rows = run_table(doc, judge_run(doc, judges)).rows
    except LiebenchError as error:
        _file(connection, (*file, None, _text(error)))
        return
    except Exception as error:  # one strange file must hide no other
        _file(connection, (*file, None, _text(f"{file[0]} cannot be judged: {type(error).__name__}: {error}")))
        return
    run = _text(doc["id"])
    _file(connection, (*file, run, None))
    if connection.execute("SELECT 1 FROM runs WHERE run = ?", [run]).fetchall():
        return  # the same run, lying there twice
    hashes = doc["hashes"]
    facts = (
        *(doc["started"], doc.get("finished"), doc.get("stopped")),
        *(hashes.get(key) for key in ("host", "kind", "config")),
        *(doc["tool"].get("version"), doc["settings"].get("profile")),
    )
    texts = [None if value is None else _text(value) for value in facts]
    connection.execute(f"INSERT INTO runs VALUES ({', '.join('?' * 10)})", [run, file[0], *texts])
    for row in rows:
        _verdict(connection, (run, texts[3], texts[0]), row)


def _file(connection: DuckDBPyConnection, values: tuple[Any, ...]) -> None:
    connection.execute("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", list(values))


def _verdict(connection: DuckDBPyConnection, head: tuple[str | None, ...], row: Row) -> None:
    values = [_text(v) if isinstance(v, str) else v for v in (*head, *astuple(row))]
    connection.execute(f"INSERT INTO verdicts VALUES ({', '.join('?' * len(values))})", values)


def _text(value: object) -> str:
    """DuckDB keeps UTF-8, which has no halves of surrogate pairs."""
    return str(value).encode("utf-8", "replace").decode()
