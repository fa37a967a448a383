"""How much evidence stands behind each piece of advice: proved here, lapsed, tried without gain, or not tried. Pure.

The lie was measured; whether the change helps is another question, which only a trial on this host answers. "Proved"
means here what it means to ``liebench apply`` (``trial.proofs.standing``), for the host as the run found it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from liebench.advice.advise import Advice, Grade
from liebench.errors import UsageError
from liebench.host import Host
from liebench.settings.catalogue import find, in_force
from liebench.settings.knob import Knob
from liebench.settings.launch import trial_line
from liebench.trial.proofs import Proof, Standing, lapse, standing
from liebench.trial.words import way_to_prove


def graded(
    advice: Sequence[Advice],
    proofs: Sequence[Proof],
    host: Host,
    knobs: Mapping[str, Knob],
    originals: Mapping[str, str],
) -> list[Advice]:
    """The same advice with its grade and evidence, what is proved first.

    ``host``: the run's (``stored_host``). ``originals``: what liebench has applied held before, by path.
    """
    ours = [p for p in proofs if p.host == host.hashes()["host"]]  # a trial of another host says nothing here
    found = [_graded(item, ours, host, knobs.get(item.change), originals) for item in advice]
    return sorted(found, key=lambda item: list(Grade).index(item.grade))  # stable: else as it was


def _graded(
    item: Advice, proofs: Sequence[Proof], host: Host, knob: Knob | None, originals: Mapping[str, str]
) -> Advice:
    tried = [] if knob is None else list(_tried(knob, item.to, proofs, host, originals))
    for named, _, found in tried:
        if found.proof is not None:
            return _proved(item, found.proof, named)
    others = [(p, why, named, now) for named, now, found in tried for p, why in found.others]
    if knob is None or not others:
        return replace(item, evidence=f"{item.evidence}; {_untried(item, knob)}")
    newest, why, named, now = max(others, key=lambda row: row[0].made)
    when = f"on {newest.made[:10]}"
    said = f"the proof of {newest.made[:10]} ({newest.words}) {why}; {way_to_prove(named, _name(named), item.to)}"
    if lapse(newest, named, now, host, originals):
        return replace(item, grade=Grade.LAPSED, evidence=said)
    if newest.high >= 1:
        size = f"cost x {newest.ratio:.3g} ({newest.low:.3g} to {newest.high:.3g}), {newest.workload} @ {newest.scope}"
        return replace(item, grade=Grade.NO_GAIN, evidence=f"tried {when}: no gain here, {size}")
    if not newest.confirmed:
        again = f"confirm it: {trial_line(named, _name(named), item.to)}"
        return replace(item, grade=Grade.ONCE, evidence=f"{newest.words} {when}; {again}")
    return replace(item, grade=Grade.NARROW, evidence=said)


def _tried(
    knob: Knob, to: str, proofs: Sequence[Proof], host: Host, originals: Mapping[str, str]
) -> Iterable[tuple[Knob, str, Standing]]:
    """(the setting as its proofs name it, its value in the run or empty, what they say) of each that was tried."""
    keys = dict.fromkeys(p.key for p in proofs if (p.change, p.to) == (knob.id, to))
    for key in keys:
        try:
            named = find(key) if knob.several else knob
        except UsageError:  # a file that this liebench does not know
            continue
        try:
            now = in_force(named, host, rig=True)
        except UsageError:  # the run does not tell
            now = ""
        yield named, now, standing(proofs, named, now, to, host, originals)


def _proved(item: Advice, proof: Proof, named: Knob) -> Advice:
    where = f" ({named.key})" if named.family else ""  # one of several disks
    return replace(item, grade=Grade.PROVED, evidence=f"{proof.words} on {proof.made[:10]}{where}")


def _name(knob: Knob) -> str:
    """As a command takes it."""
    if knob.family:
        return knob.key
    return knob.id if knob.in_rig or not knob.several else knob.examples[0]


def _untried(item: Advice, knob: Knob | None) -> str:
    """What would try it; a change that no setting holds is made by hand."""
    if knob is None or not knob.takes(item.to):
        return "not tried: make it, run again, compare"
    return f"not tried: {trial_line(knob, _name(knob), item.to)}"


SAID = {
    Grade.PROVED: "proved here",
    Grade.ONCE: "won here once",
    Grade.NARROW: "proved in a smaller scope only",
    Grade.LAPSED: "whose proof lapsed",
    Grade.NO_GAIN: "brought nothing here",
}


def tally(advice: Sequence[Advice]) -> str:
    """What came of the advice so far, in a sentence; empty without advice."""
    if not advice:
        return ""
    counts = {grade: sum(item.grade is grade for item in advice) for grade in SAID}
    tried = [f"{counts[grade]} {what}" for grade, what in SAID.items() if counts[grade]]
    n = len(advice)
    head = f"{n} change{'' if n == 1 else 's'} {'is' if n == 1 else 'are'} worth a try"
    return f"{head}: {', '.join(tried)}." if tried else f"{head}; none was tried here yet."
