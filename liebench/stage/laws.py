"""Laws whose two sides are two quantities of one repetition: what a formula says, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from liebench.contract import Case, Rep, Turn


class Law:
    """``work(turn)`` runs one repetition; the argument ``part`` of an arm names the quantity that is its side."""

    def __init__(self, work: Callable[[Turn], Rep]) -> None:
        self.work = work
        self.latest: dict[str, tuple[Rep, set[str]]] = {}

    def once(self, case: Case, turns: Sequence[Turn], shared: str = "") -> Mapping[str, Rep]:
        """One block. In a control every turn has a repetition of its own.

        Cases with the same ``shared`` are questions about one repetition: each may look at it once, then comes a new.
        """
        one = {t.label for t in turns} == {a.id for a in case.arms}
        newest = self._newest(case, turns[0], shared or case.id) if one else None
        reps = {t.label: newest or self.work(t) for t in turns}
        return {
            t.label: replace(reps[t.label], samples={case.quantity: reps[t.label].samples[str(t.arm.args["part"])]})
            for t in turns
        }

    def _newest(self, case: Case, turn: Turn, shared: str) -> Rep:
        known = self.latest.get(shared)
        if known is None or case.id in known[1]:
            known = self.latest[shared] = (self.work(turn), set())
        known[1].add(case.id)
        return known[0]
