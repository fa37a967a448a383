"""What a trial found, in words, and what to do next. Pure."""

from __future__ import annotations

from liebench.settings.catalogue import catalogue
from liebench.settings.knob import Knob, Scope
from liebench.settings.launch import is_launch, kept_by, trial_line, wider
from liebench.trial.proofs import LAST_WIN, needed_scope
from liebench.trial.result import Found, Subject, TrialResult

NEXT = {
    Found.WIN: "A first win is a promise: run it again later with another seed; "
    f"only that {LAST_WIN} trial is the proof.",
    Found.NO_EFFECT: "Leave it as it is: here it changes nothing that would be worth a setting.",
    Found.LOSS: "Leave it as it is.",
    Found.GUARD: "Leave it as it is, or let your own work decide: `liebench try --with 'COMMAND'`.",
    Found.CANNOT_TELL: "Give it a larger --budget, or try on a quieter machine; until then nothing is proven.",
}


def cost(ratio: float | None) -> str:
    """``12.0 % less``, or ``0.41 times`` where it is far from one; empty for what is not known."""
    if ratio is None:
        return ""
    if 0.8 <= ratio <= 1.25:
        change = 100 * (ratio - 1)
        return f"{abs(change):.1f} % {'more' if change > 0 else 'less'}"
    return f"{ratio:.3g} times"


def next_step(result: TrialResult, confirmed: bool) -> str:
    """What to do after this trial. ``confirmed``: the trial before it, of the same change, won too."""
    if not confirmed:
        return NEXT[result.found]
    s = result.subject
    first = f"Proved: {s.workload} @ {s.scope}. The trial before it won too; the size is this trial's alone."
    return f"{first} {_keeping(s)}"


def way_to_prove(knob: Knob, name: str, to: str) -> str:
    """What proves a change as widely as keeping it reaches. ``name``: the knob, or the file of one of several."""
    narrow = knob.trial is None or knob.trial.scope.rank < needed_scope(knob).rank
    if narrow and not is_launch(knob.id):
        return wider(name, to)
    return f"prove it with `{trial_line(knob, name, to)}`"


def _keeping(s: Subject) -> str:
    """How to keep what is proved, or what is still to be proved before it can be kept."""
    if is_launch(s.knob):
        return f"Keep it with {kept_by(s.knob, s.to)}."
    knob = catalogue().get(s.knob)
    if knob is not None and Scope(s.scope).rank < needed_scope(knob).rank:
        return f"The setting is the whole {needed_scope(knob)}'s: {wider(s.knob, s.to)}."
    if knob is not None and knob.several and s.key == knob.key:
        return f"`liebench apply FILE={s.to}` sets it, where FILE is {' or '.join(knob.examples[:2])}."
    name = s.key if knob is not None and knob.several else s.knob
    return f"`liebench apply {name}={s.to}` sets it."
