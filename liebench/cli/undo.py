"""liebench undo: take applied changes back, to what was found, not to a default."""

from __future__ import annotations

from typing import Annotated

import typer


def undo(
    which: Annotated[str, typer.Argument(help="A number of `liebench status`, or all; else the last apply.")] = "last",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Take back what was applied. What somebody else has set meanwhile is left as it is, and said."""
    from liebench.apply.undo import chosen
    from liebench.apply.undo import undo as take_back
    from liebench.cli import changing, common
    from liebench.state.lock import exclusive

    hands = changing.make_hands()
    with exclusive(hands.state, "undo", 5.0):
        changing.settle_first(hands)
        ledger = hands.ledger()
        said = take_back(hands, chosen(ledger, which)) if ledger.open or which not in ("last", "all") else []
    if as_json:
        common.emit({"schema": "liebench.undo/1", "exit": 0, "said": said})
    else:
        print("\n".join(said or ["nothing of liebench is applied on this host"]))
