"""The table of a run: one row per case that was judged. Pure: a run document and its verdicts in, a Table out.

Only the lies are in it (``what="lie"``); tables of levels and of two sides come from compare and gate.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from liebench.contract import Subject, Verdict
from liebench.judge.rows import Row, Table, known
from liebench.judge.run import Detail, RunVerdicts
from liebench.runfile.fields import Json

DEMONSTRATION = "off"  # level of a row about a rig of ours, or of a preview: it counts in no tally and fails nothing


def run_table(doc: Json, verdicts: RunVerdicts) -> Table:
    """Every verdict of one run, in the order of its probes. ``before`` is promised, ``after`` delivered.

    A run has no policy, so levels are empty but for what only demonstrates (``off``).
    """
    hashes, settings = _object(doc, "hashes"), _object(doc, "settings")
    notes = [f"profile {settings['profile']}"] if settings.get("profile") else []
    if doc.get("stopped") not in ("done", None):
        notes.append(f"stopped early: {doc['stopped']}")
    notes += [f"control failed: {c.id}" for c in verdicts.controls if c.status == "failed"]
    return Table(
        kind="run",
        title=f"run {doc.get('id', '')}".strip(),
        rows=tuple(_rows(doc, verdicts)),
        host=str(hashes.get("host") or ""),
        machine=_machine(doc),
        started=str(doc.get("started") or ""),
        seconds=_seconds(doc),
        notes=tuple(notes),
        skipped=dict(verdicts.skipped),
        failed=dict(verdicts.failed),
    )


def _rows(doc: Json, verdicts: RunVerdicts) -> Iterator[Row]:
    for probe, verdict in verdicts.probes.items():
        preview = bool(_object(_object(doc, "probes"), probe).get("preview"))
        for case, said in verdict.cases.items():
            yield _row(probe, case, said, verdicts.details.get((probe, case)), preview)
        if not verdict.cases:  # it measured, and no block came of it
            yield _row(probe, "", verdict, None, preview)


def _row(probe: str, case: str, said: Verdict, detail: Detail | None, preview: bool) -> Row:
    shows = preview or (detail is not None and detail.case.subject is Subject.RIG)
    return Row(
        probe=probe,
        case=case,
        arm=said.arm,
        what="lie",
        word=said.word.value,
        value=known(said.value),
        low=known(said.low),
        high=known(said.high),
        unit=said.unit,
        limit=known(said.limit),
        statistic=said.statistic,
        blocks=said.blocks,
        why=said.why,
        level=DEMONSTRATION if shows else "",
        before=known(said.promised),
        after=known(said.delivered),
        of_unit=detail.case.unit if detail else "",
    )


def _object(doc: Json, key: str) -> Json:
    value = doc.get(key)
    return value if isinstance(value, dict) else {}


def _machine(doc: Json) -> str:
    """Processor, count and kernel as this host names them; an edited run file may lack any of them."""
    host = _object(doc, "host")
    cpu, kernel = _object(host, "cpu"), _object(host, "kernel")
    online = f"{cpu['online']} processors" if cpu.get("online") else None
    return ", ".join(str(p) for p in (cpu.get("model"), online, kernel.get("release")) if p)


def _seconds(doc: Json) -> float | None:
    """From start to end of the run; None where one of them is no time, or the run was killed."""
    try:
        start, end = (datetime.fromisoformat(str(doc.get(key))) for key in ("started", "finished"))
        return (end - start).total_seconds()
    except (ValueError, TypeError):
        return None
