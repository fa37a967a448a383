"""The terminal summary of a run and its ``--json`` form. Pure: a run document and its verdicts in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from liebench.advice.advise import Advice
from liebench.contract import Verdict, Word
from liebench.judge.cost import bill, order
from liebench.judge.run import RunVerdicts
from liebench.runfile.fields import host_line
from liebench.words import SHAPES, amount, reason, short, span, tally

WIDTH = 80


def _row(mark: str, name: str, word: str, size: str, interval: str) -> str:
    return f"  {mark} {name:<20} {word:<13} {size:<17} {interval}".rstrip()


def _wrapped(text: str, indent: int) -> Iterator[str]:
    import textwrap

    yield from textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent)


def trust_line(doc: Mapping[str, Any], verdicts: RunVerdicts) -> str:
    nulls = [c for c in verdicts.controls if c.kind == "null"]
    plants = [c for c in verdicts.controls if c.kind == "plant"]
    said = []
    for name, group in (("null tests", nulls), ("planted lies", plants)):
        if group:
            said.append(f"{sum(c.status == 'shown' for c in group)} of {len(group)} {name} shown")
    failed = [c.id for c in verdicts.controls if c.status == "failed"]
    said += [f"FAILED: {', '.join(failed)}"] if failed else []
    quiet = doc.get("quiet") or {}
    said.append(f"load {short(quiet.get('load_before'), 2)}, stolen {_percent(quiet.get('steal_share'))}")
    return "; ".join(said)


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def summary(doc: Mapping[str, Any], verdicts: RunVerdicts, advice: Sequence[Advice]) -> str:
    """What ``liebench run`` prints on standard output: 80 columns, a word and a shape for everything."""
    bills = bill(doc, verdicts)
    lines = [host_line(doc), trust_line(doc, verdicts), ""]
    for name in order(verdicts, bills):
        verdict = verdicts.probes[name]
        lines.append(_row(SHAPES[verdict.word], name, verdict.word.value, amount(verdict), span(verdict)))
        if reason(verdict):
            lines.extend(_wrapped(reason(verdict), 6))
        if bills[name].known and verdict.word in (Word.COSTLY, Word.HARMLESS):
            lines.extend(_wrapped(bills[name].says, 6))
    for name, (needs, cure) in verdicts.skipped.items():
        lines.append(_row("–", name, "skipped", "", ""))
        lines.extend(_wrapped(f"needs {needs}: {cure}", 6))
    for name, error in verdicts.failed.items():
        lines.append(_row("!", name, "failed", "", ""))
        lines.extend(_wrapped(error, 6))
    lines += ["", tally(dict(verdicts.counts), len(verdicts.skipped), len(verdicts.failed))]
    if doc.get("stopped") not in ("done", None):
        lines.append(f"stopped early: {doc['stopped']}")
    for entry in (doc.get("receipt") or {}).get("difference", []):
        lines.extend(_wrapped(f"changed during the run: {entry}", 0))
    if advice:
        lines += ["", "What to change"]
    for item in advice:
        lines.extend(_wrapped(f"{item.setting}: {item.now} -> {item.to}", 2))
        lines.extend(_wrapped(f"{item.why}; {item.evidence}", 6))
    return "\n".join(lines)


def _verdict(verdict: Verdict) -> dict[str, Any]:
    keys = ("word", "at_least", "at_most", "value", "low", "high", "unit", "blocks", "control", "why", "limit")
    row = {key: getattr(verdict, key) for key in keys}
    row["ratio"] = row.pop("value") if verdict.unit == "ratio" else None
    row["value"] = verdict.value if verdict.unit != "ratio" else None
    row["cases"] = {name: _verdict(case) for name, case in verdict.cases.items()}
    return row


def as_json(command: str, doc: Mapping[str, Any], path: str | None, verdicts: RunVerdicts, code: int) -> dict[str, Any]:
    """The object of ``--json``: numbers as numbers, missing as null."""
    return {
        "schema": f"liebench.{command}/1",
        "exit": code,
        "run": path or doc["id"],
        "verdicts": {name: _verdict(v) for name, v in verdicts.probes.items()},
        "skipped": {name: {"needs": needs, "cure": cure} for name, (needs, cure) in verdicts.skipped.items()},
        "failed": {name: {"error": error} for name, error in verdicts.failed.items()},
    }
