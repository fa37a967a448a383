"""View model of a run's page: a run document and its verdicts become words and pixels. Pure; templates only draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liebench.advice.advise import Advice, Grade
from liebench.advice.evidence import tally
from liebench.judge.cost import Bill, bill, order
from liebench.judge.run import RunVerdicts, open_run
from liebench.pages.answer import Answer, answer
from liebench.pages.cards import About, Card, card, delivered
from liebench.pages.forest import Forest, forest
from liebench.pages.missing import Missing, missing
from liebench.pages.trust import Said, trust
from liebench.runfile.fields import Json, host_parts
from liebench.words import ORDER, clean

MARKS = {
    Grade.PROVED: "better",
    Grade.ONCE: "better",
    Grade.NARROW: "honest",
    Grade.LAPSED: "honest",
    Grade.OPEN: "honest",
    Grade.NO_GAIN: "same",
}


@dataclass(frozen=True, slots=True)
class Area:
    """The facts of one part of the host."""

    name: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    title: str
    id: str
    facts: str
    measured: str
    answer: Answer
    doubts: int
    tally: Sequence[tuple[int, str]]
    lies: Forest | None
    shown: Forest | None  # what was measured on rigs of ours
    advice: Sequence[tuple[str, Advice]]  # the class of its mark, by how far trials bear it out
    changes: str
    cards: Sequence[Card]
    seed: str
    drawn: bool  # some card has a figure, so the page says how to read one
    rigs: Sequence[Card]
    missing: Missing
    trust: Sequence[Said]
    host: Sequence[Area]
    settings: Sequence[tuple[str, str]]
    command: str


def page(doc: Mapping[str, Any], verdicts: RunVerdicts, advice: Sequence[Advice], about: Mapping[str, About]) -> Page:
    """The whole page. ``about``: what is known of each probe that is installed here."""
    bills, blocks = bill(doc, verdicts), open_run(doc).ordinary
    names = order(verdicts, bills)
    ours, rigs = [n for n in names if n not in verdicts.rigs], [n for n in names if n in verdicts.rigs]
    titles = {k: clean(r.get("claim", {}).get("title", k), 60) for k, r in doc["probes"].items()}
    known = {n: about.get(n, About({})) for n in names}
    sentences = {n: delivered(verdicts.probes[n], known[n].sentence) for n in names}
    cards = {n: card(doc, blocks, n, verdicts, bills.get(n, Bill()), known[n]) for n in names}
    said = trust(doc, verdicts)
    settings = doc["settings"]
    return Page(
        title=clean(doc["id"], 60),
        id=clean(doc["id"], 60),
        facts=_facts(doc),
        measured=f"{clean(doc['started'], 30)}, {clean(settings.get('profile'), 20)} run, {len(doc['blocks'])} blocks",
        answer=answer(verdicts, names, titles, sentences, bills),
        doubts=sum(not s.good for s in said),
        tally=[(verdicts.counts[w], w.value) for w in ORDER if verdicts.counts.get(w)],
        lies=forest(verdicts, ours, titles, bills, "grid") if ours else None,
        shown=forest(verdicts, rigs, titles, bills, "rig-grid") if rigs else None,
        advice=[(MARKS[item.grade], item) for item in advice],
        changes=tally(advice),
        cards=[cards[n] for n in ours],
        seed=clean(settings.get("seed"), 20),
        drawn=any(c.figure for c in cards.values()),
        rigs=[cards[n] for n in rigs],
        missing=missing(verdicts.skipped, verdicts.failed),
        trust=said,
        host=_areas(doc["host"]),
        settings=[(clean(k, 40), clean(_plain(v), 160)) for k, v in settings.items() if v not in (None, {}, "")],
        command=clean(" ".join(map(str, doc.get("command", [])))),
    )


def _facts(doc: Json) -> str:
    """One line: processor, count, memory, what it runs in, kernel."""
    model, processors, place, inside, release = host_parts(doc)
    total = (doc["host"].get("memory") or {}).get("total_mib")
    memory = f"{total / 1024:.0f} GiB" if isinstance(total, (int, float)) else None
    parts = (model, processors, memory, place, inside, f"Linux {release}")
    return " · ".join(clean(p, 80) for p in parts if p)


def _areas(host: Mapping[str, Any]) -> list[Area]:
    return [
        Area(clean(name, 40), facts)
        for name, row in host.items()
        if isinstance(row, Mapping) and (facts := [*_flat(row)])
    ]


def _flat(row: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Facts as (key, value), nested ones by ``outer.inner``."""
    found: list[tuple[str, str]] = []
    for key, value in row.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{before}{key}.")
        elif value not in (None, [], ""):
            found.append((clean(f"{before}{key}", 60), clean(_plain(value), 160)))
    return found


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_plain(v)}" for k, v in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
