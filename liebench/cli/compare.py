"""liebench compare: what is better, the same, or worse between runs that were made at different times."""

from __future__ import annotations

from typing import Annotated

import typer

from liebench.cli import common


def compare(
    runs: Annotated[list[str], typer.Argument(help="Run files; the first is compared with each that follows.")],
    against: Annotated[
        list[str] | None, typer.Option("--against", help="More runs of the first side; then all named are the second.")
    ] = None,
    limit: Annotated[str, typer.Option("--limit", help='More is worse: "5 %".')] = "5 %",
    floor: Annotated[str, typer.Option("--floor", help='Less is no difference: "1 %".')] = "1 %",
    everything: Annotated[bool, typer.Option("--all", help="Also what is the same or cannot be told.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Hold runs against each other, per arm and per lie. A folder stands for all run files in it."""
    from liebench.compare.sides import alike, compare_table, open_side
    from liebench.compare.sides import compare as compare_sides
    from liebench.errors import UsageError
    from liebench.gate.policy import share
    from liebench.judge.family import Limits
    from liebench.text.table import table_text

    sides = [[path] for path in runs]
    if against:
        sides = [list(against), list(runs)]
    if len(sides) < 2:
        raise UsageError("one run has nothing to be compared with; name two run files or folders, or use --against")
    limits = Limits(share(limit, "--limit"), share(floor, "--floor"))
    if limits.floor >= limits.limit:
        raise UsageError("--floor must be below --limit")
    opened = [open_side(common.read_runs(side)) for side in sides]
    first, tables = opened[0], []
    for name, second in zip(sides[1:], opened[1:], strict=True):
        found = compare_sides(first, second, alike(limits))
        tables.append(compare_table(found, second[-1], f"{' '.join(name)} against {' '.join(sides[0])}"))
    if as_json:
        from liebench.export.tables import COMPARE, table_object

        common.emit({"schema": COMPARE, "exit": 0, "tables": [table_object(t) for t in tables]})
        return
    for table in tables:
        print(table_text(table, everything))
