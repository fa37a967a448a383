"""From trials to proof: a win counts once another trial, with a seed of its own, has won too. Pure.

What is kept of every trial that could tell is its own interval. A win is confirmed only by the next trial of the same
change in the same place; one that did not win in between starts the count again, so that trying until it wins twice
proves nothing more often than it should. The published gain is the confirming trial's alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from liebench.knobs import Scope
from liebench.proofs import Proof
from liebench.trial import Found, TrialResult

TELLS = (Found.WIN, Found.NO_EFFECT, Found.LOSS, Found.GUARD)


def proof_from(result: TrialResult, trial: str, seed: int, host: str, config: str, made: str) -> Proof | None:
    """What this trial alone shows; None where it could not tell. A result that is no win keeps an interval up to 1."""
    if result.found not in TELLS or result.ratio is None or result.low is None or result.high is None:
        return None
    s = result.subject
    high = result.high if result.found is Found.WIN else max(result.high, 1.0)
    return Proof(
        s.knob, s.key, s.now, s.to, Scope(s.scope), s.workload, result.case, host, config,
        result.ratio, result.low, high, (trial,), made, False, seed,
    )  # fmt: skip


def _alike(one: Proof, other: Proof) -> bool:
    names = ("change", "key", "from_", "to", "scope", "workload", "host", "config")
    return all(getattr(one, n) == getattr(other, n) for n in names)


def confirmed(new: Proof, past: Sequence[Proof]) -> Proof:
    """The same proof, confirmed where the trial before it won too: same change, same place, another seed."""
    before = next((p for p in reversed(past) if _alike(p, new)), None)
    if before is None or before.high >= 1 or new.high >= 1 or set(before.trials) & set(new.trials):
        return new
    if before.seed == new.seed:  # the same orders and coins: nothing that they brought about is ruled out
        return new
    return replace(new, confirmed=True, trials=(before.trials[-1], *new.trials))
