"""A trial in words: what was tried, where, what came of it, what to do next. Pure."""

from __future__ import annotations

from textwrap import wrap

from liebench.knobs import Scope, catalogue
from liebench.knobs.launch import is_launch, kept_by
from liebench.proofs import needed_scope
from liebench.trial import Found, Subject, TrialResult

WIDTH = 80
NEXT = {
    Found.WIN: "A first win is a promise: run it again later with another seed; only that second trial is the proof.",
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


def wider(knob: str, to: str) -> str:
    """What proves a change for the whole host, where the catalogue's trial is narrower or none."""
    return f"prove it there on your own work, `liebench try {knob}={to} --with 'COMMAND' --disturb host`"


def trial_text(result: TrialResult, confirmed: bool = False) -> str:
    """Some lines of 80 columns. ``confirmed``: the trial before this one, of the same change, won too."""
    s = result.subject
    lines = wrap(f"{s.key} {s.now} -> {s.to}: {result.found.value}", WIDTH)
    if result.ratio is not None:
        span = f" ({cost(result.low)} to {cost(result.high)})" if result.low and result.high else ""
        lines += wrap(f"{result.case} costs {cost(result.ratio)}{span}, {result.pairs} pairs", WIDTH - 2,
                      initial_indent="  ", subsequent_indent="  ")  # fmt: skip
    lines += wrap(f"shown by {s.workload}, in the scope {s.scope}", WIDTH, initial_indent="  ", subsequent_indent="  ")
    if result.why:
        lines += wrap(result.why, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([*lines, *wrap(next_step(result, confirmed), WIDTH, initial_indent="  ", subsequent_indent="  ")])
