"""liebench apply: set what a trial has proved, with a way back; or say what would be done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from liebench.cli import changing, common

if TYPE_CHECKING:
    from liebench.apply.ledger import Change
    from liebench.apply.plan import Plan
    from liebench.apply.target import Hands

Changes = Annotated[list[str] | None, typer.Argument(help="name=value, as vm.swappiness=10; several are one change.")]
Confirm = Annotated[
    str | None,
    typer.Option("--confirm", help="Take it back after this time, as 10m, unless confirmed; always so for networks."),
]


def apply(
    changes: Changes = None,
    confirm: Confirm = None,
    confirmed: Annotated[bool, typer.Option("--confirmed", help="Keep what waits to be confirmed.")] = False,
    untested: Annotated[bool, typer.Option("--untested", help="Without a proof; also sysctls we do not know.")] = False,
    diff: Annotated[bool, typer.Option("--diff", "--plan", help="Show what would change, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    export: Annotated[
        str | None,
        typer.Option("--export", help="sysctl.d, tuned, ansible, cloud-init or kubernetes; applies nothing."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File of the export.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Apply changes that a trial on this host has proved. Shows the difference first; `liebench undo` takes it back."""
    from liebench.errors import UsageError

    _refuse(changes, confirmed, export, out)
    hands = changing.make_hands()
    if confirmed:
        return _confirm(hands, as_json)
    if diff or export:
        return _show(hands, changes or (), untested, confirm, export, out)
    if not yes and not sys.stdin.isatty():
        _planned(hands, changes or (), untested, confirm)  # what cannot be at all says so first
        raise UsageError("there is no terminal to ask on: add --yes, or --diff to see what would change")
    from liebench.state.lock import exclusive

    with exclusive(hands.state, "apply"):
        changing.settle_first(hands)
        _apply(hands, changes or (), untested, confirm, yes, as_json)


def _refuse(changes: Sequence[str] | None, confirmed: bool, export: str | None, out: Path | None) -> None:
    from liebench.errors import UsageError

    if confirmed and (changes or export):
        raise UsageError("--confirmed keeps what waits, all of it; it takes no change and no --export")
    if not changes and not confirmed and export is None:
        raise UsageError("name a change, as vm.swappiness=10; `liebench status` shows what is applied")
    if out is not None and export is None:
        raise UsageError("--out is the file of an export; add --export FORMAT")


def _planned(
    hands: Hands, texts: Sequence[str], untested: bool, confirm: str | None
) -> tuple[Plan, list[Change], list[str]]:
    from liebench.apply.ledger import FILE
    from liebench.apply.plan import difference, plan
    from liebench.apply.target import Foreign
    from liebench.apply.transaction import intended
    from liebench.errors import UsageError

    ledger = hands.ledger()
    found = plan(hands, ledger, texts, untested, confirm)
    made = intended(hands, found.wanted, found.confirm_s, ledger.next_number)
    try:
        return found, made, difference(hands, ledger, made, found.wanted)
    except Foreign as error:
        raise UsageError(f"{error}; nothing was changed (the ledger is {hands.state / FILE})") from error


def _show(
    hands: Hands, texts: Sequence[str], untested: bool, confirm: str | None, export: str | None, out: Path | None
) -> None:
    if export is None:
        found, _, lines = _planned(hands, texts, untested, confirm)
        print("\n".join([*found.already, *lines]))
        common.say("nothing was changed")
        return
    from liebench.apply.exports import exported

    ledger = hands.ledger()
    changes = [c for c in ledger.open if c.state == "done"]
    if texts:
        _, changes, _ = _planned(hands, texts, untested, confirm)
    changing.deliver(exported(export, list({c.path: c for c in changes}.values())), out)


def _apply(hands: Hands, texts: Sequence[str], untested: bool, confirm: str | None, yes: bool, as_json: bool) -> None:
    from liebench.apply import rollback_timer, transaction

    found, made, lines = _planned(hands, texts, untested, confirm)
    for line in [*found.already, *lines]:
        print(line, file=sys.stderr if as_json else sys.stdout)
    if made:
        transaction.preflight(hands, made, hands.ledger())
        if not yes and not _agreed():
            common.say("nothing was changed")
            return
        transaction.apply(hands, made, lambda s: rollback_timer.start(hands.state, hands.host.root, s))
    opened = {c.number: c for c in hands.ledger().open}
    rows = [changing.row(hands, opened[c.number]) for c in made]
    if as_json:
        common.emit({"schema": "liebench.apply/1", "exit": 0, "changes": rows, "already": list(found.already)})
    _next(rows, found.confirm_s)


def _agreed() -> bool:
    from liebench.errors import Interrupted

    try:
        return typer.confirm("Apply this?", default=False, err=True)
    except typer.Abort as error:  # it would end with 1, which means a regression
        raise Interrupted("interrupted; nothing was changed") from error


def _next(rows: Sequence[dict[str, object]], confirm_s: float | None) -> None:
    if not rows:
        common.say("there was nothing to change")
    elif confirm_s is not None:
        common.say(f"in force; it is taken back in {confirm_s:.0f} s, or by a reboot, unless you say")
        common.say("next: liebench apply --confirmed")
    else:
        common.say("in force, also after a boot; next: liebench status, and liebench undo to take it back")


def _confirm(hands: Hands, as_json: bool) -> None:
    from liebench.apply.transaction import confirm
    from liebench.state.lock import exclusive

    with exclusive(hands.state, "apply --confirmed", 5.0):
        changing.settle_first(hands)
        said = confirm(hands)
    if as_json:
        common.emit({"schema": "liebench.apply/1", "exit": 0, "said": said})
    else:
        print("\n".join(said or ["nothing waits to be confirmed"]))
