"""liebench explain: what a probe measures, how, what fools it, what to do; or what a change does, and who set it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from liebench.advice.change import Change
    from liebench.host import Host
    from liebench.settings.knob import Knob


def explain(name: Annotated[str, typer.Argument(help="A probe, or a change: swappiness, vm.swappiness.")]) -> None:
    """Explain a probe (its README), or a change: value, default, who set it, what can get worse, what tries it."""
    text = explained(name)
    if sys.stdout.isatty():
        import pydoc

        pydoc.pager(text)
    else:
        print(text)


def explained(name: str) -> str:
    """Raises UsageError for what is neither a probe nor a change."""
    from liebench.advice.catalogue import ADVISED, by_hand
    from liebench.errors import UsageError, meant
    from liebench.host import read_host
    from liebench.registry import find_probes
    from liebench.settings.catalogue import find, names

    probes, others = find_probes().probes, by_hand()
    if name in probes:
        return probes[name].readme() or f"{name} has no README; its claim: {probes[name].probe.claim.says}"
    try:
        knob = find(name)
    except UsageError:
        if name in others:
            return _by_hand(others[name])
        hint = meant(name, [*probes, *others, *names()], "`liebench list` shows the probes")
        raise UsageError(f"no probe and no change is called {name[:80]!r}; {hint}") from None
    return _knob(knob, read_host(), name, ADVISED.get(knob.id))


def _by_hand(change: Change) -> str:
    """A change that no setting of the kernel holds."""
    rows = (
        f"{change.id}: {change.setting} (scope: {change.scope}), made by hand",
        f"default: {change.default}",
        f"do: {change.how.replace('{to}', 'what the run advises')}",
        f"undo: {change.undo.replace('{now}', 'as it was')}",
        f"what can get worse: {change.risk}",
        f"advised by: liebench run {change.probe}; run it again afterwards, and compare",
    )
    return "\n".join(rows)


def _knob(knob: Knob, host: Host, name: str, advised: str | None) -> str:
    from liebench.errors import UsageError
    from liebench.settings.catalogue import in_force
    from liebench.settings.origin import whence
    from liebench.settings.suggest import proposed

    try:
        now = in_force(knob, host)
    except UsageError as error:
        now = str(error)
    try:
        change, why = proposed(name, host, {})
        worth = f"liebench try {change}: {why}"
    except UsageError as error:
        worth = str(error)
    rows = [
        f"{knob.id}: {knob.key} (scope: {knob.scope})" if knob.id != knob.key else f"{knob.id} (scope: {knob.scope})",
        f"now: {now}",
        f"set by: {whence(knob, host)}",
        f"what can get worse: {knob.risk}",
        f"tried by: {_trial(knob)}",
        f"worth a try: {worth}",
    ]
    rows += [f"advised by: liebench run {advised}"] if advised else []
    return "\n".join([*rows, f"source: {knob.source}"])


def _trial(knob: Knob) -> str:
    """What shows its effect, and how narrowly."""
    from liebench.settings.knob import Scope
    from liebench.settings.launch import own_scope, tried_in

    consent = " --disturb host" if own_scope(knob) is Scope.HOST else ""
    own = f"your own work, --with 'COMMAND'{consent}"
    if knob.trial is None:
        return own
    wide = ", --disturb host" if tried_in(knob) is Scope.HOST else ""
    using = "".join(f", --using {name}=…" for name in knob.trial.more)
    return f"{knob.trial.probe} in the scope {knob.trial.scope}{wide}{using}; or {own}"
