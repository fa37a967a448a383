"""liebench status: what is applied, what waits to be confirmed, and what somebody has changed since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from liebench.apply.target import Hands


MOST_ENDED = 3


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Show the applied changes by number, and end what was cut off."""
    from liebench.apply.settle import settle_if_any
    from liebench.cli import changing, common
    from liebench.words import wrapped

    hands = changing.make_hands()
    notes = settle_if_any(hands)
    if hands.state != changing.SYSTEM_STATE and not hands.ledger().changes and changing.SYSTEM_STATE.is_dir():
        hands = type(hands)(hands.host, changing.SYSTEM_STATE)  # what root has applied, for whoever may read it
    ledger = hands.ledger()
    rows = [changing.row(hands, c) for c in ledger.open]
    proofs, ended = _proofs(hands), [c.said for c in ledger.changes if c.state == "undone" and c.said][-MOST_ENDED:]
    if as_json:
        common.emit(
            {
                "schema": "liebench.status/1",
                "exit": 0,
                "changes": rows,
                "proofs": proofs,
                "ended": ended,
                "notes": notes,
            }
        )
        return
    for line in notes:
        common.say(line)
    print("\n".join(_lines(rows)))
    if ended:
        print("ended lately\n" + "\n".join(line for said in ended for line in wrapped(said, "  ")))
    if proofs:
        print("proved here and not applied\n" + "\n".join(f"  {p['change']}: {p['words']}" for p in proofs))


def _proofs(hands: Hands) -> list[dict[str, Any]]:
    """Proofs that hold here and now."""
    from liebench.apply.ledger import originals
    from liebench.errors import UsageError
    from liebench.settings.catalogue import find, in_force
    from liebench.trial.proofs import read_proofs, standing

    before, proofs = originals(hands.ledger()), read_proofs(hands.state)[0]
    found = {}
    for proof in proofs:
        try:
            knob = find(proof.key)
            now = in_force(knob, hands.host, rig=True)
        except UsageError:
            continue
        best = standing(proofs, knob, now, proof.to, hands.host, before).proof
        if best is not None:
            found[f"{knob.key}={proof.to}"] = {"change": f"{knob.key}={proof.to}", "words": best.words}
    return list(found.values())


def _lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    from liebench.words import wrapped

    lines = [] if rows else ["nothing of liebench is applied on this host"]
    for r in rows:
        lines.append(f"{r['number']:>3}  {r['key']}: {r['from']} -> {r['to']}, {r['found']}")
        if r["found"] in ("set by somebody", "taken back by somebody"):
            lines += wrapped(f"it is {r['now']} now; `liebench undo {r['number']}` forgets it and leaves that", " " * 5)
        lines += wrapped(str(r["evidence"]), " " * 5)
        if r["state"] == "waits":
            lines += wrapped(f"taken back in {r['left_s']:.0f} s unless: liebench apply --confirmed", " " * 5)
        else:
            lines += wrapped(f"since {r['applied']}, after a boot by {r['file']}", " " * 5)
    return lines
