"""liebench report: one HTML page of a run."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated, Any

import typer


def report(
    run: Annotated[
        str | None, typer.Argument(help="Run file, report or -; the newest run where none is named.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page; default: beside the run file.")] = None,
    text: Annotated[bool, typer.Option("--text", help="Print the summary instead of writing a page.")] = False,
    embed: Annotated[str, typer.Option("--embed", help="values, or raw for all samples.")] = "values",
) -> None:
    """Write the report of a run: one page, no script, no network."""
    from liebench.cli import common
    from liebench.errors import UsageError
    from liebench.result import file_hash, read_run, write_atomic
    from liebench.text import summary

    gc.disable()  # a short life, and millions of small objects that stay: collecting costs a fifth of the time
    if embed not in ("values", "raw"):
        raise UsageError(f"--embed takes values or raw, not {embed!r}")
    source = run or str(common.latest_run())
    doc = read_run(source)
    if doc.get("kind") == "gate":
        _gate(doc, text)
        return
    verdicts, advice = common.judged(doc)
    if text:
        print(summary(doc, verdicts, advice))
        return
    from liebench.pages.frame import run_page

    page = run_page(doc, verdicts, advice, raw=embed == "raw", of_run=file_hash(source))
    target = out or (Path(f"{doc['id']}.html") if source == "-" else Path(source).with_suffix(".html"))
    write_atomic(target, page.encode())
    print(target)


def _gate(doc: dict[str, Any], text: bool) -> None:
    from liebench.errors import UsageError
    from liebench.gate_table import gate_table, stored_policy
    from liebench.table_text import table_text

    if not text:
        raise UsageError("a gate has no page of its own; --text prints its table, `liebench export` writes it")
    print(table_text(gate_table(doc, stored_policy(doc))))
