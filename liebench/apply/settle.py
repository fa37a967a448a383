"""What every start does about changes that were cut off, or that nobody confirmed in time. Callers hold the lock."""

from __future__ import annotations

from liebench.apply.ledger import FILE, Change
from liebench.apply.target import Hands
from liebench.apply.transaction import keep
from liebench.apply.undo import take_back
from liebench.errors import LiebenchError
from liebench.stage.recovery import recover
from liebench.state.lock import exclusive


def settle(hands: Hands) -> list[str]:
    """What every start does first: end what was cut off, and take back what nobody confirmed in time."""
    hands.sweep()
    said = recover(hands.state, hands.boot)  # a trial that was killed may have left its value in force
    ledger = hands.ledger()
    said += ledger.said
    for change in reversed(ledger.open):
        try:
            said += _settle_one(hands, change)
        except (LiebenchError, OSError) as error:
            said.append(f"{change.key}: {error}")
    return said


def _settle_one(hands: Hands, change: Change) -> list[str]:
    if change.state == "undoing":
        return [take_back(hands, change, "an undo had been cut off")]
    if change.state == "confirmed":
        keep(hands, [change])
        return [f"{change.key} is {change.to} and stays so after a boot (it had been confirmed)"]
    if change.state == "intent" or (change.state == "live" and change.confirm_s is None):
        return [take_back(hands, change, "an apply had been cut off")]
    if change.waiting and change.left_s(hands.boot, hands.now_s()) <= 0:
        return [take_back(hands, change, "nobody confirmed it in time")]
    return []


def settle_if_any(hands: Hands) -> list[str]:
    """What was cut off or not confirmed in time is ended where we may, else why not; nothing is created."""
    if not (hands.state / FILE).exists():
        return []
    try:
        with exclusive(hands.state, "ending what was cut off"):
            return settle(hands)
    except LiebenchError as error:
        return [str(error)]
