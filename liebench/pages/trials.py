"""View model of trials: before and after of every change that was tried, with what guarded it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liebench.contract import Case
from liebench.gate.pairs import pairs_of
from liebench.judge.rows import Row
from liebench.judge.run import open_run
from liebench.pages.figures import Figure, Series, figure_of
from liebench.pages.forest import Forest
from liebench.pages.outcomes import forest_of
from liebench.runfile.fields import Json, host_line
from liebench.trial.proofs import LAST_WIN, Proof, confirmed, stored_proof
from liebench.trial.result import Found, TrialResult, place_of, trial_result
from liebench.trial.words import cost, next_step
from liebench.words import clean

WORDS = {
    Found.WIN: "better",
    Found.NO_EFFECT: "same",
    Found.LOSS: "worse",
    Found.GUARD: "worse",
    Found.CANNOT_TELL: "inconclusive",
}


SECOND = f"A win is a proof once a {LAST_WIN} trial with another seed has won too; its size is that trial's."


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialCard:
    id: str
    title: str
    word: str
    found: str
    size: str
    says: Sequence[str]
    figure: Figure | None
    drawn: str
    forest: Forest | None
    made: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialsPage:
    title: str
    head: str
    says: str
    facts: str
    tally: Sequence[tuple[int, str]]
    cards: Sequence[TrialCard]


def trials(docs: Sequence[Json]) -> TrialsPage:
    """The page of these trials' files, in the order of time. Raises RunUnreadable where one is no trial's."""
    ordered = sorted(docs, key=lambda d: str(d.get("started")))
    results = [trial_result(doc) for doc in ordered]
    proved = _proved(ordered, results)
    won = sum(r.found is Found.WIN for r in results)
    counts = {w: sum(WORDS[r.found] == w for r in results) for w in ("better", "worse", "inconclusive", "same")}
    return TrialsPage(
        title=f"{len(docs)} trial{'' if len(docs) == 1 else 's'}",
        head=_head(results, won),
        says=SECOND if won else "",
        facts=clean(host_line(ordered[-1]), 200),
        tally=[(n, w) for w, n in counts.items() if n],
        cards=[_card(doc, results[i], f"trial-{i}", proved[i]) for i, doc in enumerate(ordered)],
    )


def _proved(docs: Sequence[Json], results: Sequence[TrialResult]) -> list[bool]:
    """Whether each is the proof, by the rule of ``try``. ``docs``: in the order of time."""
    past: list[Proof] = []
    found = []
    for doc, result in zip(docs, results, strict=True):
        proof = stored_proof(result, doc)
        if proof is not None:
            proof = confirmed(proof, past)
            past.append(proof)
        found.append(proof is not None and proof.confirmed)
    return found


def _head(results: Sequence[TrialResult], won: int) -> str:
    if len(results) == 1:
        s = results[0].subject
        return clean(f"{s.key} {s.now} → {s.to}: {results[0].found.value}.", 160)
    if len({r.subject for r in results}) == 1:
        s = results[-1].subject
        return clean(f"{s.key} {s.now} → {s.to}: {won} of {len(results)} trials won.", 160)
    return f"{won} of {len(results)} trials won." if won else f"None of {len(results)} trials won."


def _card(doc: Json, result: TrialResult, name: str, confirmed: bool) -> TrialCard:
    s = result.subject
    drawn, picture = _picture(doc, result)
    size = ""
    if result.ratio is not None:
        ends = f" ({cost(result.low)} to {cost(result.high)})" if result.low and result.high else ""
        size = f"costs {cost(result.ratio)}{ends}, {result.pairs} pairs"
    said = [f"Shown by {clean(s.workload, 120)}, in the scope {clean(s.scope, 20)}."]
    said += [clean(result.why[:1].upper() + result.why[1:]) + "."] if result.why else []
    said.append(clean(next_step(result, confirmed)))
    rows = [r for r in result.rows if r.level != "off"]
    return TrialCard(
        id=name,
        title=clean(f"{s.key} {s.now} → {s.to}", 120),
        word=WORDS[result.found],
        found=result.found.value,
        size=size,
        says=said,
        figure=picture,
        drawn=drawn,
        forest=forest_of(rows, f"{name}-grid", roles=True) if rows else None,
        made=clean(str(doc.get("started")), 30),
    )


def _picture(doc: Json, result: TrialResult) -> tuple[str, Figure | None]:
    """Both values of the change in the case that carried the verdict."""
    row: Row | None = next((r for r in result.rows if place_of(r) == result.case), None)
    if row is None:
        return "", None
    case = open_run(doc).cases.get((row.probe, row.case))
    if case is None:
        return "", None
    s = result.subject
    names = [f"{clean(s.key.rsplit('.', 1)[-1], 12)}={clean(v, 10)}" for v in (s.now, s.to)]
    return clean(row.case, 40), figure_of(_sides(doc, row.probe, case, row.arm or case.promised.id, names), case)


def _sides(doc: Json, probe: str, case: Case, arm: str, names: Sequence[str]) -> Series:
    """The arm's repetitions under both values, in the order of pairs."""
    found: Series = {name: [] for name in names}
    for pair in pairs_of(doc["blocks"]).get((probe, case.id), ()):
        for name, block in zip(names, pair, strict=True):
            rep: Mapping[str, Any] = (block.get("reps") or {}).get(arm) or {}
            values = (rep.get("samples") or {}).get(case.quantity)
            if values:
                at = int(block.get("t_ns") or 0)
                found[name].append((at, [float(v) for v in values], bool(rep.get("flags"))))
    return {name: reps for name, reps in found.items() if reps}
