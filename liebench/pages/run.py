"""View model of a run's page: a run document and its verdicts become words and pixels. Pure; templates only draw."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liebench.advise import Advice
from liebench.bill import Bill, bill, order
from liebench.contract import Case, Kind, Verdict
from liebench.judge import RunVerdicts
from liebench.pages.answer import answer
from liebench.pages.figures import Figure, Forest, figure, forest
from liebench.words import ORDER, SHAPES, amount, clean, reason, short, span


@dataclass(frozen=True, slots=True)
class CaseRow:
    name: str
    asks: str
    word: str
    shape: str
    size: str
    interval: str
    why: str
    blocks: int


@dataclass(frozen=True, slots=True)
class Card:
    id: str
    title: str
    word: str
    shape: str
    says: str
    delivers: str
    read_from: str
    size: str
    interval: str
    why: str
    bill: str
    control: str
    figure: Figure | None
    cases: Sequence[CaseRow]
    how: str
    command: str


@dataclass(frozen=True, slots=True)
class Page:
    title: str
    id: str
    facts: str
    measured: str
    answer: str
    tally: Sequence[tuple[int, str, str]]
    forest: Forest | None
    others: Sequence[tuple[str, str, str, str, str]]  # anchor, title, word, shape, size: no ratio
    advice: Sequence[Advice]
    cards: Sequence[Card]
    skipped: Sequence[tuple[str, str, str]]
    failed: Sequence[tuple[str, str]]
    trust: Sequence[tuple[bool, str]]
    host: Sequence[tuple[str, str, str]]
    command: str


def _case_rows(verdict: Verdict, cases: Mapping[str, Case]) -> list[CaseRow]:
    return [
        CaseRow(
            clean(name, 40),
            clean(cases[name].asks) if name in cases else "",
            v.word.value,
            SHAPES[v.word],
            amount(v),
            span(v),
            clean(reason(v)),
            v.blocks,
        )
        for name, v in verdict.cases.items()
    ]


def _delivers(verdict: Verdict, doc: Mapping[str, Any], sentence: str | None) -> str:
    if sentence:
        return clean(sentence)
    size = amount(verdict)
    return f"{size}, {verdict.word.value}." if size else clean(verdict.why) or verdict.word.value


def card(
    doc: Mapping[str, Any],
    name: str,
    verdicts: RunVerdicts,
    bills: Mapping[str, Bill],
    words: Mapping[str, str],
    sentence: str | None,
    how: str,
) -> Card:
    """Everything the page says about one probe."""
    verdict, row = verdicts.probes[name], doc["probes"][name]
    claim = row.get("claim", {})
    details = {case: d.case for (probe, case), d in verdicts.details.items() if probe == name}
    lead = verdicts.leads.get(name, "")
    drawn = [details[c] for c in (lead, *details) if c in details and details[c].kind is not Kind.FACT]
    picture = next((f for c in drawn if (f := figure(doc, name, c)) is not None), None)
    known = bills.get(name, Bill())
    says = re.sub(r"\{(\w+)\}", lambda m: words.get(m[1], m[0]), str(claim.get("says", "")))
    title = clean(claim.get("title", name), 60)
    is_, why = _delivers(verdict, doc, sentence), clean(reason(verdict))
    return Card(
        name,
        title[:1].upper() + title[1:],
        verdict.word.value,
        SHAPES[verdict.word],
        clean(says),
        is_[:1].upper() + is_[1:],
        clean(re.sub(r"\{(\w+)\}", lambda m: words.get(m[1], m[0]), str(claim.get("read_from", "")))),
        amount(verdict),
        span(verdict),
        "" if why in is_ else why,
        known.says
        if known.known
        else f"{known.says} this happens here"
        if known.says.startswith("no counter")
        else known.says,
        verdict.control,
        picture,
        _case_rows(verdict, details),
        how,
        f"liebench run {name} --seed {doc['settings'].get('seed')}",
    )


def trust(doc: Mapping[str, Any], verdicts: RunVerdicts) -> list[tuple[bool, str]]:
    """(good, sentence): the controls, the neighbours, what the run changed."""
    said = []
    for c in verdicts.controls:
        what = "The same thing measured twice" if c.kind == "null" else f"A planted lie of {short(c.expect)} {_unit(c)}"
        found = "nothing" if c.value is None else f"{short(c.value)} {_unit(c)} ({short(c.low)} … {short(c.high)})"
        said.append((c.status == "shown", f"{what} in {clean(c.probe)}/{clean(c.case)} gave {found}: {c.status}."))
    quiet = doc.get("quiet") or {}
    steal = quiet.get("steal_share")
    stolen = "unknown (too short to tell)" if steal is None else f"{100 * steal:.1f} %"
    load = quiet.get("load_before")
    said.append((steal is None or steal < 0.02, f"Stolen time {stolen}; load before the run {short(load, 2)}."))
    waited, before = quiet.get("neighbours_wait_worst"), quiet.get("neighbours_wait_before")
    if waited is not None and before is not None:
        wait = f"Other processes waited for a CPU {short(waited, 2)} s per second at most ({short(before, 2)} before)."
        said.append((waited < before + 0.5, wait))
    share = verdicts.sentinel.share
    if share is not None:
        said.append(
            (share < 0.1, f"A foreign thread on the core's sibling showed in {100 * share:.0f} % of the repetitions.")
        )
    changed = (doc.get("receipt") or {}).get("difference", [])
    said += [(False, f"Changed during the run: {clean(line)}") for line in changed]
    if not changed and doc.get("receipt"):
        said.append((True, "No sysctl, mount, swap, link, module, control group or clocksource differs after the run."))
    stopped = str(doc.get("stopped"))
    if stopped != "done":
        said.append((False, f"The run ended early: {clean(stopped, 40)}."))
    return said


def _unit(control: Any) -> str:
    return "×" if control.unit == "ratio" else str(control.unit)


def _stated(v: Verdict) -> tuple[str, str, str]:
    """(word, shape, size in words) of a verdict that is no ratio."""
    interval = f"({span(v)})" if span(v) else ""
    return v.word.value, SHAPES[v.word], " ".join(filter(None, (amount(v), interval))) or clean(reason(v))


def page(
    doc: Mapping[str, Any],
    verdicts: RunVerdicts,
    advice: Sequence[Advice],
    words: Mapping[str, str],
    sentences: Mapping[str, str],
    hows: Mapping[str, str],
) -> Page:
    """The whole page."""
    bills = bill(doc, verdicts)
    names = order(verdicts.probes, bills)
    titles = {k: clean(r.get("claim", {}).get("title", k), 60) for k, r in doc["probes"].items()}
    cpu, kernel = doc["host"].get("cpu", {}), doc["host"].get("kernel", {})
    virt = doc["host"].get("virt", {})
    place = "guest" if virt.get("hypervisor_flag") else None
    inside = f"{virt['container']} container" if virt.get("container") else None
    parts = (cpu.get("model"), f"{cpu.get('online')} processors", place, inside, f"Linux {kernel.get('release')}")
    shown = forest(verdicts, names, titles)
    in_forest = {r.anchor for r in shown.rows} if shown else set()
    others = [(n, titles[n], *_stated(verdicts.probes[n])) for n in names if n not in in_forest]
    cards = [card(doc, n, verdicts, bills, words, sentences.get(n), hows.get(n, "")) for n in names]
    facts = [
        (area, clean(key, 60), clean(", ".join(map(str, value)) if isinstance(value, list) else value, 160))
        for area, row in doc["host"].items()
        if isinstance(row, Mapping)
        for key, value in row.items()
        if value not in (None, [], "") and not isinstance(value, Mapping)
    ]
    return Page(
        clean(doc["id"], 60),
        clean(doc["id"], 60),
        " · ".join(clean(p, 80) for p in parts if p),
        f"{clean(doc['started'], 30)}, {clean(doc['settings'].get('profile'), 20)} run, {len(doc['blocks'])} blocks",
        answer(verdicts, titles),
        [(verdicts.counts[w], w.value, SHAPES[w]) for w in ORDER if verdicts.counts.get(w)],
        shown,
        others,
        advice,
        cards,
        [(clean(k, 60), clean(n), clean(c)) for k, (n, c) in verdicts.skipped.items()],
        [(clean(k, 60), clean(e)) for k, e in verdicts.failed.items()],
        trust(doc, verdicts),
        facts,
        clean(" ".join(map(str, doc.get("command", [])))),
    )
