"""liebench look: three seconds of the kernel's counters, the five strongest suspects, and what settles each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from liebench.facts.reader import Reader

if TYPE_CHECKING:
    from liebench.look.look import OwnTraces


SHARES = {"vm.oom_kill": "vmstat.oom_kill", "softnet.ours": "softnet.dropped"}  # told event by event


def look(
    seconds: Annotated[float, typer.Option("--seconds", help="How long to watch.")] = 3.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Read this host's counters twice and name what they suspect. No load, nothing written, no root."""
    from liebench.cli.common import emit
    from liebench.errors import Interrupted, UsageError
    from liebench.facts.boot import kernel_log
    from liebench.look.look import Outside, judge, observe
    from liebench.stage.sockets import connections
    from liebench.text import look as look_text

    if not 0.1 <= seconds <= 3600:
        raise UsageError(f"--seconds takes a time between 0.1 and 3600, not {seconds:g}")
    reader = Reader()
    try:
        outside = Outside(kernel_log, connections, lambda: _cards(reader))
        found = judge(observe(reader, seconds, outside, _own(reader)))
    except KeyboardInterrupt:
        raise Interrupted("stopped before the second reading; nothing was changed") from None
    if as_json:
        emit(look_text.as_json(found))
    else:
        print(look_text.as_text(found))


def _own(reader: Reader) -> OwnTraces:
    """What liebench itself did to these counters since the host started."""
    from liebench.facts.boot import facts
    from liebench.look.look import OwnTraces
    from liebench.state.files import state_dir
    from liebench.state.traces import own_here

    own = own_here(state_dir(), facts(reader, True)["token"])
    gained = {name.removeprefix("look."): n for name, n in own.gained.items() if name.startswith("look.")}
    gained = {name: n for name, n in gained.items() if not name.startswith("softnet.dropped")}
    gained |= {name: own.shares.get(share, 0) for name, share in SHARES.items()}
    return OwnTraces(own.span_s, gained, own.unknown)


def _cards(reader: Reader) -> dict[str, dict[str, int]]:
    """What the cards of this host confess of their provider's allowances; only those that count such."""
    from liebench.facts.cards import allowances, cards
    from liebench.stage.ethtool import statistics_of

    found = {card.name: dict(allowances(statistics_of(card.name))) for card in cards(reader)}
    return {name: stats for name, stats in found.items() if stats}
