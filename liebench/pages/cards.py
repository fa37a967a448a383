"""Everything the page says about one probe: a card. Pure: a run and its verdicts in, words and pixels out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from liebench.contract import Case, Kind, Subject, Verdict, Word
from liebench.judge.cost import Bill
from liebench.judge.run import Detail, RunVerdicts
from liebench.pages.figures import Figure, figure
from liebench.pages.growth import Growth, PairMap, growth, pair_map
from liebench.runfile.fields import Json
from liebench.words import amount, clean, reason, short, span

MOST_SAID = 700  # characters of "It is"
NOTHING = Markup("")
ALONE = 0.1  # share of disturbed repetitions from which the card speaks of two speeds
Blocks = Mapping[tuple[str, str], Sequence[Json]]
PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseRow:
    name: str
    asks: str
    word: str
    size: str
    interval: str
    why: str
    blocks: int
    rig: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    id: str
    title: str
    word: str
    says: str
    delivers: str
    read_from: str
    size: str
    interval: str
    notes: Sequence[str]
    figure: Figure | None
    drawn: str  # the case of the figure
    growths: Sequence[Growth]
    pairs: PairMap | None
    cases: Sequence[CaseRow]
    fine: Sequence[tuple[str, str]]  # further questions whose answer is honest, and its size
    how: Markup
    command: str


@dataclass(frozen=True, slots=True)
class About:
    """What the page knows of a probe beside its verdict: words of the host, its own sentence, its README."""

    words: Mapping[str, str]
    sentence: str = ""
    how: Markup = NOTHING


def delivered(verdict: Verdict, sentence: str) -> str:
    """The sentence "It is ...": the probe's own, else size or reason."""
    size = amount(verdict)
    said = clean(sentence, MOST_SAID) or (
        f"{size}, {verdict.word.value}." if size else clean(reason(verdict)) or verdict.word.value
    )
    return said[:1].upper() + said[1:]


def card(doc: Json, blocks: Blocks, name: str, verdicts: RunVerdicts, known: Bill, about: About) -> Card:
    """The card of one probe. ``blocks``: the ordinary ones of the run, by probe and case (``judge.run.open_run``)."""
    verdict, row = verdicts.probes[name], doc["probes"][name]
    claim = row.get("claim", {})
    details = {case: d for (probe, case), d in verdicts.details.items() if probe == name}
    lead = verdicts.leads.get(name, "")
    held = {case: blocks.get((name, case), ()) for case in details}
    drawn, picture = _picture(held, details, lead)
    title = clean(claim.get("title", name), 60)
    says = delivered(verdict, about.sentence)
    fine = {k: v for k, v in verdict.cases.items() if k in details and _aside(v, details[k].case)}
    grown = (growth(held[case], d) for case, d in details.items() if d.case.kind is not Kind.FACT)
    return Card(
        id=name,
        title=title[:1].upper() + title[1:],
        word=verdict.word.value,
        says=clean(_filled(claim.get("says", ""), about.words)),
        delivers=says,
        read_from=clean(_filled(claim.get("read_from", ""), about.words)),
        size=amount(verdict),
        interval=span(verdict),
        notes=_notes(verdict, details.get(lead), known, says),
        figure=picture,
        drawn=drawn,
        growths=[g for g in grown if g],
        pairs=pair_map(row.get("facts") or {}),
        cases=_rows({k: v for k, v in verdict.cases.items() if k not in fine}, details, says),
        fine=[(clean(k, 40), amount(v)) for k, v in fine.items()],
        how=about.how,
        command=f"liebench run {clean(name, 60)}",
    )


def _filled(text: object, words: Mapping[str, str]) -> str:
    return PLACE.sub(lambda m: words.get(m[1], m[0]), str(text))


def _picture(held: Mapping[str, Sequence[Json]], details: Mapping[str, Detail], lead: str) -> tuple[str, Figure | None]:
    """The leading case if it has samples to draw, else the first that has."""
    for case in (lead, *details):
        if case in details and details[case].case.kind is not Kind.FACT:
            found = figure(held[case], details[case].case)
            if found is not None:
                return clean(case, 40), found
    return "", None


def _aside(verdict: Verdict, case: Case) -> bool:
    """A question that no verdict hangs on, with a number as its answer, is said in a line where it is honest."""
    return verdict.word is Word.HONEST and not case.headline and case.kind is not Kind.FACT


def _rows(verdicts: Mapping[str, Verdict], details: Mapping[str, Detail], says: str) -> list[CaseRow]:
    """A row per case; a reason that the card's sentence holds already is not said again."""
    cases: Mapping[str, Case] = {k: d.case for k, d in details.items()}
    return [
        CaseRow(
            name=clean(name, 40),
            asks=clean(cases[name].asks) if name in cases else "",
            word=v.word.value,
            size=amount(v),
            interval=span(v),
            why="" if clean(reason(v)).lower() in says.lower() else clean(reason(v)),
            blocks=v.blocks,
            rig=name in cases and cases[name].subject is Subject.RIG,
        )
        for name, v in verdicts.items()
    ]


def _notes(verdict: Verdict, lead: Detail | None, known: Bill, says: str) -> list[str]:
    """What must stand beside the verdict: why it is open, two speeds, how often, what the controls say."""
    found = []
    why = clean(reason(verdict))
    if why and why.lower() not in says.lower():
        found.append(why[:1].upper() + why[1:] + ("" if why.endswith(".") else "."))
    if lead is not None:
        found.extend(_two_speeds(lead))
    if verdict.value is not None and verdict.word in (Word.COSTLY, Word.HARMLESS, Word.HELPFUL):
        found.append(_often(known))
    if verdict.control == "failed":
        found.append("The control of this kind of work FAILED in this run.")
    elif verdict.control == "none" and verdict.value is not None:
        found.append("No control of this kind of work was in this run.")
    return found


def _often(known: Bill) -> str:
    if known.known:
        return f"This is {clean(known.often)}."
    if known.rate is not None:
        return f"It happens {clean(known.says)}."
    return "No counter says how often this happens here."


def _two_speeds(lead: Detail) -> list[str]:
    """Two modes told apart by the sentinel; the clean effect only where it may be believed."""
    modes = lead.modes
    if modes is None or modes.share < ALONE or modes.factor < lead.case.matters:
        return []
    said = f"Two speeds: in {100 * modes.share:.0f} % of the repetitions a foreign thread was on the core's sibling"
    said += f", and they took {short(modes.factor)} × as long"
    if not modes.balanced:
        said += "; it came to one arm more than to the other, so the arms cannot be compared without it"
    return [f"{said}."]
