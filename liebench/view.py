"""View models of the report: a run document and its verdicts become words and pixels. Pure; templates only draw."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from liebench.advise import Advice
from liebench.bill import Bill, bill, order
from liebench.contract import Case, Kind, Verdict, Word
from liebench.judge import RunVerdicts
from liebench.plot import Axis, ecdf, is_log, quantile, widened
from liebench.words import ORDER, SHAPES, amount, reason, short, span

SIZE_RATIO, SIZE_UNIT = 1.5, "its own unit"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
SAFE = 400


def clean(value: object, most: int = SAFE) -> str:
    """Text of a run file made fit to print: control and direction characters become U+XXXX, the length is bounded."""
    text = CONTROL.sub(lambda m: f"U+{ord(m[0]):04X}", str(value))
    return text if len(text) <= most else text[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ForestRow:
    name: str
    anchor: str
    word: str
    shape: str
    y: float
    x: float | None
    x0: float | None
    x1: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Forest:
    rows: Sequence[ForestRow]
    ticks: Sequence[Tick]
    band: tuple[float, float]
    one: float
    height: float
    describes: str


@dataclass(frozen=True, slots=True)
class Curve:
    arm: str
    path: str
    x: float
    y: float
    says: str


@dataclass(frozen=True, slots=True)
class Figure:
    """ECDF and strip of one case: curves per arm, and one dot per repetition in time order."""

    unit: str
    curves: Sequence[Curve]
    ticks: Sequence[Tick]
    dots: Sequence[tuple[int, float, float, bool]]  # arm number, x, y, flagged
    strip_ticks: Sequence[Tick]
    describes: str
    minutes: str


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
    embedded: Mapping[str, Any] = field(default_factory=dict)


def answer(verdicts: RunVerdicts, titles: Mapping[str, str]) -> str:
    """The page in a sentence or two, true for every combination of verdicts."""
    judged = {k: v for k, v in verdicts.probes.items() if k not in verdicts.rigs}
    if not judged:
        why = f"{len(verdicts.failed)} failed" if verdicts.failed else "no probe could run here"
        return f"Nothing was measured: {why}."
    groups = {w: [k for k, v in judged.items() if v.word is w] for w in Word}
    costly, open_ = groups[Word.COSTLY], groups[Word.INCONCLUSIVE]
    names = [titles.get(k, k) for k in costly]
    if costly:
        first = f"{_count(len(costly), 'layer')} told this host a costly lie: {_listed(names)}."
    elif len(open_) == len(judged):
        first = "Nothing could be decided: every verdict is inconclusive."
    else:
        first = "Nothing that was measured costs this host dearly."
    rest = []
    for word, says in ((Word.HARMLESS, "are harmless"), (Word.HELPFUL, "help"), (Word.HONEST, "are honest")):
        if groups[word]:
            n = len(groups[word])
            rest.append(f"{_number(n)} {_singular(says) if n == 1 else says}")
    if open_ and len(open_) < len(judged):
        n = len(open_)
        rest.append(f"{_number(n)} {'is' if n == 1 else 'are'} open")
    tail = f" Of the others, {_listed(rest)}." if rest and costly else f" {_listed(rest).capitalize()}." if rest else ""
    return first + tail


def _singular(says: str) -> str:
    return {"are harmless": "is harmless", "help": "helps", "are honest": "is honest"}[says]


def _number(n: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
    return words[n] if n < len(words) else str(n)


def _count(n: int, noun: str) -> str:
    return f"{_number(n).capitalize()} {noun}{'' if n == 1 else 's'}"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"


def forest(verdicts: RunVerdicts, names: Sequence[str], titles: Mapping[str, str]) -> Forest | None:
    """Every ratio on one log axis, the dearest on top; None where no verdict is a ratio."""
    ratios = [n for n in names if verdicts.probes[n].unit == "ratio" and verdicts.probes[n].value is not None]
    if not ratios:
        return None
    sizes = [v for n in ratios for v in _edges(verdicts.probes[n]) if v and v > 0]
    axis = Axis(min(0.9, *sizes) * 0.95, max(SIZE_RATIO, *sizes) * 1.1, 250, 660, log=True)
    rows = []
    for i, name in enumerate(ratios):
        v = verdicts.probes[name]
        low, high = v.low, v.high
        rows.append(
            ForestRow(
                clean(titles.get(name, name), 38),
                name,
                v.word.value,
                SHAPES[v.word],
                18 + 28.0 * i,
                axis.at(v.value) if v.value else None,
                axis.at(low) if low else axis.start,
                axis.at(high) if high else axis.end,
                f"{amount(v)} ({span(v)})",
            )
        )
    ticks = [Tick(axis.at(t), f"{short(t, 2).rstrip('.')} ×") for t in axis.ticks()]
    says = "; ".join(f"{r.name}: {r.text}, {r.word}" for r in rows)
    height = 28.0 * len(rows) + 8
    return Forest(rows, ticks, (axis.at(1 / 1.05), axis.at(1.05)), axis.at(1.0), height, says)


def _edges(v: Verdict) -> tuple[float | None, ...]:
    return v.value, v.low, v.high


def _series(doc: Mapping[str, Any], probe: str, case: Case) -> dict[str, list[tuple[int, list[float], bool]]]:
    """Arm -> (time, samples, flagged) of each ordinary repetition, in time order."""
    found: dict[str, list[tuple[int, list[float], bool]]] = {a.id: [] for a in case.arms}
    for block in doc["blocks"]:
        if block["probe"] != probe or block["case"] != case.id or block.get("control"):
            continue
        for arm, rep in block["reps"].items():
            values = rep["samples"].get(case.quantity)
            alibi = rep.get("alibi") or {}
            flagged = bool(rep.get("flags")) or (alibi.get("nivcsw") or 0) > 0 or bool(alibi.get("migrated"))
            if values and arm in found:
                found[arm].append((int(block.get("t_ns") or 0), [float(v) for v in values], flagged))
    return found


def figure(doc: Mapping[str, Any], probe: str, case: Case) -> Figure | None:
    """ECDF and strip of a case with samples; claims that are one number draw no curve."""
    series = {a: reps for a, reps in _series(doc, probe, case).items() if reps}
    pooled = {a: [v for _, values, _ in reps for v in values] for a, reps in series.items()}
    drawn = {a: values for a, values in pooled.items() if len(set(values)) > 1}
    if not drawn:
        return None
    # the far tail would squeeze everything else to a line: the axis ends at p99.5 and says so by clamping
    shown = [v for values in drawn.values() for v in (quantile(values, 0.002), quantile(values, 0.995))]
    log = is_log(shown)
    axis = Axis(*widened(shown, log), 44, 440, log)
    curves = []
    for i, (arm, values) in enumerate(drawn.items()):
        says = f"{arm}: median {short(median(values))} {case.unit}, p99 {short(quantile(values, 0.99))} {case.unit}"
        place = 0.62 if i % 2 == 0 else 0.30
        x = min(axis.at(quantile(values, place)) + 8, 350)
        curves.append(Curve(clean(arm, 24), ecdf(values, axis, 10, 196), x, round(196 - 186 * place, 1), says))
    times = [t for reps in series.values() for t, _, _ in reps]
    across = Axis(min(times), max(times), 50, 370)
    middles = [median(v) for a in drawn for _, v, _ in series[a]]
    up = Axis(*widened(middles, log), 196, 10, log)
    dots = [(i, across.at(t), up.at(median(v)), bad) for i, a in enumerate(drawn) for t, v, bad in series[a]]
    return Figure(
        case.unit,
        curves,
        [Tick(axis.at(t), f"{short(t, 3)}") for t in axis.ticks(5)],
        dots,
        [Tick(up.at(t), f"{short(t, 3)}") for t in up.ticks(5)],
        "; ".join(c.says for c in curves),
        f"{(max(times) - min(times)) / 1e9:.0f} s",
    )


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
    return Card(
        name,
        title[:1].upper() + title[1:],
        verdict.word.value,
        SHAPES[verdict.word],
        clean(says),
        _delivers(verdict, doc, sentence),
        clean(re.sub(r"\{(\w+)\}", lambda m: words.get(m[1], m[0]), str(claim.get("read_from", "")))),
        amount(verdict),
        span(verdict),
        clean(reason(verdict)),
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


def embedded(doc: Mapping[str, Any], raw: bool) -> dict[str, Any]:
    """The run to read back from the page: all samples, or each repetition's median and mean in their place."""
    if raw:
        return dict(doc)
    blocks = []
    for block in doc["blocks"]:
        reps = {}
        for label, rep in block["reps"].items():
            kept = {q: [float(f"{v:.6g}") for v in (median(s), fmean(s))] for q, s in rep["samples"].items() if s}
            thin = {k: v for k, v in rep.get("facts", {}).items() if k in ("value", "steps_ns", "jump_s")}
            reps[label] = {"samples": kept, "alibi": rep.get("alibi", {}), "facts": thin, "flags": rep.get("flags", [])}
        blocks.append({**{k: v for k, v in block.items() if k != "reps"}, "reps": reps})
    return {**doc, "blocks": blocks, "reduced": "samples of a repetition are its median and its mean"}


def page(
    doc: Mapping[str, Any],
    verdicts: RunVerdicts,
    advice: Sequence[Advice],
    words: Mapping[str, str],
    sentences: Mapping[str, str],
    hows: Mapping[str, str],
    raw: bool,
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
    others = [
        (n, titles[n], v.word.value, SHAPES[v.word], " ".join(filter(None, (amount(v), f"({span(v)})" if span(v) else ""))) or clean(reason(v)))
        for n in names
        if n not in in_forest and (v := verdicts.probes[n])
    ]  # fmt: skip
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
        f"{clean(doc['started'], 30)}, profile {clean(doc['settings'].get('profile'), 20)}, {len(doc['blocks'])} blocks",
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
        embedded(doc, raw),
    )
