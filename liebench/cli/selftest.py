"""liebench selftest: how often this host would fool liebench, measured."""

from __future__ import annotations

from typing import Annotated

import typer


def selftest(
    names: Annotated[list[str] | None, typer.Argument(help="Probes or layers; all where none is named.")] = None,
    trials: Annotated[int, typer.Option("--trials", min=1, max=10000, help="Experiments of each kind.")] = 20,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every order.")] = None,
    disturb: Annotated[str, typer.Option("--disturb", help="nobody, neighbours or host.")] = "nobody",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure this host's own false-alarm and detection rates, with their binomial intervals."""
    from liebench import selftest as engine
    from liebench.cli import common
    from liebench.journal import Journal
    from liebench.plan import plan_probe
    from liebench.registry import find_probes
    from liebench.stage import Stage

    settings = common.make_settings("default", seed, None, disturb, names or ())
    bench = common.make_bench(None, [])
    journal = Journal(bench.state, bench.host.facts["boot"]["token"])
    rows = []
    with common.stopping() as stopper:
        for registered in find_probes().select(names or ()):
            part = plan_probe(registered, bench.host, settings)
            if part.skipped or not list(engine.experiments(part)):
                continue
            touches = tuple(t for c in part.cases for t in c.touches)
            stage = Stage(bench.host, bench.core, journal, touches, settings.disturb, settings.options, rep_ms=20.0)
            rows += engine.rates(part, stage, trials, settings.seed, stopping=stopper)
    if as_json:
        data = [
            {"case": r.name, "kind": r.kind, "trials": r.trials, "hits": r.hits, "called_honest": r.wrong,
             "low": r.interval[0], "high": r.interval[1], "words": r.words} for r in rows
        ]  # fmt: skip
        common.emit({"schema": "liebench.selftest/1", "exit": 0, "seed": settings.seed, "rates": data})
        return
    print(f"{'case':<24} {'experiment':<18} {'called a lie':<13} 95 % interval      words")
    for r in rows:
        low, high = r.interval
        words = ", ".join(f"{n} {w}" for w, n in sorted(r.words.items()))
        print(
            f"{r.name:<24} {r.kind:<18} {r.hits:>3} of {r.trials:<6} {100 * low:5.1f} … {100 * high:5.1f} %   {words}"
        )
    print("null: false alarms. plant: lies found; a plant called honest is a miss.")
