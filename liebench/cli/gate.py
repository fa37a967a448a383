"""liebench gate: does this change cost more than its limit, on this host, now?"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from liebench.cli import common

if TYPE_CHECKING:
    from collections.abc import Sequence

    from liebench.gate.measure import Switch
    from liebench.gate.pairs import Question
    from liebench.gate.policy import Policy
    from liebench.judge.rows import Table
    from liebench.runner.measure import Bench
    from liebench.runner.plan import Settings

Names = Annotated[list[str] | None, typer.Argument(help="Probes or layers; none with two commands.")]
STORED = {
    "history": "a file that `liebench baseline promote` made",
    "fleet": "a folder with runs of other hosts",
    "trend": "a folder with runs of this host",
}


@dataclass(frozen=True, slots=True)
class Reports:
    """What is written beside standard output."""

    junit: Path | None = None
    markdown: Path | None = None
    openmetrics: Path | None = None
    github: bool = False


MOST_LOOKED_AT = 40  # files, newest first, for a noise measurement
MODES = ("rerun", *STORED)


def gate(
    names: Names = None,
    baseline: Annotated[str | None, typer.Option("--baseline", help="A command; or a baseline's name.")] = None,
    candidate: Annotated[str | None, typer.Option("--candidate", help="A command; or a run file.")] = None,
    baseline_core: Annotated[Path | None, typer.Option("--baseline-core", help="A build of liebench-core.")] = None,
    candidate_core: Annotated[Path | None, typer.Option("--candidate-core", help="Another build of it.")] = None,
    change: Annotated[str | None, typer.Option("--change", help="A sysctl or sysfs file: name=value.")] = None,
    to_baseline: Annotated[str | None, typer.Option("--to-baseline", help="Command that makes it so.")] = None,
    to_candidate: Annotated[str | None, typer.Option("--to-candidate", help="Command that makes it so.")] = None,
    mode: Annotated[str, typer.Option("--mode", help="rerun, history, fleet, trend.")] = "rerun",
    policy_file: Annotated[Path | None, typer.Option("--policy", help="By default ci/gate.toml.")] = None,
    limit: Annotated[str | None, typer.Option("--limit", help='More is a regression: "5 %".')] = None,
    floor: Annotated[str | None, typer.Option("--floor", help='Less is no difference: "1 %".')] = None,
    inconclusive: Annotated[str | None, typer.Option("--inconclusive", help="fail or pass.")] = None,
    budget: Annotated[float, typer.Option("--budget", help="Most seconds to measure.")] = 600.0,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of every order.")] = None,
    disturb: Annotated[str, typer.Option("--disturb", help="nobody, neighbours, host.")] = "nobody",
    quick: Annotated[bool, typer.Option("--quick", help="Headline cases only.")] = False,
    sets: Annotated[list[str] | None, typer.Option("--set", help="probe.name=value.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the run file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Also write a table for a merge request.")] = None,
    openmetrics: Annotated[Path | None, typer.Option("--openmetrics", help="Also write OpenMetrics text.")] = None,
    github: Annotated[bool, typer.Option("--github", help="Annotations, summary and outputs of a workflow.")] = False,
) -> None:
    """Measure baseline and candidate in pairs whose order a coin decides; fail on a proved regression only."""
    from liebench.cli.gate_stored import stored
    from liebench.gate.policy import share

    if mode not in MODES:
        raise _usage(f"--mode takes {', '.join(MODES)}, not {mode!r}")
    policy = read_policy(policy_file).with_limits(
        None if limit is None else share(limit, "--limit"), None if floor is None else share(floor, "--floor")
    )
    policy = _ends(policy, inconclusive)
    _refuse_strangers(policy)
    if mode != "rerun":
        if not baseline:
            raise _usage(f"--mode {mode} needs --baseline: {STORED[mode]}")
        settings = common.make_settings("quick" if quick else "default", seed, budget, disturb, names or (), sets or ())
        ended = stored(mode, baseline, candidate, names, settings, policy, out)
        _end(*ended, as_json, Reports(junit, markdown, openmetrics, github))
        return
    switch = _switch(baseline, candidate, baseline_core, candidate_core, change, to_baseline, to_candidate)
    settings = common.make_settings(
        "quick" if quick else "default", seed, budget, disturb, names or (), [*_runs(switch), *(sets or ())]
    )
    doc, written = measured(switch, settings, policy, names, out)
    from liebench.gate.table import gate_table

    table = gate_table(doc, policy)
    code = 130 if doc["stopped"] == "interrupted" else table.exit
    _end(table, code, written, as_json, Reports(junit, markdown, openmetrics, github))


def read_policy(path: Path | None) -> Policy:
    """The named file, else ``ci/gate.toml`` where there is one, else the defaults."""
    from liebench.gate.policy import Policy, parse_policy

    if path is None:
        path = Path("ci/gate.toml")
        if not path.is_file():
            return Policy()
    try:
        return parse_policy(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise _usage(f"{path} cannot be read: {error}") from error


def _usage(text: str) -> Exception:
    from liebench.errors import UsageError

    return UsageError(text)


def _refuse_strangers(policy: Policy) -> None:
    """Raises UsageError for a level of something that does not exist: it would gate nothing, and nobody would know."""
    from liebench.contract import Layer
    from liebench.registry import find_probes

    if not policy.rules:
        return
    known = [*(layer.value for layer in Layer), *find_probes().probes, "command"]
    strange = policy.strangers(known)
    if strange:
        from liebench.errors import meant

        hint = meant(strange[0].partition("/")[0], known, "`liebench list` names them", most=1)
        raise _usage(f"[levels] names {strange[0]!r}, which is no layer and no probe; {hint}")


def _ends(policy: Policy, inconclusive: str | None) -> Policy:
    from dataclasses import replace

    if inconclusive not in (None, "fail", "pass"):
        raise _usage(f"--inconclusive takes fail or pass, not {inconclusive!r}")
    return policy if inconclusive is None else replace(policy, inconclusive_fails=inconclusive == "fail")


def _both(name: str, first: str | None, second: str | None) -> tuple[str, str] | None:
    if (first is None) != (second is None):
        raise _usage(f"{name} needs both sides: the baseline's and the candidate's")
    return None if first is None or second is None else (first, second)


def _core(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise _usage(f"{path} is no file; name a build of liebench-core")
    return path.resolve() if path else None


def _switch(
    baseline: str | None,
    candidate: str | None,
    first_core: Path | None,
    second_core: Path | None,
    change: str | None,
    to_baseline: str | None,
    to_candidate: str | None,
) -> Switch:
    """What is switched between the sides; exactly one thing."""
    from liebench.gate.measure import Switch
    from liebench.settings.writable import path_of

    cores = (_core(first_core), _core(second_core)) if first_core or second_core else None
    key, equals, value = (change or "").partition("=")
    if change and not equals:
        raise _usage(f"--change takes name=value, not {change!r}")
    switch = Switch(
        _both("a pair of commands (--baseline, --candidate)", baseline, candidate),
        cores,
        (path_of(key.strip()), value.strip()) if change else None,
        _both("a switch (--to-baseline, --to-candidate)", to_baseline, to_candidate),
    )
    given = [w for w in (switch.commands, switch.cores, switch.change, switch.switches) if w]
    if len(given) != 1:
        raise _usage(
            "name one thing that differs: two commands (--baseline, --candidate), two builds (--baseline-core, "
            "--candidate-core), a setting (--change name=value), or two switches (--to-baseline, --to-candidate)"
        )
    return switch


def _runs(switch: Switch) -> list[str]:
    return [f"command.run={switch.commands[0]}"] if switch.commands else []


def measured(
    switch: Switch, settings: Settings, policy: Policy, names: list[str] | None, out: Path | None
) -> tuple[dict[str, Any], str]:
    """(document, file) of a gate that was measured now."""
    from liebench.errors import NotMeasurable
    from liebench.gate.command import COMMAND
    from liebench.gate.measure import Switch, measure_gate
    from liebench.gate.pairs import Family
    from liebench.gate.session import ask, gate_part
    from liebench.registry import find_probes
    from liebench.runfile.reader import read_run
    from liebench.runner.plan import plan_probe, refuse_unknown_options

    if switch.commands and names:
        raise _usage("two commands are the work themselves; leave the probes out, or switch something else")
    chosen = (COMMAND,) if switch.commands else find_probes().select(names or ())
    refuse_unknown_options(chosen, settings)
    bench = common.make_bench(out, ["liebench", *sys.argv[1:]])
    planned = [gate_part(plan_probe(r, bench.host, settings), policy) for r in chosen]
    asked = ask(planned, policy)
    if not asked:
        raise NotMeasurable("nothing that was asked for can be held in pairs here; `liebench list` names the probes")
    family = Family(asked)
    common.say(
        f"{switch.says()}: {family.size} numbers of {len(asked)} cases, looks at "
        f"{', '.join(map(str, family.looks()))} pairs, at most {settings.budget_s:.0f} s, seed {settings.seed}"
    )
    if switch != Switch():
        common.say(_expected(bench, asked, settings, policy))
    with common.stopping() as stopper:
        written = measure_gate(bench, planned, settings, switch, policy, stopping=stopper, progress=common.progress())
    return read_run(written), str(written)


def _expected(bench: Bench, asked: Sequence[Question], settings: Settings, policy: Policy) -> str:
    """What this gate will be able to show, by the newest noise that this host has on file."""
    from liebench.errors import RunUnreadable
    from liebench.gate.forecast import forecast, says
    from liebench.gate.pairs import NOISE
    from liebench.gate.table import gate_family
    from liebench.runfile.files import run_files
    from liebench.runfile.reader import read_run

    ours = bench.host.hashes().get("host")
    for path in reversed(run_files(bench.out, "gate")[-MOST_LOOKED_AT:]):
        try:
            doc = read_run(path)
            if doc.get("switch") == NOISE and doc["hashes"].get("host") == ours:
                found = forecast(asked, doc, gate_family(doc, policy), settings.budget_s)
                if found is not None:
                    return says(found, policy.base.limit)
        except (RunUnreadable, KeyError):
            continue
    return says(None, policy.base.limit)


def _end(table: Table, code: int, written: str, as_json: bool, reports: Reports) -> None:
    """Write what was asked for, say the table, and end with its code."""
    from dataclasses import replace

    from liebench.export.files import publish_github, write_reports

    table = replace(table, exit=code)
    write_reports(table, junit=reports.junit, markdown=reports.markdown, openmetrics=reports.openmetrics)
    for line in publish_github(table) if reports.github else ():
        print(line)
    _say(table, code, written, as_json)
    if code:
        raise typer.Exit(code)


def _say(table: Table, code: int, written: str, as_json: bool) -> None:
    from liebench.judge.row_words import MEANINGS
    from liebench.text.table import table_text

    if as_json:
        from liebench.export.tables import GATE, table_object

        common.emit(table_object(table) | {"schema": GATE, "exit": code, "run": written})
    else:
        print(table_text(table))
        print(f"exit {code}: {MEANINGS.get(code, 'interrupted, the host is as it was')}")
        print(written)
