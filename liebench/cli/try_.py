"""liebench try: a change measured both ways on this host, in the narrowest place that shows it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liebench.cli import common

if TYPE_CHECKING:
    from liebench.advice.advise import Advice
    from liebench.runner.measure import Bench
    from liebench.runner.plan import Settings
    from liebench.trial.measure import Wish
    from liebench.trial.proofs import Proof
    from liebench.trial.result import TrialResult


def try_(
    changes: Annotated[
        list[str] | None, typer.Argument(help="name=value, as vm.swappiness=10; or a name, as idle-restart.")
    ] = None,
    with_: Annotated[str | None, typer.Option("--with", help="Your own command as the workload.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Everything the last run advised that can be tried.")
    ] = False,
    using: Annotated[list[str] | None, typer.Option("--using", help="Argument of the trial: congestion=cubic.")] = None,
    limit: Annotated[str | None, typer.Option("--limit", help='Less is no gain: "3 %"; 5 % for I/O.')] = None,
    floor: Annotated[str, typer.Option("--floor", help='Less is no difference: "1 %".')] = "1 %",
    untested: Annotated[bool, typer.Option("--untested", help="Also settings outside the catalogue.")] = False,
    disturb: Annotated[str, typer.Option("--disturb", help="nobody, neighbours, host.")] = "nobody",
    budget: Annotated[float, typer.Option("--budget", help="Most seconds for all of them.")] = 300.0,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every order.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the trials' files.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Measure the present and the proposed value in pairs, judge, and keep the proof. Changes nothing for good."""
    from dataclasses import replace

    from liebench.errors import LiebenchError, UsageError
    from liebench.gate.policy import share
    from liebench.trial.measure import refuse
    from liebench.trial.result import trial_result

    bench = common.make_bench(out, ["liebench", *sys.argv[1:]])
    settings = common.make_settings("default", seed, budget, disturb, [])
    targets = None if limit is None else share(limit, "--limit"), share(floor, "--floor")
    with common.holding_host(bench, settings, "try"):  # before a value is read that another one may have set
        wished = _wishes(changes or [], everything, with_ or "", _pairs(using or []), bench, untested)
        if not wished:
            raise UsageError("there is nothing to try; name a change, as `liebench try idle-restart=0`")
        for wish in wished if not everything else ():
            refuse(wish, settings.disturb)
        settings = replace(settings, budget_s=budget / len(wished))
        found = []
        for wish in wished:
            try:
                doc, written = _tried(wish, bench, settings, *targets)
            except LiebenchError as error:
                if not everything or error.exit_code >= 70:
                    raise
                common.say(f"{wish.knob.key}: not tried, {error}")
                continue
            result = trial_result(doc)
            found.append((result, written, _kept(result, doc, wish, bench)))
            if doc["stopped"] == "interrupted":
                break
    _say(found, as_json)


def _pairs(words: list[str]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            from liebench.errors import UsageError

            raise UsageError(f"--using takes name=value, not {word!r}")
    return {k: v for k, _, v in (word.partition("=") for word in words)}


def _wishes(
    changes: list[str], everything: bool, command: str, more: dict[str, str], bench: Bench, untested: bool
) -> list[Wish]:
    from liebench.errors import UsageError
    from liebench.gate.command import words_of
    from liebench.settings.catalogue import parse
    from liebench.trial.measure import Wish

    if not changes and not everything:
        raise UsageError("name a change, as `liebench try idle-restart=0`, or use --all after a run")
    if command:
        words_of(command)
    advice = _advice(bench) if everything or any("=" not in text for text in changes) else ()
    texts = [text if "=" in text else _proposed(text, advice, bench) for text in changes]
    if everything:
        texts += _advised(advice, bench)
    return [Wish(*parse(text, bench.host, untested, rig=not command), command, more) for text in texts]


def _advice(bench: Bench) -> Sequence[Advice]:
    """What the newest run of this host advised; nothing where there is none."""
    from liebench.runfile.files import run_files
    from liebench.runfile.reader import read_run

    files = run_files(bench.out, "run")
    return common.judged(read_run(files[-1]))[1] if files else ()


def _proposed(name: str, advice: Sequence[Advice], bench: Bench) -> str:
    """``name=value`` for a setting that was named alone: what was measured here comes first, else its rule."""
    from liebench.settings.catalogue import parse
    from liebench.settings.suggest import proposed

    change, why = proposed(name, bench.host, {a.change: (a.to, a.why) for a in advice})
    parse(change, bench.host, rig=True)
    common.say(f"{change}: {why}")
    return change


def _advised(advice: Sequence[Advice], bench: Bench) -> list[str]:
    """The advice that can be tried; what cannot is named, with what to do instead."""
    from liebench.errors import UsageError
    from liebench.runfile.files import run_files
    from liebench.settings.catalogue import catalogue, parse

    if not run_files(bench.out, "run"):
        raise UsageError(f"there is no run in {bench.out} whose advice could be tried; `liebench run` makes one")
    known, found = catalogue(), []
    for item in advice:
        try:
            if item.change not in known:
                raise UsageError(f"no setting of the kernel holds it; make it by hand ({item.to}), run again, compare")
            parse(f"{item.change}={item.to}", bench.host, rig=True)
            found.append(f"{item.change}={item.to}")
        except UsageError as error:
            common.say(f"{item.change}: not tried, {error}")
    return found


def _tried(
    wish: Wish, bench: Bench, settings: Settings, limit: float | None, floor: float
) -> tuple[dict[str, Any], str]:
    from liebench.registry import find_probes
    from liebench.runfile.reader import read_run
    from liebench.settings.origin import whence
    from liebench.trial.measure import measure_trial, policy_for, registered_for

    registered = registered_for(wish, find_probes().probes)
    policy = policy_for(wish, registered.probe.claim.layer.value, registered.id, limit, floor)
    common.say(
        f"{wish.knob.key}: {wish.now} against {wish.to}, by {wish.workload} ({wish.scope.value}), "
        f"at most {settings.budget_s:.0f} s, seed {settings.seed}"
    )
    common.say(f"  {whence(wish.knob, bench.host)}; what can get worse: {wish.knob.risk}")
    with common.stopping() as stopper:
        written = measure_trial(bench, registered, settings, wish, policy, stopping=stopper, progress=common.progress())
    return read_run(written), str(written)


def _kept(result: TrialResult, doc: dict[str, Any], wish: Wish, bench: Bench) -> Proof | None:
    """The proof that this trial is or begins, kept in the state folder; None where it could not tell."""
    from liebench.apply.ledger import originals
    from liebench.apply.target import Hands
    from liebench.trial.proofs import add_proof, config_of, confirmed, proof_from, read_proofs

    ledger = Hands(bench.host, bench.state).ledger()
    config = config_of(bench.host, wish.knob, originals(ledger))
    proof = proof_from(result, doc["id"], doc["settings"]["seed"], bench.host.hashes()["host"], config, doc["started"])
    if proof is None:
        return None
    past, said = read_proofs(bench.state)
    for line in said:
        common.say(line)
    proof = confirmed(proof, past)
    add_proof(bench.state, proof)
    return proof


def _say(found: Sequence[tuple[TrialResult, str, Proof | None]], as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        rows = [
            {**asdict(r), "rows": [asdict(row) for row in r.rows], "run": written,
             "confirmed": bool(proof and proof.confirmed)}
            for r, written, proof in found
        ]  # fmt: skip
        common.emit({"schema": "liebench.try/1", "exit": 0, "trials": rows})
        return
    from liebench.text.trial import trial_text

    for result, written, proof in found:
        print(trial_text(result, bool(proof and proof.confirmed)))
        print(written)
