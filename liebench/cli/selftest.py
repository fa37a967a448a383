"""liebench selftest: how often this host would fool liebench, and whether every planted lie is found on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from liebench.runner.error_rates import Rate
    from liebench.runner.known_answers import Answer

MARKS = {"shown": "found", "not shown": "not shown", "failed": "MISSED", "skipped": "skipped"}


def selftest(
    names: Annotated[list[str] | None, typer.Argument(help="Probes or layers; all where none is named.")] = None,
    trials: Annotated[int, typer.Option("--trials", min=0, max=10000, help="Experiments of each kind.")] = 20,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every order.")] = None,
    disturb: Annotated[str, typer.Option("--disturb", help="nobody, neighbours or host.")] = "nobody",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure this host's own false-alarm and detection rates, and look for every lie planted in its layers."""
    from liebench.cli import common
    from liebench.errors import CoreMissing, NeedUnmet
    from liebench.registry import find_probes
    from liebench.runner import error_rates, known_answers
    from liebench.runner.measure import stage_for
    from liebench.runner.plan import plan_probe
    from liebench.runner.usage import traced
    from liebench.stage.recovery import recover
    from liebench.state.journal import Journal

    settings = common.make_settings("default", seed, None, disturb, names or ())
    bench = common.make_bench(None, [])
    boot = bench.host.facts["boot"]["token"]
    for line in recover(bench.state, boot):
        common.say(line)
    journal = Journal(bench.state, boot)
    rates: list[Rate] = []
    found: list[Answer] = []
    with (
        common.holding_host(bench, settings, "selftest"),
        common.stopping() as stopper,
        traced(bench.host, bench.state),
    ):
        for registered in find_probes().select(names or ()):
            part = plan_probe(registered, bench.host, settings)
            if part.skipped:
                continue
            try:
                touches = [p.touches for p in registered.probe.plants]
                stage = stage_for(bench, part, journal, settings, touches)
                stage.rep_ms, stage.window_s = 20.0, 0.5
                rates += error_rates.rates(part, stage, trials, settings.seed, stopping=stopper) if trials else []
            except (NeedUnmet, CoreMissing) as unmet:  # only its set-up could find out
                common.say(f"{registered.id}: skipped, {unmet}")
                continue
            found += known_answers.answers(part, stage, settings.seed, stopper)
    code = 130 if stopper.asked else 0
    if as_json:
        common.emit(_as_json(settings.seed, code, rates, found))
    else:
        print("\n".join([*_rates(rates), *_answers(found)]))
    if code:
        raise typer.Exit(code)


def _as_json(seed: int, code: int, rates: Sequence[Rate], found: Sequence[Answer]) -> dict[str, Any]:
    rows = [
        {"case": r.name, "kind": r.kind, "trials": r.trials, "hits": r.hits, "called_honest": r.wrong,
         "low": r.interval[0], "high": r.interval[1], "words": r.words} for r in rates
    ]  # fmt: skip
    plants = [
        {"probe": a.probe, "case": a.plant.case, "plant": a.plant.id, "status": a.status, "expect": a.plant.expect,
         "tolerance": a.plant.tolerance, "value": a.shown.value if a.shown else None,
         "low": a.shown.low if a.shown else None, "high": a.shown.high if a.shown else None,
         "unit": a.shown.unit if a.shown else None, "why": a.why or None} for a in found
    ]  # fmt: skip
    return {"schema": "liebench.selftest/1", "exit": code, "seed": seed, "rates": rows, "plants": plants}


def _rates(rates: Sequence[Rate]) -> Iterator[str]:
    if not rates:
        return
    yield "How often this host would fool liebench (null: false alarms; plant: lies found)"
    for r in rates:
        low, high = r.interval
        words = ", ".join(f"{n} {w}" for w, n in sorted(r.words.items()))
        yield f"  {r.name}  {r.kind}"
        yield f"    called a lie {r.hits} of {r.trials} ({100 * low:.1f} … {100 * high:.1f} %): {words}"
    yield ""


def _answers(found: Sequence[Answer]) -> Iterator[str]:
    from liebench.words import short

    yield "Planted lies of known size"
    for a in found:
        yield f"  {MARKS[a.status]:<10} {a.probe}/{a.plant.case}  {a.plant.id}"
        if a.shown and a.shown.value is not None:
            c = a.shown
            unit = "×" if c.unit == "ratio" else f" {c.unit}"
            ends = " … ".join("?" if v is None else short(v, 6) for v in (c.low, c.high))
            planted = f"planted {short(c.expect, 6)}{unit}"
            yield f"             {planted}, read {short(c.value, 6)}{unit} ({ends})"
        elif a.why:
            yield f"             {a.why}"
