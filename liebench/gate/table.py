"""The words of a finished gate: one row per arm, and the code the build ends with. Pure: a run file in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from liebench.contract import Case, Outcome, State, Word
from liebench.errors import RunUnreadable, UsageError
from liebench.gate.pairs import STATISTICS, Family, Metric, Pair, Question, as_costs, pairs_of, questions, replay
from liebench.gate.policy import TAIL, Level, LevelRule, Policy, policy_of
from liebench.judge.controls import by_work
from liebench.judge.effects import levels, outward
from liebench.judge.family import Judged
from liebench.judge.rows import Row, Table
from liebench.judge.rule import ORDER
from liebench.judge.run import controls_in, open_run
from liebench.judge.verdicts import Evidence, case_verdict
from liebench.runfile.fields import Json, host_line, mapping, optional_number, section, sequence

OK, REGRESSION, INCONCLUSIVE, MISSING = 0, 1, 3, 4
WORST = (Outcome.WORSE, Outcome.INCONCLUSIVE, Outcome.BETTER, Outcome.SAME)


def stored_policy(doc: Json) -> Policy:
    """The policy that a gate's file was measured under. Raises RunUnreadable where that means nothing."""
    try:
        return policy_of(mapping(doc.get("policy") or {}, "policy"), "policy")
    except UsageError as error:
        raise RunUnreadable(f"{error}; the run file was damaged or edited") from error


def gate_questions(doc: Json, policy: Policy, states: Sequence[State] = (State.MEASURED,)) -> list[Question]:
    """What this file was asked, of the probes in these states."""
    cases = open_run(doc).cases
    found: dict[tuple[str, str], tuple[str, bool, Case]] = {}
    for (probe, name), case in cases.items():
        row = mapping(section(doc, "probes")[probe], f"probes.{probe}")
        if row.get("state") not in states:
            continue
        claim = mapping(row.get("claim") or {}, f"probes.{probe}.claim")
        found[probe, name] = (str(claim.get("layer") or ""), bool(row.get("preview")), case)
    return questions(found, policy, rigs=doc.get("kind") == "trial")


def _carrier(words: Mapping[str, Judged]) -> str:
    """The statistic whose words an arm's row shows: the worst, and of equals the first. A tail only where worse."""
    ranked = [s for s in STATISTICS if s in words and (s != TAIL or words[s].outcome is Outcome.WORSE)]
    return min(ranked, key=lambda s: WORST.index(words[s].outcome), default="median")


def _why(words: Mapping[str, Judged], shown: str, rule: LevelRule) -> str:
    tail, said = words.get(TAIL), []
    own = words.get(shown)
    if own is not None and own.outcome is Outcome.INCONCLUSIVE:
        said.append(f"shows a rise from {_percent(own.detectable)} on; the limit is {_percent(rule.limit)}")
    if (
        tail is not None
        and shown != TAIL
        and tail.outcome is Outcome.INCONCLUSIVE
        and tail.high > math.log1p(rule.tail)
    ):
        said.append(f"the tail is proven below {_percent(math.expm1(min(tail.high, 50)))} only")
    return "; ".join(said)


def _percent(share: float) -> str:
    return f"+{100 * share:.{2 if share < 0.995 else 3}g} %" if share < 10 else "no size that was asked for"


def _rows(question: Question, family: Family, pairs: Sequence[Pair], failed: str) -> Iterator[Row]:
    case = as_costs(question.case)
    assert case is not None
    for arm, rule in question.rules.items():
        row = partial(Row, probe=question.probe, case=question.case.id, arm=arm, what="level", level=rule.level.value)
        words = {s: j for s in STATISTICS if (j := family.words.get(Metric(question.probe, question.case.id, arm, s)))}
        if not words:
            yield row(word=Outcome.INCONCLUSIVE.value, why=_missing(pairs, arm))
            continue
        shown = _carrier(words)
        judged = words[shown]
        before, after = (levels(case, [p[i] for p in pairs], arm) for i in (0, 1))
        yield row(
            word=Outcome.INCONCLUSIVE.value if failed else judged.outcome.value,
            value=outward(judged.estimate),
            low=outward(judged.low),
            high=outward(judged.high),
            limit=1 + judged.detectable if math.isfinite(judged.detectable) else None,
            statistic=shown,
            blocks=judged.n,
            why=f"control failed: {failed}" if failed else _why(words, shown, rule),
            before=before,
            after=after,
            of_unit=case.unit,
        )


def _missing(pairs: Sequence[Pair], arm: str) -> str:
    """Why an arm has no number at all: never measured on both sides, or every repetition was void."""
    if not pairs:
        return "no pair of blocks has both sides"
    reps = [mapping(mapping(b.get("reps"), "reps").get(arm) or {}, arm) for pair in pairs for b in pair]
    flags = sorted({str(f) for rep in reps for f in sequence(rep.get("flags") or (), "flags")})
    return f"none of {len(pairs)} pairs can be used" + (f": {', '.join(flags)}" if flags else "")


def _worse_than(question: Question, pairs: Sequence[Pair], control: tuple[str, str]) -> Iterator[Row]:
    """The lie itself on the candidate's side, where the policy bounds it by a word. ``control``: status, failed ids."""
    for arm, rule in question.rules.items():
        if rule.worse_than is None or arm == question.case.promised.id:
            continue
        status, ids = control
        verdict = case_verdict(
            Evidence(
                case=question.case, blocks=[after for _, after in pairs], arm=arm, control=status, control_failed=ids
            )
        )
        least, most = verdict.at_least or Word.HELPFUL, verdict.at_most or Word.COSTLY
        bound = ORDER.index(rule.worse_than)
        outcome = Outcome.INCONCLUSIVE
        if ORDER.index(least) > bound:
            outcome = Outcome.WORSE
        elif ORDER.index(most) <= bound:
            outcome = Outcome.SAME
        why = f"the policy allows {rule.worse_than.value} at most; it is {verdict.word.value}"
        why = verdict.why if verdict.control == "failed" else why
        yield Row(
            probe=question.probe,
            case=question.case.id,
            arm=arm,
            what="lie",
            word=outcome.value,
            value=verdict.value,
            low=verdict.low,
            high=verdict.high,
            unit=verdict.unit,
            limit=verdict.limit,
            statistic=verdict.statistic,
            blocks=verdict.blocks,
            why=why,
            level=rule.level.value,
        )


def gate_family(doc: Json, policy: Policy) -> Family:
    """Every word behind the table, statistic by statistic. Raises RunUnreadable where the file is no gate's."""
    return replay(gate_questions(doc, policy), open_run(doc).blocks)


def gate_table(doc: Json, policy: Policy, family: Family | None = None) -> Table:
    """The gate's table with its exit code. Raises RunUnreadable naming the place."""
    run = open_run(doc)
    family = family or gate_family(doc, policy)
    works: Mapping[str, tuple[str, str]] = by_work(controls_in(doc, run))
    pairs = pairs_of(run.blocks)
    rows: list[Row] = []
    for question in family.questions:
        both = pairs.get((question.probe, question.case.id), [])
        control = works.get(question.case.work, ("none", ""))
        rows += [*_rows(question, family, both, control[1]), *_worse_than(question, both, control)]
    states = {k: mapping(v, f"probes.{k}") for k, v in section(doc, "probes").items()}
    skipped = {
        k: (str(v.get("needs") or ""), str(v.get("cure") or ""))
        for k, v in states.items()
        if v.get("state") == State.SKIPPED
    }
    failures = {k: str(v.get("error") or "") for k, v in states.items() if v.get("state") == State.FAILED}
    code = exit_code(rows, _lost(doc, policy, rows, failures, pairs), policy)
    loop = optional_number(mapping(doc.get("instrument") or {}, "instrument").get("loop_s"), "instrument.loop_s")
    return Table(
        kind="gate",
        title=str(doc.get("switch") or "baseline against candidate"),
        rows=rows,
        host=str(section(doc, "hashes").get("host") or ""),
        machine=host_line(doc),
        started=str(doc.get("started") or ""),
        seconds=loop,
        exit=code,
        notes=_early(doc),
        skipped=skipped,
        failed=failures,
    )


EARLY = {
    "budget": "the budget ended before everything was settled; a larger --budget gives more pairs",
    "breaker": "it stopped early: whoever else works on this host began to suffer; try again when it is quieter",
    "interrupted": "it was interrupted; what was measured until then is judged",
    "killed": "it was killed; what was measured until then is judged",
}


def _early(doc: Json) -> tuple[str, ...]:
    said = EARLY.get(str(doc.get("stopped")))
    return (said,) if said else ()


def _lost(
    doc: Json,
    policy: Policy,
    rows: Sequence[Row],
    failures: Mapping[str, str],
    pairs: Mapping[tuple[str, str], Sequence[Pair]],
) -> dict[str, str]:
    """What should have been gated and has no number: a failed probe, an arm without samples. What only warns cannot."""
    strict = {q.probe for q in gate_questions(doc, policy, (State.FAILED,)) if Level.ERROR in _levels(q)}
    bare = {k for k in failures if not mapping(section(doc, "probes")[k], f"probes.{k}").get("cases")}
    lost = {k: why for k, why in failures.items() if k in strict or k in bare}
    bare_rows = (r for r in rows if r.what == "level" and not r.blocks and pairs.get((r.probe, r.case)))
    return lost | {r.name: r.why for r in bare_rows if r.level == Level.ERROR}


def _levels(question: Question) -> set[Level]:
    return {r.level for r in question.rules.values()}


def exit_code(rows: Sequence[Row], lost: Mapping[str, str], policy: Policy) -> int:
    """1 a proved regression; 4 a metric that is missing, or none at all; 3 inconclusive where that fails; else 0."""
    words = {row.word for row in rows if row.level == Level.ERROR}
    if Outcome.WORSE in words:
        return REGRESSION
    if lost or not rows:
        return MISSING
    return INCONCLUSIVE if Outcome.INCONCLUSIVE in words and policy.inconclusive_fails else OK
