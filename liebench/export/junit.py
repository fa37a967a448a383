"""JUnit XML, as GitLab and Jenkins read it: a test case per row. Pure.

A proved regression at level error is a ``failure``; what could not be decided is ``skipped`` with the smallest effect
that would have shown; a probe that failed, and sides that cannot be compared, are an ``error``; a probe that was
skipped names its cure. The schema is the one of Jenkins' xunit plugin (junit-10.xsd), to which GitLab's reader adds
nothing: numbers stand in ``system-out`` of each case, the table's head in ``properties`` of its suite.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from liebench.export.order import fails, is_open, ordered
from liebench.export.safe import exact, visible
from liebench.judge.rows import Row, Table, known


def as_junit(tables: Sequence[Table]) -> str:
    """One document with a suite per table. Characters that XML forbids are shown as ``U+XXXX``."""
    root = Xml.Element("testsuites", name="liebench")
    for table in tables:
        root.append(_suite(table))
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _suite(table: Table) -> Xml.Element:
    cases = [_case(table, row) for row in ordered(table.rows)]
    cases += [_unmeasured(name, "error", error, "failed") for name, error in table.failed.items()]
    cases += [_unmeasured(name, "skipped", f"needs {n}: {c}", "skipped") for name, (n, c) in table.skipped.items()]
    if table.exit == 4:
        said = "; ".join(table.notes) or "the two sides cannot be compared"
        cases.append(_unmeasured("comparable", "error", said, "not comparable"))
    suite = Xml.Element("testsuite", name=visible(f"liebench {table.kind}"), tests=str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(tag) is not None for case in cases)))
    seconds = known(table.seconds)
    if seconds is not None and seconds >= 0:
        suite.set("time", f"{abs(seconds):.3f}")  # the schema knows no sign, and -0.0 has one
    if table.started:
        suite.set("timestamp", visible(table.started).removesuffix("Z"))
    properties = Xml.SubElement(suite, "properties")
    head = {"title": table.title, "host": table.host, "machine": table.machine, "exit": table.exit}
    for name, value in (*head.items(), *((f"note.{i}", note) for i, note in enumerate(table.notes, 1))):
        Xml.SubElement(properties, "property", name=name, value=visible(value))
    suite.extend(cases)
    return suite


def _case(table: Table, row: Row) -> Xml.Element:
    named = "/".join(p for p in (row.case, row.arm, row.what, row.statistic) if p)
    case = Xml.Element("testcase", classname=f"liebench.{visible(row.probe)}", name=visible(named))
    if fails(table, row):
        _said(case, "failure", f"{row.word}: {_size(row)}", row.word, row.why)
    elif is_open(row):
        limit = exact(row.limit) or "unknown"
        _said(case, "skipped", f"{row.word}: {row.why or 'not decided'}; limit {limit} ({row.unit})", row.word, "")
    Xml.SubElement(case, "system-out").text = _numbers(row)
    return case


def _unmeasured(probe: str, tag: str, said: str, kind: str) -> Xml.Element:
    case = Xml.Element("testcase", classname=f"liebench.{visible(probe)}", name=kind)
    _said(case, tag, said, kind, "")
    return case


def _said(case: Xml.Element, tag: str, message: str, kind: str, more: str) -> None:
    found = Xml.SubElement(case, tag, message=visible(message), type=visible(kind))
    found.text = visible(more) or None


def _size(row: Row) -> str:
    unit = "×" if row.unit == "ratio" else f" {row.unit}"
    return f"{exact(row.value) or '?'}{unit} [{exact(row.low) or '?'} … {exact(row.high) or '?'}]"


def _numbers(row: Row) -> str:
    """``key: value`` a line; what is not known has no line."""
    numbers = {key: exact(getattr(row, key)) for key in ("value", "low", "high", "limit", "before", "after")}
    texts = {key: visible(getattr(row, key)) for key in ("word", "level", "unit", "statistic", "of_unit", "why")}
    lines = {**texts, **numbers, "blocks": str(row.blocks)}
    return "\n".join(f"{key}: {value}" for key, value in lines.items() if value)
