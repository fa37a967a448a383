"""liebench export: runs and tables in the formats of other tools."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liebench.export import BOTH, FORMATS

if TYPE_CHECKING:
    from liebench.export import Format
    from liebench.judge.rows import Table

WHAT = ("verdicts", "repetitions")


def export(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE…|FOLDER]", help="Run files, reports, tables, folders or -; default: newest run."),
    ] = None,
    to: Annotated[
        str,
        typer.Option("--to", help=f"{' '.join(FORMATS)}."),
    ] = "json",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The file; default: standard output.")] = None,
    what: Annotated[str, typer.Option("--what", help=f"{' and '.join(BOTH)}: verdicts or repetitions.")] = "verdicts",
) -> None:
    """Write runs, or a table of compare or gate, in the format of another tool."""
    from liebench.errors import UsageError

    if to not in FORMATS:
        raise UsageError(f"--to takes {', '.join(FORMATS)}, not {to!r}")
    if what not in WHAT:
        raise UsageError(f"--what takes {' or '.join(WHAT)}, not {what!r}")
    if what == "repetitions" and to not in BOTH:
        raise UsageError(f"--what repetitions is for {' and '.join(BOTH)}; {to} has a form of its own")
    chosen = FORMATS[to]
    if chosen.binary and out is None and sys.stdout.isatty():
        raise UsageError(f"{to} is binary; name a file with --out")
    documents = _documents(sources or ())
    if chosen.one and len(documents) > 1:
        raise UsageError(f"{to} holds one run, and {len(documents)} were named; name one file")
    asked = what == "repetitions" or chosen.tables is None
    _write(_runs(chosen, documents) if asked else _tables(to, chosen, documents), out)


def _documents(sources: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """(name, document) of every source; a folder gives its run files, oldest first, and what it cannot give is said.

    A run that lies there twice is one. Raises RunUnreadable for a file that was named, UsageError for nothing at all.
    """
    from liebench.cli import common
    from liebench.errors import RunUnreadable, UsageError
    from liebench.runfile.files import run_files

    made: dict[str, tuple[str, dict[str, Any]]] = {}
    for source in sources or (str(common.latest_run()),):
        folder = Path(source)
        inside = folder.is_dir()
        names = [str(p) for p in sorted(run_files(folder, below=True), key=lambda p: p.name)] if inside else [source]
        for name in names:
            try:
                doc = _read(name)
            except RunUnreadable as error:
                if not inside:
                    raise
                common.say(f"left out: {error}")
                continue
            made.setdefault(str(doc.get("id") or name), (name, doc))
        if not made:
            raise UsageError(f"there is no run file in {source}; make one with `liebench run --out {source}`")
    return list(made.values())


def _read(name: str) -> dict[str, Any]:
    """A run file whose shape can be judged, or a table that compare, gate or this command wrote."""
    from liebench.export.tables import is_table, tables_of
    from liebench.judge.run import open_run
    from liebench.runfile.reader import read_document, upgrade, validate

    def check(doc: dict[str, Any]) -> dict[str, Any]:
        if is_table(doc):
            tables_of(doc)
            return doc
        doc = validate(upgrade(doc))
        open_run(doc)
        return doc

    return read_document(name, check)


def _tables(to: str, chosen: Format, documents: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    from liebench.errors import UsageError

    assert chosen.tables is not None
    found = [table for name, doc in documents for table in _tables_of(name, doc)]
    if chosen.one and len(found) > 1:
        raise UsageError(f"{to} holds one table, and {len(found)} were named; name a file with one")
    return chosen.tables(found)


def _tables_of(name: str, doc: dict[str, Any]) -> list[Table]:
    from liebench.cli import common
    from liebench.errors import RunUnreadable
    from liebench.export.tables import is_table, tables_of
    from liebench.gate.table import gate_table, stored_policy
    from liebench.judge.table import run_table

    try:
        if is_table(doc):
            return tables_of(doc)
        if doc.get("kind") == "gate":
            return [gate_table(doc, stored_policy(doc))]
        return [run_table(doc, common.judged(doc)[0])]
    except RunUnreadable as error:
        raise RunUnreadable(f"{name}: {error}") from error


def _runs(chosen: Format, documents: Sequence[tuple[str, dict[str, Any]]]) -> bytes:
    from liebench.cli import common
    from liebench.errors import RunUnreadable, UsageError
    from liebench.export.tables import is_table

    assert chosen.runs is not None
    for name, doc in documents:
        if is_table(doc):
            raise UsageError(f"{name} is a table, which holds no samples; name a run file")
    try:
        data, left = chosen.runs([doc for _, doc in documents])
    except RunUnreadable as error:
        names = ", ".join(name for name, _ in documents[:3])
        raise RunUnreadable(f"{names}: {error}") from error
    for line in left:
        common.say(f"left out: {line}")
    return data


def _write(data: bytes, out: Path | None) -> None:
    from liebench.export.files import write_whole

    if out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_whole(out, data)
