"""Many run files as one: the files stay the truth, beside them a disposable index in DuckDB.

``open_store(folder)`` reads what is new or changed since last time, by name, size and time, then by hash; a file that
is damaged stands in ``damaged`` with its error and hides no other. The index belongs to one judge: another liebench,
or other probes, build it anew, since words are computed by today's judge. Deleting it loses nothing.

    store = open_store(Path("results"))
    store.runs(host="3f2a")                     [Stored(...), ...], oldest first
    store.query("SELECT probe, word, count(*) FROM verdicts GROUP BY ALL")

Tables of ``query``: ``runs`` (run, path, started, finished, stopped, host, kind, config, tool, profile),
``verdicts`` (run, host, started, and the columns of a row of a table), ``files`` (path, run, error).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.compare.index import COLUMNS
from liebench.errors import LiebenchError, UsageError
from liebench.judge.rows import Row
from liebench.judge.verdicts import Judge

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

INDEX = ".liebench-index.duckdb"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One run as the index knows it. ``path`` is relative to the folder. None: the file does not say."""

    run: str
    path: str
    started: str
    finished: str | None
    stopped: str | None
    host: str | None
    kind: str | None
    config: str | None
    tool: str | None
    profile: str | None


RUN = tuple(f.name for f in fields(Stored))


class Store:
    """An index that was brought up to date once, opened read-only. Use as a context, or ``close`` it."""

    def __init__(self, connection: DuckDBPyConnection, folder: Path, holds: contextlib.ExitStack) -> None:
        self.folder, self._connection, self._holds = folder, connection, holds

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._holds.close()

    def runs(self, host: str | None = None, kind: str | None = None, config: str | None = None) -> list[Stored]:
        """Runs with these hashes, oldest first. A run that lies there twice is one."""
        wanted = {"host": host, "kind": kind, "config": config}
        given = {key: value for key, value in wanted.items() if value is not None}
        where = " AND ".join(f"{key} = ?" for key in given) or "true"
        rows = self._connection.execute(
            f"SELECT {', '.join(RUN)} FROM runs WHERE {where} ORDER BY started, run", list(given.values())
        ).fetchall()
        return [Stored(**dict(zip(RUN, row, strict=True))) for row in rows]

    def verdicts(self, run: str) -> list[Row]:
        """The rows of one run's table, in its order; empty for a run that is not there."""
        names = ", ".join(f'"{c}"' for c in COLUMNS)
        rows = self._connection.execute(f"SELECT {names} FROM verdicts WHERE run = ? ORDER BY rowid", [run]).fetchall()
        return [Row(**dict(zip(COLUMNS, row, strict=True))) for row in rows]

    @property
    def damaged(self) -> dict[str, str]:
        """Files that could not be judged: path -> why."""
        return dict(
            self._connection.execute("SELECT path, error FROM files WHERE error IS NOT NULL ORDER BY path").fetchall()
        )

    def query(self, sql: str) -> list[dict[str, Any]]:
        """One SELECT over runs, verdicts and files. Raises UsageError for any other statement, and for a wrong one.

        The connection can write nothing and read no other file, whatever the statement says.
        """
        import duckdb

        try:
            statements = self._connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("a query is one SELECT over runs, verdicts and files")
            result = self._connection.execute(statements[0])
            names = [column[0] for column in result.description or ()]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        except duckdb.Error as error:
            raise UsageError(f"the query cannot be answered: {error}") from error


def open_store(folder: Path, judges: Mapping[str, Judge] | None = None) -> Store:
    """The store of a folder, brought up to date; ``judges``: of the probes that bring their own.

    The index lies in the folder where that can be written and nobody else is writing it, else in a folder that is
    gone afterwards. Raises UsageError without duckdb, or where there is no such folder.
    """
    try:
        import duckdb
    except ImportError as error:
        raise UsageError("a store of many runs needs duckdb; pip install 'liebench[store]'") from error
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder; name the one that holds the run files")
    from liebench.compare.index import judge_id, refresh

    judge = judge_id(judges or {})
    holds = contextlib.ExitStack()
    for path in _places(folder, holds):
        try:
            refresh(path, folder, judge, judges or {})
            connection = duckdb.connect(
                str(path), read_only=True, config={"enable_external_access": False, "lock_configuration": True}
            )
        except duckdb.Error:  # locked by another process, not writable, or damaged in a way that only shows now
            continue
        holds.callback(connection.close)
        return Store(connection, folder, holds)
    holds.close()
    raise LiebenchError(f"no index of {folder} can be written; is the folder for temporary files full?")


def _places(folder: Path, holds: contextlib.ExitStack) -> Iterator[Path]:
    yield folder / INDEX
    yield Path(holds.enter_context(tempfile.TemporaryDirectory(prefix="liebench-"))) / INDEX
