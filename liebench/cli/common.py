"""What several commands share: the bench of this host, settings from options, Ctrl-C, and saying things."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.errors import RunUnreadable, UsageError

if TYPE_CHECKING:
    from liebench.advice.advise import Advice
    from liebench.host import Host
    from liebench.judge.run import RunVerdicts
    from liebench.runner.measure import Bench
    from liebench.runner.plan import Settings


def say(line: str = "") -> None:
    """Talk goes to standard error; results go to standard output."""
    print(line, file=sys.stderr)


def emit(value: dict[str, Any]) -> None:
    print(json.dumps(value, allow_nan=False))


def build_id(core: Path) -> str:
    """The build id the executable prints."""
    done = subprocess.run([core, "--version"], capture_output=True, text=True, timeout=10, check=False)
    words = done.stdout.split()
    return words[-1] if words else "unknown"


def make_bench(out: Path | None, command: Sequence[str]) -> Bench:
    """Everything a measuring command needs of this host. Recovers what a killed run left behind on the way."""
    from dataclasses import replace

    from liebench.core import core_path
    from liebench.host import read_host
    from liebench.runner.measure import Bench
    from liebench.runner.processor import processor
    from liebench.settings.present import readings
    from liebench.state.files import results_dir, state_dir

    core, host, state = core_path(), read_host(), state_dir()
    for line in settle_applied(host, state):
        say(line)
    host.facts["cpu"]["processor"] = processor(state, host.facts["boot"]["token"])
    host = replace(host, facts={**host.facts, "settings": readings(host)})
    return Bench(host=host, core=core, build=build_id(core), state=state, out=results_dir(out), command=command)


def settle_applied(host: Host, state: Path) -> list[str]:
    """What an apply left half done, or nobody confirmed in time; loads nothing where nothing was ever applied."""
    if not (state / "applied.jsonl").exists():
        return []
    from liebench.apply.settle import settle_if_any
    from liebench.apply.target import Hands

    return settle_if_any(Hands(host, state))


def make_settings(
    profile: str, seed: int | None, budget: float | None, disturb: str, named: Sequence[str], sets: Sequence[str] = ()
) -> Settings:
    from liebench.contract import Disturbs
    from liebench.runner.plan import PROFILES, Settings

    if disturb not in [d.value for d in Disturbs]:
        raise UsageError(f"--disturb takes nobody, neighbours or host, not {disturb!r}")
    if budget is not None and not 0 < budget <= 86400:
        raise UsageError(f"--budget takes seconds between 0 and 86400, not {budget:g}")
    options = {}
    for item in sets:
        key, equals, value = item.partition("=")
        if not equals:
            raise UsageError(f"--set takes probe.name=value, not {item!r}")
        options[key] = value
    chosen = PROFILES[profile]
    seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed
    return Settings(
        profile=chosen,
        seed=seed,
        budget_s=budget or chosen.budget_s,
        disturb=Disturbs(disturb),
        options=options,
        named=frozenset(named),
    )


@contextlib.contextmanager
def holding_host(bench: Bench, settings: Settings, doing: str) -> Iterator[None]:
    """Nobody else changes the host inside this block, and nothing of a killed one is left; only with consent to it."""
    from liebench.contract import Disturbs
    from liebench.stage.recovery import recover
    from liebench.state.lock import exclusive

    if settings.disturb is not Disturbs.HOST:
        yield
        return
    with exclusive(bench.state, f"{doing} --disturb host"):
        for line in recover(bench.state, bench.host.facts["boot"]["token"]):
            say(line)
        yield


class Stopper:
    """Ctrl-C once: the run stops between two blocks and keeps what it has. Twice: leave at once, the journal stays."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> str | None:
        return "interrupted" if self.asked else None

    def handle(self, number: int, frame: object) -> None:
        if self.asked:
            say("left at once; the next start of liebench takes back what is still changed (see `liebench doctor`)")
            os._exit(130)
        self.asked = True
        say("stopping after this block; press Ctrl-C again to leave at once")


@contextlib.contextmanager
def stopping() -> Iterator[Stopper]:
    stopper = Stopper()
    before = {s: signal.signal(s, stopper.handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopper
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def progress() -> Callable[[str], None]:
    """A line that is redrawn between blocks on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda line: None
    count = 0

    def draw(line: str) -> None:
        nonlocal count
        count += 1
        if count % 8 == 0:
            sys.stderr.write(f"\r\033[K{count} blocks  {line[:60]}")
            sys.stderr.flush()

    return draw


def judged(doc: dict[str, Any]) -> tuple[RunVerdicts, Sequence[Advice]]:
    """(verdicts, advice) of a run document, by today's judge and the probes that are installed."""
    from liebench.advice.advise import advise_run
    from liebench.host import stored_host
    from liebench.judge.run import judge_run
    from liebench.registry import find_probes

    found = find_probes()
    probes = {name: r.probe for name, r in found.probes.items()}
    verdicts = judge_run(doc, found.judges)
    host = stored_host(doc)
    found_advice = advise_run(host, verdicts.probes, probes)
    for line in found_advice.said:
        say(line)
    return verdicts, _graded(host, found_advice.advice)


def _graded(host: Host, advice: Sequence[Advice]) -> Sequence[Advice]:
    """Advice with what trials of this host said about it; as it is where none was ever made."""
    from liebench.advice.evidence import graded
    from liebench.apply.ledger import FILE, ledger_of, originals
    from liebench.settings.catalogue import catalogue
    from liebench.state.files import state_dir
    from liebench.state.jsonl import records
    from liebench.trial.proofs import read_proofs

    state, before = state_dir(), {}
    proofs, _ = read_proofs(state)
    with contextlib.suppress(OSError, RunUnreadable):  # without it what was applied counts as somebody else's change
        before = originals(ledger_of(*records(state / FILE)))
    return graded(advice, proofs, host, catalogue(), before)


def latest_run() -> Path:
    """The newest finished run file of the results folder."""
    from liebench.runfile.files import run_files
    from liebench.state.files import results_dir

    folder = results_dir()
    found = run_files(folder, "run")
    if not found:
        raise UsageError(f"there is no run file in {folder}; make one with `liebench run`, or name a file")
    return found[-1]


def read_runs(paths: Sequence[str]) -> list[dict[str, Any]]:
    """Run documents of files, and of all finished runs in folders. Raises RunUnreadable naming the file."""
    from liebench.errors import RunUnreadable
    from liebench.runfile.files import run_files
    from liebench.runfile.reader import read_run

    files: list[str] = []
    for path in paths:
        folder = Path(path)
        found = [str(p) for p in run_files(folder, "run")] if folder.is_dir() else [path]
        if not found:
            raise RunUnreadable(f"there is no run file in {path}; make one with `liebench run --out {path}`")
        files += found
    return [read_run(file) for file in files]
