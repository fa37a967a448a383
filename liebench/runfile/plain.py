"""The forms of a run as text: plain JSON, and the lines of a growing file of before. Pure: text in, a document out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from liebench.errors import RunUnreadable
from liebench.runfile.columns import expanded
from liebench.runfile.fields import mapping

LATE = ("finished", "stopped", "quiet", "instrument", "receipt")


def _refuse_constant(value: str) -> NoReturn:
    raise ValueError(f"{value} is no JSON number")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return found


def _loads(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique)


def parsed(text: str, name: str) -> dict[str, Any]:
    """The document of a file that is text. Raises RunUnreadable naming file and place."""
    first, _, rest = text.partition("\n")
    try:
        head = _loads(first if rest.strip() else text)
    except json.JSONDecodeError as error:
        try:
            head = _loads(text)  # a document spread over lines
        except ValueError:
            place = f"line {error.lineno}, column {error.colno}"
            raise RunUnreadable(f"{name} is damaged at {place}: {error.msg}; nothing was changed") from error
    except ValueError as error:
        raise RunUnreadable(f"{name} is damaged: {error}; nothing was changed") from error
    doc = mapping(head, "the run file")
    if doc.get("record") == "header":
        return grown([("line 1", doc), *_lines(rest, name)])
    return expanded(doc) if "columns" in doc else dict(doc)


def _lines(rest: str, name: str) -> Iterable[tuple[str, Any]]:
    """(place, record) of every line but one that was being written when its run was killed."""
    lines = rest.split("\n")
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        try:
            yield f"line {number}", mapping(_loads(line), f"line {number}")
        except ValueError as error:
            if number == len(lines) + 1:
                return
            raise RunUnreadable(f"{name} is damaged at line {number}: {error}; nothing was changed") from error


def grown(records: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The document of a growing file, from (place, record): the finished one's, ``stopped: killed`` without an end."""
    doc: dict[str, Any] = {}
    for place, record in records:
        row = dict(mapping(record, place))
        if row.get("record") == "header" and not doc:
            rest: dict[str, Any] = {"probes": {}, "blocks": [], "looks": [], "stopped": "killed", "finished": None}
            doc = {"controls": [], **{k: v for k, v in row.items() if k != "record"}, **rest}
        elif doc:
            _add(doc, row, place)
        else:
            raise RunUnreadable(f"{place} is not the header that a run file begins with")
    return doc


def _add(doc: dict[str, Any], record: dict[str, Any], place: str) -> None:
    kind = record.pop("record", None)
    if kind == "probe" and isinstance(record.get("id"), str):
        doc["probes"][record.pop("id")] = record
    elif kind in ("control", "block", "look"):
        doc[f"{kind}s"].append(record)
    elif kind == "end":
        doc.update({k: v for k, v in record.items() if k in LATE})
    else:
        raise RunUnreadable(f"{place} is a record of an unknown kind {str(kind)[:40]!r}")
