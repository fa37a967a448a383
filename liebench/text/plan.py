"""What a run would measure: the cases of a probe with their arms, and the controls that it would carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from liebench.contract import Case, Kind, Subject
from liebench.runner.plan import Control, Planned, controls_of


def plan_lines(part: Planned, alone: Sequence[Planned]) -> Iterator[str]:
    """One line for each case of a probe, and one for each null and plant. ``alone``: all that would run with it."""
    for case in part.cases:
        yield f"  {case.id}: {_case(case)}"
    for control in controls_of(alone):
        if control.probe == part.id:
            yield f"  {control.id}: {_control(control)}"


def _case(case: Case) -> str:
    if case.kind is Kind.FACT:
        return f"a fact, one of {', '.join(case.words) or 'none'}"
    others = ", ".join(a.id for a in case.delivered)
    words = [f"{case.kind} of {case.quantity} ({case.unit}), {case.promised.id} against {others}"]
    unit = _unit(case)
    words.append(f"matters from {case.matters:g}{unit}, hurts from {case.hurts:g}{unit}")
    words += ["not in --quick"] if not case.headline else []
    words += ["in a rig: never the verdict of the probe"] if case.subject is Subject.RIG else []
    return "; ".join(words)


def _unit(case: Case) -> str:
    """What stands behind the limits of a case: ratios are of no unit, readings and facts of their own."""
    return f" {case.unit}" if case.kind in (Kind.READING, Kind.FACT) else "×"


def _control(control: Control) -> str:
    """Which arm runs against itself, and within what its answer must lie."""
    stored = control.stored()
    unit = _unit(control.case)
    band = f"{100 * stored['tolerance']:.3g} %" if unit == "×" else f"{stored['tolerance']:.3g}{unit}"
    return f"the arm {stored['arm']} twice must read {stored['expect']:g}{unit}, within {band}"
