"""How much evidence stands behind each piece of advice: proved here, seen once, tried without gain, or not tried. Pure.

The lie was measured; whether the change helps is another question, which only a trial on this host answers
(``proofs``). Proofs of other hosts say nothing, and the newest trial of a change speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from liebench.advice.advise import Advice, Grade
from liebench.settings.knob import Knob
from liebench.settings.launch import trial_line
from liebench.trial.proofs import Proof


def graded(advice: Sequence[Advice], proofs: Sequence[Proof], host: str, knobs: Mapping[str, Knob]) -> list[Advice]:
    """The same advice with its grade and evidence, what is proved first. ``host``: salted hash of the run's host."""
    found = [_graded(item, proofs, host, knobs.get(item.change)) for item in advice]
    return sorted(found, key=lambda item: list(Grade).index(item.grade))  # stable: else as it was


def _graded(item: Advice, proofs: Sequence[Proof], host: str, knob: Knob | None) -> Advice:
    ours = [p for p in proofs if (p.change, p.to, p.host) == (item.change, item.to, host)]
    if not ours:
        return replace(item, evidence=f"{item.evidence}; {_untried(item, knob)}")
    newest = max(ours, key=lambda p: p.made)
    when = f"on {newest.made[:10]}"
    if newest.high >= 1:
        size = f"cost x {newest.ratio:.3g} ({newest.low:.3g} to {newest.high:.3g}), {newest.workload} @ {newest.scope}"
        return replace(item, grade=Grade.NO_GAIN, evidence=f"tried {when}: no gain here, {size}")
    if not newest.confirmed:
        again = f"confirm it: liebench try {item.change}={item.to}"
        return replace(item, grade=Grade.ONCE, evidence=f"{newest.words} {when}; {again}")
    return replace(item, grade=Grade.PROVED, evidence=f"{newest.words} {when}")


def _untried(item: Advice, knob: Knob | None) -> str:
    """What would try it; a change that no setting holds is made by hand."""
    if knob is None or not knob.takes(item.to):
        return "not tried: make it, run again, compare"
    name = item.change if knob.in_rig or not knob.several else knob.examples[0]
    return f"not tried: {trial_line(knob, name, item.to)}"


def tally(advice: Sequence[Advice]) -> str:
    """What came of the advice so far, in a sentence; empty without advice."""
    if not advice:
        return ""
    counts = {grade: sum(item.grade is grade for item in advice) for grade in Grade}
    said = [
        (counts[Grade.PROVED], "proved here"),
        (counts[Grade.ONCE], "won here once"),
        (counts[Grade.NO_GAIN], "brought nothing here"),
    ]
    tried = [f"{n} {what}" for n, what in said if n]
    n = len(advice)
    head = f"{n} change{'' if n == 1 else 's'} {'is' if n == 1 else 'are'} worth a try"
    return f"{head}: {', '.join(tried)}." if tried else f"{head}; none was tried here yet."
