"""Baselines: named sets of runs with an expiry, and an anchor that stays. Promoted by an explicit command only.

"The last run" is no baseline: a loss of 4 % with every change never trips a limit of 5 %. The anchor stands beside
the set and does not move with it, so that the sum of small losses shows.

One JSON document ``liebench.baseline/1`` holds the runs' numbers (``RunMetrics``), not their samples: some kilobytes,
fit to be committed beside the code that it guards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from liebench.compare.metrics import FACT, Key, RunMetrics, Value, work_of
from liebench.contract import Case
from liebench.errors import NotComparable, RunUnreadable, UsageError
from liebench.runfile.encode import stored_case
from liebench.runfile.fields import Json, case_of, mapping, number, section, sequence, size, text
from liebench.state.files import write_atomic

SCHEMA = "liebench.baseline/1"
DAYS = 30
STAMP = "%Y-%m-%dT%H:%M:%SZ"
MOST_BYTES = 64 << 20
HEAD = ("id", "started", "host", "kind", "config", "core", "rule")


@dataclass(frozen=True, slots=True)
class Baseline:
    """``runs``: what is normal now; ``anchor``: what was normal when somebody last said so. Times are UTC."""

    name: str
    runs: Sequence[RunMetrics]
    anchor: Sequence[RunMetrics]
    promoted: datetime
    expires: datetime


def days_of(words: str) -> timedelta:
    """``30d``, ``12h``. Raises UsageError for anything else."""
    value, unit = words[:-1], words[-1:]
    if not value.isdecimal() or len(value) > 4 or unit not in ("d", "h") or not 0 < int(value) <= 3650:
        raise UsageError(f"--expires takes a number of days or hours, as 30d or 12h, not {words!r}")
    return timedelta(days=int(value)) if unit == "d" else timedelta(hours=int(value))


def promote(
    old: Baseline | None, name: str, runs: Sequence[RunMetrics], now: datetime, lasts: timedelta, anchor: bool
) -> Baseline:
    """These runs are normal from now on. The anchor stays, unless there is none or ``anchor`` moves it.

    Raises NotComparable where they are not of one host, or the anchor is another host's.
    """
    hosts = {m.host for m in runs}
    if len(hosts) != 1:
        raise NotComparable(f"a baseline holds runs of one host, these are of {len(hosts)}; promote each on its own")
    kept = runs if old is None or anchor or not old.anchor else old.anchor
    if {m.host for m in kept} != hosts:
        raise NotComparable("the anchor is of another host; move it too with --anchor, or name another file")
    return Baseline(name, list(runs), list(kept), now, now + lasts)


def _value(key: Key, value: Value) -> dict[str, Any]:
    known = {"value": value.value, "half": value.half, "blocks": value.blocks, "word": value.word}
    return {**key._asdict(), **{k: v if v == v and v != float("inf") else None for k, v in known.items()}}


def _stored(run: RunMetrics) -> dict[str, Any]:
    head = {k: getattr(run, k) for k in HEAD}
    cases = [{"probe": p, "case": c, **stored_case(case)} for (p, c), case in run.cases.items()]
    values = [_value(k, v) for k, v in run.values.items()]
    return head | {"cases": cases, "values": values, "facts": run.facts, "layers": dict(run.layers)}


def _loaded(stored: object, place: str) -> RunMetrics:
    row = mapping(stored, place)
    cases: dict[tuple[str, str], Case] = {}
    for i, item in enumerate(sequence(row.get("cases"), f"{place}.cases")):
        found = mapping(item, f"{place}.cases[{i}]")
        name = text(found.get("case"), f"{place}.cases[{i}].case")
        cases[text(found.get("probe"), f"{place}.cases[{i}].probe"), name] = case_of(name, found, f"{place}.cases[{i}]")
    values: dict[Key, Value] = {}
    for i, item in enumerate(sequence(row.get("values"), f"{place}.values")):
        where, found = f"{place}.values[{i}]", mapping(item, f"{place}.values[{i}]")
        key = Key(*(text(found.get(f), f"{where}.{f}") for f in Key._fields))
        if key[:2] not in cases:
            raise RunUnreadable(f"{where} speaks of a case that the baseline does not hold")
        word, shown = text(found.get("word") or "", where), found.get("value")
        if (key.what == FACT) != bool(word) or bool(word) == (shown is not None):
            raise RunUnreadable(f"{where} should hold a word where it is a fact, and else a number")
        value = size(shown, where) if shown is not None else float("nan")
        unknown = float("nan") if word else float("inf")
        half = size(found["half"], where) if found.get("half") is not None else unknown
        values[key] = Value(value, half, int(number(found.get("blocks"), where)), word)
    head = {k: text(row.get(k), f"{place}.{k}") for k in HEAD}
    works = {key: work_of(case) for key, case in cases.items()}
    layers = {str(k): str(v) for k, v in section(row, "layers").items()}
    return RunMetrics(
        **head,
        previews=frozenset(),
        cases=cases,
        works=works,
        values=values,
        facts=section(row, "facts"),
        layers=layers,
    )


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Replaces the file in one step. Raises StorageFull."""
    doc = {
        "schema": SCHEMA,
        "name": baseline.name,
        "promoted": baseline.promoted.strftime(STAMP),
        "expires": baseline.expires.strftime(STAMP),
        "runs": [_stored(r) for r in baseline.runs],
        "anchor": [_stored(r) for r in baseline.anchor],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(doc, allow_nan=False, indent=1).encode())


def read_baseline(path: Path) -> Baseline:
    """Raises NotComparable where there is none, RunUnreadable naming file and place where it is damaged."""
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES)
    except OSError as error:
        raise NotComparable(
            f"there is no baseline {path} ({error.strerror}); make one with `liebench baseline promote`"
        ) from error
    try:
        doc: Json = mapping(json.loads(raw), "the baseline")
        if doc.get("schema") != SCHEMA:
            raise RunUnreadable(f"its schema is {str(doc.get('schema'))[:60]!r}, this liebench reads {SCHEMA}")
        runs, anchor = (
            [_loaded(r, f"{k}[{i}]") for i, r in enumerate(sequence(doc.get(k), k))] for k in ("runs", "anchor")
        )
        promoted, expires = (
            datetime.strptime(text(doc.get(k), k), STAMP).replace(tzinfo=UTC) for k in ("promoted", "expires")
        )
        return Baseline(text(doc.get("name"), "name"), runs, anchor, promoted, expires)
    except (ValueError, RecursionError) as error:
        raise RunUnreadable(f"{path} is damaged: {error}; nothing was changed") from error
    except RunUnreadable as error:
        raise RunUnreadable(f"{path}: {error}") from error


def usable(baseline: Baseline, now: datetime) -> Baseline:
    """Raises NotComparable where it has expired: what was normal a month ago proves nothing today."""
    if now >= baseline.expires:
        raise NotComparable(
            f"the baseline {baseline.name} expired on {baseline.expires.strftime(STAMP)}; "
            "promote runs of today with `liebench baseline promote`"
        )
    return baseline
