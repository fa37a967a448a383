"""liebench baseline: what is normal on this host, said by somebody and not by the last run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from liebench.cli import common

app = typer.Typer(help="Promote runs to a baseline, or show one.", no_args_is_help=True)
At = Annotated[Path, typer.Argument(help="File of the baseline, as ci/baseline.json.")]


@app.command("promote")
def promote(
    at: At,
    runs: Annotated[list[str], typer.Argument(help="Run files, or folders of them; ten or more for a gate.")],
    expires: Annotated[str, typer.Option("--expires", help="30d, 12h.")] = "30d",
    anchor: Annotated[bool, typer.Option("--anchor", help="Move the anchor too: losses so far are accepted.")] = False,
) -> None:
    """From now on these runs are what is normal. The anchor stays where it was."""
    from liebench.compare.baseline import days_of, read_baseline, write_baseline
    from liebench.compare.baseline import promote as promoted
    from liebench.compare.sides import open_side

    old = read_baseline(at) if at.exists() else None
    sides = open_side(common.read_runs(runs))
    new = promoted(old, at.stem, sides, datetime.now(UTC), days_of(expires), anchor)
    write_baseline(at, new)
    stays = old is not None and old.anchor and not anchor
    kept = f"the anchor stays at {new.anchor[-1].started}" if stays else "the anchor moved too"
    print(f"{at}: {len(new.runs)} runs, until {new.expires:%Y-%m-%d %H:%M} UTC; {kept}")
    if len(new.runs) < 10:
        common.say("fewer than 10 runs: `liebench gate --mode history` will say inconclusive against it")


@app.command("show")
def show(at: At) -> None:
    """What a baseline holds, and until when it may be used."""
    from liebench.compare.baseline import read_baseline

    found = read_baseline(at)
    print(f"{found.name}: promoted {found.promoted:%Y-%m-%d %H:%M} UTC, until {found.expires:%Y-%m-%d %H:%M} UTC")
    for name, runs in (("runs", found.runs), ("anchor", found.anchor)):
        print(f"{name}: {len(runs)}, {runs[0].started} to {runs[-1].started}" if runs else f"{name}: none")
    print(f"metrics: {len({k for r in found.runs for k in r.values})}")
