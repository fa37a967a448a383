"""Putting exports where they belong: whole or not at all. The only module of this package that touches files."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from liebench.errors import StorageFull, UsageError
from liebench.judge.rows import Table
from liebench.state.files import write_atomic


def write_whole(out: Path, data: bytes) -> None:
    """Write a file by renaming it into place; a pipe or a device is written as it is.

    Raises UsageError where no such file can be, StorageFull where it cannot be written; neither leaves half a file.
    """
    if out.is_dir():
        raise UsageError(f"{out} is a folder; name a file")
    target = out.resolve()  # what a link points to, else the rename would put a file in the link's place
    if not target.parent.is_dir():
        raise UsageError(f"{out} cannot be written: there is no folder {target.parent}")
    if target.exists() and not target.is_file():
        try:
            target.write_bytes(data)
        except OSError as error:
            raise StorageFull(f"{out} cannot be written: {error.strerror or error}; name another file") from error
    else:
        write_atomic(target, data)


def append(path: str | None, text: str) -> None:
    """Add to a file that a workflow's runner named; nothing where it named none."""
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StorageFull(f"{path} cannot be written: {error.strerror or error}; is this a GitHub workflow?") from error


def publish_github(table: Table) -> list[str]:
    """Append to the job's summary and the step's outputs; gives back the lines for standard output."""
    from liebench.export import github

    append(os.environ.get("GITHUB_STEP_SUMMARY"), github.summary(table))
    append(os.environ.get("GITHUB_OUTPUT"), github.outputs(table, lambda: secrets.token_hex(16)))
    return github.commands(table)


def write_reports(
    table: Table, *, junit: Path | None = None, markdown: Path | None = None, openmetrics: Path | None = None
) -> None:
    """What ``--junit``, ``--markdown`` and ``--openmetrics`` of a command ask for, a file each."""
    from liebench.export.junit import as_junit
    from liebench.export.markdown import as_markdown
    from liebench.export.openmetrics import as_openmetrics

    if junit is not None:
        write_whole(junit, as_junit([table]).encode())
    if markdown is not None:
        write_whole(markdown, as_markdown(table).encode())
    if openmetrics is not None:
        write_whole(openmetrics, as_openmetrics(table).encode())
