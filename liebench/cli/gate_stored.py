"""liebench gate by stored runs: a baseline file, the fleet's runs, or this host's past."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from liebench.cli import common

if TYPE_CHECKING:
    from liebench.gate.policy import Policy
    from liebench.judge.rows import Table
    from liebench.runner.plan import Settings


def stored(
    mode: str,
    baseline: str,
    candidate: str | None,
    names: list[str] | None,
    settings: Settings,
    policy: Policy,
    out: Path | None,
) -> tuple[Table, int, str]:
    """(table, exit code, file of the candidate's run). Without a named candidate this host is measured now."""
    from liebench.compare.baseline import read_baseline, usable
    from liebench.compare.sides import open_side
    from liebench.gate.stored import fleet_table, history_table, trend_table

    if mode == "trend":
        table = trend_table(open_side(common.read_runs([baseline])), policy)
        return table, table.exit, baseline
    past = usable(read_baseline(Path(baseline)), datetime.now(UTC)) if mode == "history" else None
    others = [] if past else open_side(common.read_runs([baseline]))
    path = candidate or measured_now(names, settings, out)
    doc = common.read_runs([path])[0]
    ours = open_side([doc])[0]
    table = history_table(past, ours, policy) if past else fleet_table(others, ours, policy)
    return table, 130 if doc["stopped"] == "interrupted" else table.exit, path


def measured_now(names: list[str] | None, settings: Settings, out: Path | None) -> str:
    from liebench.errors import NotMeasurable
    from liebench.registry import find_probes
    from liebench.runner.measure import measure
    from liebench.runner.plan import plan_probe, refuse_unknown_options

    chosen = find_probes().select(names or ())
    refuse_unknown_options(chosen, settings)
    bench = common.make_bench(out, ["liebench", *sys.argv[1:]])
    planned = [plan_probe(r, bench.host, settings) for r in chosen]
    if not any(p.cases for p in planned):
        raise NotMeasurable("nothing that was asked for can be measured here; `liebench doctor` names the cures")
    with common.stopping() as stopper:
        return str(measure(bench, planned, settings, stopping=stopper, progress=common.progress()))
