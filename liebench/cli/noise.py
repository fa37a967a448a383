"""liebench noise: what a gate could detect on this host, and who makes the noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liebench.cli import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liebench.compare.metrics import RunMetrics
    from liebench.gate.noise import Culprit, Noise

Names = Annotated[list[str] | None, typer.Argument(help="Probes or layers; everything where none is named.")]


def noise(
    names: Names = None,
    limit: Annotated[str, typer.Option("--limit", help='The rise that should be found: "5 %".')] = "5 %",
    budget: Annotated[float, typer.Option("--budget", help="Most seconds to measure.")] = 120.0,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every order.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Headline cases only.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Measure this host against itself, in the pairs of a gate: everything that differs is noise."""
    from liebench.cli.gate import measured
    from liebench.gate.measure import Switch
    from liebench.gate.noise import culprits_of, noise_of
    from liebench.gate.policy import Policy, share
    from liebench.gate.table import gate_family

    policy = Policy().with_limits(share(limit, "--limit"), None)
    settings = common.make_settings("quick" if quick else "default", seed, budget, "nobody", names or ())
    doc, written = measured(Switch(), settings, policy, names, out)
    family = gate_family(doc, policy)
    rows = noise_of(family, doc, doc["blocks"], _past(out, doc))
    culprits = culprits_of(family, doc["blocks"])
    if as_json:
        common.emit(_object(rows, culprits, written))
    else:
        _print(rows, culprits, policy.base.limit)
        print(written)
    if doc["stopped"] == "interrupted":
        raise typer.Exit(130)


def _past(out: Path | None, doc: dict[str, Any]) -> list[RunMetrics]:
    """Stored runs of this host, damaged ones left out: they are asked for nothing but their spread."""
    from liebench.compare.metrics import run_metrics
    from liebench.errors import RunUnreadable
    from liebench.runfile.files import run_files
    from liebench.runfile.reader import read_run
    from liebench.state.files import results_dir

    found = []
    for path in run_files(results_dir(out), "run"):
        try:
            past = read_run(path)
            if past["hashes"].get("host") == doc["hashes"].get("host"):
                found.append(run_metrics(past))
        except (RunUnreadable, KeyError):
            continue
    return found


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) < 1e300 else None


def _object(rows: Sequence[Noise], culprits: Sequence[Culprit], written: str) -> dict[str, Any]:
    metrics = [
        {**r.metric._asdict(), "pairs": r.pairs, "rerun": _finite(r.rerun), "needs": _finite(r.needs),
         "seconds": _finite(r.seconds), "history": _finite(r.history), "word": r.word}
        for r in rows
    ]  # fmt: skip
    who = [{"says": c.says, "share": c.share, "clean": c.clean} for c in culprits]
    return {"schema": "liebench.noise/1", "exit": 0, "run": written, "metrics": metrics, "culprits": who}


def _percent(value: float | None) -> str:
    return "–" if value is None or abs(value) > 1e3 else f"{100 * value:.1f} %"


def _print(rows: Sequence[Noise], culprits: Sequence[Culprit], limit: float) -> None:
    print(f"{'smallest rise that would show':<44} pairs   rerun  history  at {_percent(limit)}")
    for row in sorted(rows, key=lambda r: -r.rerun):
        name = " ".join(dict.fromkeys(row.metric[:3])) + (" (mean)" if row.metric.statistic == "mean" else "")
        word = row.word
        if word == "too noisy":
            word = f"too noisy: needs {_percent(row.rerun)}"
        print(f"  {name[:42]:<42} {row.pairs:>5} {_percent(row.rerun):>7} {_percent(row.history):>8}  {word}")
    print("\nwho makes the noise" if culprits else "\nno repetition was disturbed by anybody who can be seen")
    for who in culprits:
        narrower = f"; without these the intervals are {who.clean:.2f} times as wide" if who.clean else ""
        print(f"  {_percent(who.share):>7} of repetitions: {who.says}{narrower}")
