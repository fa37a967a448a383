"""Recompute the decision log of a run from its samples, under the rule version it was written with. Pure.

Intervals are compared as they are stored, at nine significant digits; two C libraries may differ in the last of
them, so one unit there is no difference. ``budget`` is the runner's own word for a look that would have gone on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from liebench.contract import Case, State
from liebench.gate.pairs import all_effects, rounds
from liebench.gate.pairs import look_record as gate_record
from liebench.gate.table import gate_questions, stored_policy
from liebench.judge.controls import labels_of
from liebench.judge.rule import RULE
from liebench.judge.run import InterimLook, Run, look, open_run
from liebench.runfile.fields import Json, records, sequence, text, whole

LOOK_RULES = {RULE: look}  # a later rule is added here, and this one stays
ENDED = ("budget", "interrupted", "breaker", "error")  # stop reasons only the runner can know


def look_record(case: Case, blocks: Sequence[Json], arm_label: str, promised_label: str, n: int) -> dict[str, Any]:
    """The log entry of a look at the first ``n`` of these blocks."""
    return look(case, blocks[:n], arm_label, promised_label).record()


def differences(doc: Json) -> list[str]:
    """Where the decision log disagrees with the samples; empty where all is well.

    Raises RunUnreadable where the document is damaged.
    """
    run = open_run(doc)
    found: list[str] = gate_differences(doc) if doc.get("kind") in ("gate", "trial") else []
    for i, entry in enumerate(records(doc, "looks")):
        if "statistic" in entry:  # a gate's, which looks at all its metrics together
            continue
        found += [f"looks[{i}]: {line}" for line in _entry(run, entry, f"looks[{i}]")]
    return found


def gate_differences(doc: Json) -> list[str]:
    """The same of a gate's log: every look of the whole family, taken again under the policy that the file holds."""
    questions = gate_questions(doc, stored_policy(doc), (State.MEASURED, State.FAILED))
    fresh: list[Json] = []
    for family, pairs in rounds(questions, records(doc, "blocks")):
        closed = set(family.closed)
        family.look(all_effects(questions, pairs))
        fresh += [gate_record(m, j, "") for m, j in family.words.items() if m[:2] not in closed]
    logged = [entry for entry in records(doc, "looks") if "statistic" in entry]
    if len(logged) != len(fresh):
        return [f"looks: the log holds {len(logged)} words about metrics, the samples give {len(fresh)}"]
    return [
        f"looks of {again['probe']}/{again['case']}/{again['arm']}: {key} is {entry.get(key)!r} in the log, "
        f"{again[key]!r} from the samples"
        for entry, again in zip(logged, fresh, strict=True)
        for key in again
        if key != "stop" and not _alike(entry.get(key), again[key])
    ]


def _alike(stored: object, fresh: object) -> bool:
    return _close(stored, fresh) if isinstance(fresh, float) else stored == fresh


def _entry(run: Run, entry: Json, place: str) -> list[str]:
    rule = entry.get("rule")
    if isinstance(rule, bool) or rule not in LOOK_RULES:
        known = ", ".join(map(str, LOOK_RULES))
        return [f"written under rule {rule!r}, this version knows {known}; verify it with the liebench that wrote it"]
    probe, name = (text(entry.get(k), f"{place}.{k}") for k in ("probe", "case"))
    case = run.cases.get((probe, name))
    if case is None:
        return [f"speaks of {probe}/{name}, which the run file does not declare"]
    control = entry.get("control")
    stored = run.ordinary.get((probe, name), ()) if control is None else run.controls.get(str(control), ())
    n = whole(entry.get("blocks"), f"{place}.blocks")
    if not 0 <= n <= len(stored):
        return [f"was taken after {n} blocks of {probe}/{name}, the file holds {len(stored)}"]
    arm = text(entry.get("arm"), f"{place}.arm")
    promised = _promised(case, stored, arm, control is not None)
    return _compare(entry, LOOK_RULES[int(str(rule))](case, stored[:n], arm, promised), place)


def _promised(case: Case, blocks: Sequence[Json], arm: str, control: bool) -> str:
    if not control:
        return case.promised.id if any(a.promised for a in case.arms) else ""
    labels = labels_of(blocks)
    return labels[1] if labels else "promised"


def _compare(entry: Json, fresh: InterimLook, place: str) -> list[str]:
    again = fresh.record()
    found = []
    for key in ("location", "cost"):
        if not _same(entry.get(key), again[key], f"{place}.{key}"):
            found.append(f"{key} is {entry.get(key)} in the log, {again[key]} from the samples")
    stop = text(entry.get("stop"), f"{place}.stop")
    if stop != again["stop"] and not (stop in ENDED and again["stop"] in ("continue", "last")):
        found.append(f"stopped as {stop!r} in the log, {again['stop']!r} from the samples")
    return found


def _same(stored: object, fresh: list[float | None] | None, place: str) -> bool:
    if stored is None or fresh is None:
        return stored is fresh
    values = sequence(stored, place)
    return len(values) == len(fresh) and all(map(_close, values, fresh))


def _close(a: object, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    if isinstance(a, bool) or not isinstance(a, (int, float)):
        return False
    try:
        return math.isclose(a, b, rel_tol=2e-8, abs_tol=1e-12)
    except OverflowError:  # an integer of hundreds of digits
        return False
