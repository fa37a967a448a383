"""The terminal summary of a run and its ``--json`` form. Pure: a run document and its verdicts in, text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from liebench.advice.advise import Advice
from liebench.contract import Verdict, Word
from liebench.judge.cost import bill, order
from liebench.judge.run import RunVerdicts
from liebench.runfile.fields import host_line
from liebench.words import ORDER, SHAPES, amount, reason, short, span, tally, wrapped

INDENT = " " * 6


def _row(mark: str, name: str, word: str, size: str, interval: str) -> str:
    return f"  {mark} {name:<20} {word:<13} {size:<17} {interval}".rstrip()


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
            lines += wrapped(reason(verdict), INDENT)
        if bills[name].known and verdict.word in (Word.COSTLY, Word.HARMLESS):
            lines += wrapped(bills[name].says, INDENT)
    for name, (needs, cure) in verdicts.skipped.items():
        lines.append(_row("–", name, "skipped", "", ""))
        lines += wrapped(f"needs {needs}: {cure}", INDENT)
    for name, error in verdicts.failed.items():
        lines.append(_row("!", name, "failed", "", ""))
        lines += wrapped(error, INDENT)
    counts = {word.value: verdicts.counts.get(word, 0) for word in ORDER}
    counts |= {"skipped": len(verdicts.skipped), "failed": len(verdicts.failed)}
    lines += ["", tally(counts, "nothing was measured")]
    if doc.get("stopped") not in ("done", None):
        lines.append(f"stopped early: {doc['stopped']}")
    for entry in (doc.get("receipt") or {}).get("difference", []):
        lines += wrapped(f"changed during the run: {entry}")
    if advice:
        lines += ["", "What to change"]
    for item in advice:
        lines += wrapped(f"{item.setting}: {item.now} -> {item.to}", "  ")
        lines += wrapped(f"{item.why}; {item.evidence}", INDENT)
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
