"""Stored samples in, words out. Pure: no file, no clock, no process; today's judge reads yesterday's run.

``look(case, blocks, arm, promised)`` is what the runner calls at 12, 24, 48, 96 blocks: ``.stop`` says whether to go
on, ``.record()`` is the entry of the decision log. ``judge_run(doc, judges)`` gives every word of a finished run;
``judges``: by the id of its probe, each judge of a probe that brings its own (``Registry.judges``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from liebench.contract import Case, Kind, State, Subject, Verdict, Word
from liebench.judge.controls import Control, Marks, Modes, Sentinel, by_work, judge_control, modes_of, sentinel_of
from liebench.judge.readings import Estimate, competes
from liebench.judge.rule import ORDER
from liebench.judge.verdicts import Evidence, InterimLook, Judge, case_verdict, look, under_control
from liebench.runfile.fields import Json, case_of, mapping, member, records, refuse, section, text
from liebench.stats.intervals import Interval, signed_rank_interval

__all__ = ["Detail", "Evidence", "InterimLook", "RunVerdicts", "case_verdict", "combine", "judge_run", "look"]
WORST = len(ORDER) - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """Numbers behind one case verdict, for the report: every arm, the 95 % intervals, the modes."""

    case: Case
    arm: str
    reading: Estimate | None
    arms: Mapping[str, Estimate] = field(default_factory=dict)
    slope: Interval | None = None  # linear law: unit per number
    modes: Modes | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RunVerdicts:
    """Every word of one run. ``leads`` names the case that carries each probe's numbers."""

    probes: Mapping[str, Verdict]
    skipped: Mapping[str, tuple[str, str]]  # id -> (needs, cure)
    failed: Mapping[str, str]
    controls: Sequence[Control]
    counts: Mapping[Word, int]
    sentinel: Sentinel
    details: Mapping[tuple[str, str], Detail]
    leads: Mapping[str, str]
    rigs: frozenset[str]  # probes measured only on a rig of ours: demonstrations, in no tally


def combine(cases: Mapping[str, tuple[Case, Verdict]]) -> tuple[Verdict, str]:
    """(verdict, leading case) of a probe: the worst of its headline cases about this host; rigs only demonstrate."""
    every = {k: v for k, (_, v) in cases.items()}
    headlines = {k: v for k, (c, v) in cases.items() if c.headline}
    ours = {k: v for k, v in headlines.items() if cases[k][0].subject is Subject.HOST}
    if not ours:
        return _demonstrated(headlines, every)
    least, most = max(map(_floor, ours.values())), max(map(_ceiling, ours.values()))
    proven = least == most and any(v.word is ORDER[least] for v in ours.values())
    lead = _lead(ours, proven)
    made = replace(
        ours[lead],
        word=ORDER[least] if proven else Word.INCONCLUSIVE,
        at_least=ORDER[least] if any(v.at_least for v in ours.values()) else None,
        at_most=ORDER[most] if least == WORST or all(v.at_most for v in ours.values()) else None,
        why=ours[lead].why or ("" if proven else _first_open_reason(ours)),
        cases=every,
    )
    return made, lead


def _floor(verdict: Verdict) -> int:
    """How bad it is at least, as a place in ORDER; nothing known is the best."""
    return _rank(verdict.at_least, 0)


def _ceiling(verdict: Verdict) -> int:
    """How bad it is at most; nothing known is the worst."""
    return _rank(verdict.at_most, WORST)


def _lead(verdicts: Mapping[str, Verdict], proven: bool) -> str:
    """The worst case, and of equally bad ones the largest. An open verdict is explained by what is open."""
    open_ones = {k: v for k, v in verdicts.items() if v.word is Word.INCONCLUSIVE}
    among = verdicts if proven or not open_ones else open_ones
    return max(among, key=lambda k: (_floor(among[k]), _ceiling(among[k]), _size(among[k])))


def _first_open_reason(verdicts: Mapping[str, Verdict]) -> str:
    return next((v.why for v in verdicts.values() if v.word is Word.INCONCLUSIVE), "")


def _demonstrated(rigs: Mapping[str, Verdict], every: Mapping[str, Verdict]) -> tuple[Verdict, str]:
    """What rigs of ours show at their worst, with no word about this host."""
    if not rigs:
        return Verdict(word=Word.INCONCLUSIVE, why="no headline case was measured", cases=every), next(iter(every), "")
    lead = max(rigs, key=lambda k: (_rank(rigs[k].word, -1), _size(rigs[k])))
    shown = rigs[lead]
    why = "only a rig of ours was measured" + ("" if shown.word is Word.INCONCLUSIVE else f": {shown.word.value} there")
    return replace(shown, word=Word.INCONCLUSIVE, at_least=None, at_most=None, why=why, cases=every), lead


def _rank(word: Word | None, default: int) -> int:
    return ORDER.index(word) if word in ORDER else default


def _size(verdict: Verdict) -> float:
    return abs(verdict.value) if verdict.value is not None else -1.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run file whose shape was checked, indexed for judging."""

    cases: Mapping[tuple[str, str], Case]
    ordinary: Mapping[tuple[str, str], Sequence[Json]]
    places: Mapping[tuple[str, str], Sequence[int]]  # of the ordinary blocks, in ``blocks``
    controls: Mapping[str, Sequence[Json]]  # control id -> its blocks
    blocks: Sequence[Json]


def open_run(doc: Json) -> Run:
    """Check and index a run file. Raises RunUnreadable naming the place."""
    mapping(doc, "the run file")
    cases: dict[tuple[str, str], Case] = {}
    for probe, stored in section(doc, "probes").items():
        place = f"probes.{probe}"
        declared = mapping(mapping(stored, place).get("cases") or {}, f"{place}.cases")
        cases |= {(probe, k): case_of(k, row, f"{place}.cases.{k}") for k, row in declared.items()}
    places: dict[tuple[str, str], list[int]] = {}
    controls: dict[str, list[Json]] = {}
    blocks = records(doc, "blocks")
    for i, block in enumerate(blocks):
        key = (text(block.get("probe"), f"blocks[{i}].probe"), text(block.get("case"), f"blocks[{i}].case"))
        if key not in cases:
            refuse(f"blocks[{i}].case", "a case that the run file declares", "/".join(key))
        control = block.get("control")
        if control is None:
            places.setdefault(key, []).append(i)
        else:
            controls.setdefault(text(control, f"blocks[{i}].control"), []).append(block)
    ordinary = {key: [blocks[i] for i in held] for key, held in places.items()}
    return Run(cases=cases, ordinary=ordinary, places=places, controls=controls, blocks=blocks)


def controls_in(doc: Json, run: Run) -> list[Control]:
    """Every control of a run, judged by its own blocks."""
    found = []
    for i, entry in enumerate(records(doc, "controls")):
        place = f"controls[{i}]"
        key = (text(entry.get("probe"), f"{place}.probe"), text(entry.get("case"), f"{place}.case"))
        if key not in run.cases:
            refuse(f"{place}.case", "a case that the run file declares", "/".join(key))
        blocks = run.controls.get(text(entry.get("id"), f"{place}.id"), ())
        found.append(judge_control(entry, run.cases[key], blocks, place))
    return found


def _own_words(evidence: Evidence, judge: Judge | None) -> Verdict:
    """The verdict by the probe's own judge where it brings one; a judge that breaks leaves the word open."""
    if judge is None:
        return case_verdict(evidence)
    try:
        verdict = judge(evidence)
    except Exception as error:  # a third-party judge must not take the other verdicts with it
        why = f"the probe's own judge failed: {type(error).__name__}: {error}"
        return Verdict(word=Word.INCONCLUSIVE, unit=evidence.case.unit, why=why, control=evidence.control)
    if verdict.word in ORDER:  # a judge that proves a word has bounded it on both sides
        verdict = replace(verdict, at_least=verdict.at_least or verdict.word, at_most=verdict.at_most or verdict.word)
    return under_control(verdict, evidence)


def _detail(evidence: Evidence, verdict: Verdict, marks: Marks) -> Detail:
    case = evidence.case
    if case.kind is Kind.FACT:
        return Detail(case=case, arm=verdict.arm, reading=None)
    arm = verdict.arm or evidence.label
    names = [a.id for a in case.delivered] if competes(case, evidence.blocks) else [arm]
    arms = {name: evidence.reading(name) for name in names}
    reading = arms.get(arm) or evidence.reading(arm)
    slopes = reading.effects.slopes
    modes = modes_of(case, evidence.blocks, arm, evidence.promised, marks) if case.kind is Kind.RATIO else None
    return Detail(
        case=case,
        arm=arm,
        reading=reading,
        arms=arms,
        slope=signed_rank_interval(slopes) if slopes else None,
        modes=modes,
    )


def judge_run(doc: Json, judges: Mapping[str, Judge] | None = None) -> RunVerdicts:
    """Every word of one run, from its samples alone. Raises RunUnreadable where the document is not a run."""
    run = open_run(doc)
    controls = controls_in(doc, run)
    works = by_work(controls)
    sentinel, marks = sentinel_of(run.blocks)
    verdicts: dict[str, Verdict] = {}
    details: dict[tuple[str, str], Detail] = {}
    leads: dict[str, str] = {}
    skipped: dict[str, tuple[str, str]] = {}
    failed: dict[str, str] = {}
    rigs: set[str] = set()
    for name, stored in section(doc, "probes").items():
        row, place = mapping(stored, f"probes.{name}"), f"probes.{name}"
        state = member(State, row.get("state"), f"{place}.state")
        if state is State.SKIPPED:
            skipped[name] = (str(row.get("needs") or ""), str(row.get("cure") or ""))
        elif state is State.FAILED:
            failed[name] = str(row.get("error") or "no reason was stored")
        else:
            judged: dict[str, tuple[Case, Verdict]] = {}
            facts = mapping(row.get("facts") or {}, f"{place}.facts")
            for key in (k for k in run.cases if k[0] == name and k in run.ordinary):
                case = run.cases[key]
                status, why = works.get(case.work, ("none", ""))
                evidence = Evidence(
                    case=case,
                    blocks=run.ordinary[key],
                    arm="",
                    control=status,
                    control_failed=why,
                    probe=name,
                    facts=facts,
                )
                verdict = replace(_own_words(evidence, (judges or {}).get(name)), of=case.unit)
                judged[key[1]] = (case, verdict)
                details[key] = _detail(evidence, verdict, [marks[i] for i in run.places[key]])
            verdicts[name], leads[name] = combine(judged)
            if judged and all(c.subject is Subject.RIG for c, _ in judged.values()):
                rigs.add(name)
    counts = {word: sum(v.word is word for k, v in verdicts.items() if k not in rigs) for word in Word}
    return RunVerdicts(
        probes=verdicts,
        skipped=skipped,
        failed=failed,
        controls=controls,
        counts=counts,
        sentinel=sentinel,
        details=details,
        leads=leads,
        rigs=frozenset(rigs),
    )
