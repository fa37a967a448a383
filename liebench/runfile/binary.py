"""A run document as the bytes of a run file, and back. Pure.

What a reader of words needs stands first (``chunks.Kind``): head, probes and controls, looks, blocks, repetitions, the
samples that the cases ask for; then what only a figure or a probe's own judge reads. Repetitions stand by series
(probe, case, control, arm), so that what is alike stands together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from liebench.errors import RunUnreadable
from liebench.runfile.chunks import MOST_RAW, SIGNATURE, Codec, Frame, Kind, framed, frames
from liebench.runfile.column import get_column, get_table, put_column, put_table
from liebench.runfile.ints import Cursor
from liebench.runfile.lists import get_lists, put_lists

APART = ("probes", "controls", "looks", "blocks")  # what has frames of its own
PARTS = ("args", "alibi", "sentinel", "facts")  # of a repetition: objects whose names become columns
WHOSE = ("probe", "case", "control")  # a block is
LISTS = ("samples", "offsets_ns", "steps")
Rep = Mapping[str, Any]


def packed(doc: Mapping[str, Any], codec: Codec = Codec.ZLIB) -> bytes:
    """The bytes of a run file with this document."""
    blocks = doc["blocks"]
    reps = _series(blocks)
    judged = _asked(doc)
    parts = {
        Kind.HEAD: _json({k: v for k, v in doc.items() if k not in APART}),
        Kind.PROBES: _json({"probes": doc["probes"], "controls": doc["controls"]}),
        Kind.LOOKS: _table(doc["looks"]),
        Kind.BLOCKS: _table([_block(block) for block in blocks]),
        Kind.REPS: _table([_flat(rep) for _, rep in reps]),
        Kind.JUDGED: _samples(reps, lambda key, name: name in judged.get(key, ())),
        Kind.OTHER: _samples(reps, lambda key, name: name not in judged.get(key, ())),
        Kind.OFFSETS: _offsets([rep for _, rep in reps]),
        Kind.END: b"",
    }
    return SIGNATURE + b"".join(framed(kind, data, codec) for kind, data in parts.items())


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def _table(rows: Sequence[Mapping[str, Any]]) -> bytes:
    out = bytearray()
    put_table(out, rows)
    return bytes(out)


def _order(blocks: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """(place of the block, label) of every repetition by series, in the order of blocks within each."""
    keys = [
        ((b["probe"], b["case"], b.get("control") or "", label), n) for n, b in enumerate(blocks) for label in b["reps"]
    ]
    return [(n, key[-1]) for key, n in sorted(keys)]


def _series(blocks: Sequence[Mapping[str, Any]]) -> list[tuple[tuple[str, str], Rep]]:
    """((probe, case), repetition) in that order."""
    return [((blocks[n]["probe"], blocks[n]["case"]), blocks[n]["reps"][label]) for n, label in _order(blocks)]


def asked(case: Mapping[str, Any]) -> set[str]:
    """The quantities that a case, as it is stored, is judged by."""
    return {case["quantity"], *(("low", "high") if case.get("bounds") else ())}


def _block(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block without its repetitions; whose it is and which arms it has go together, as one of few values."""
    rest = {k: v for k, v in block.items() if k not in (*WHOSE, "reps")}
    return {**rest, "of": [*(block.get(k) for k in WHOSE), list(block["reps"])]}


def _flat(rep: Rep) -> dict[str, Any]:
    """A repetition without its lists, the names within its objects joined to theirs: ``alibi.majflt``."""
    row = {k: v for k, v in rep.items() if k not in PARTS and k not in LISTS}
    for part in PARTS:
        row |= {f"{part}.{name}": value for name, value in (rep.get(part) or {}).items()}
    return row


def _asked(doc: Mapping[str, Any]) -> dict[tuple[str, str], Collection[str]]:
    """The quantities that each case is judged by."""
    return {
        (probe, name): asked(case)
        for probe, row in doc["probes"].items()
        for name, case in (row.get("cases") or {}).items()
    }


def _samples(reps: Sequence[tuple[tuple[str, str], Rep]], wanted: Callable[[tuple[str, str], str], bool]) -> bytes:
    """Lists of samples: which repetition and quantity each belongs to, its step, its values."""
    chosen = [
        (place, name, rep.get("steps", {}).get(name), values)
        for place, (key, rep) in enumerate(reps)
        for name, values in rep["samples"].items()
        if wanted(key, name)
    ]
    chosen.sort(key=lambda row: (row[1], row[0]))  # by quantity: numbers of one kind stand together
    out = bytearray()
    put_column(out, [place for place, *_ in chosen])
    put_column(out, [name for _, name, *_ in chosen])
    put_column(out, [step for *_, step, _ in chosen])
    put_lists(out, [(values, step) for *_, step, values in chosen])
    return bytes(out)


def _offsets(reps: Sequence[Rep]) -> bytes:
    """When each sample of a repetition began."""
    out = bytearray()
    put_lists(out, [(list(rep.get("offsets_ns") or ()), None) for rep in reps])
    return bytes(out)


def document(data: bytes, samples: bool = True, most: int = MOST_RAW) -> dict[str, Any]:
    """The document of a finished file. ``samples`` False: without blocks, as soon as the head and the looks are read.

    Raises RunUnreadable with the frame that is damaged, missing, or with which it grows beyond ``most`` bytes.
    """
    found: dict[int, Cursor] = {}
    for frame in frames(data):
        most -= frame.raw
        if most < 0:
            raise RunUnreadable(f"frame {frame.number} makes it too large to be a run file of liebench")
        found[frame.kind] = Cursor(frame.data(), _name(frame))
        if not samples and frame.kind == Kind.LOOKS:
            break
    doc = {**_object(found, Kind.HEAD), **_object(found, Kind.PROBES), "looks": get_table(_frame(found, Kind.LOOKS))}
    return {**doc, "blocks": _blocks(found)} if samples else doc


def _name(frame: Frame) -> str:
    known = frame.kind in Kind.__members__.values()
    return f"{frame.number} ({Kind(frame.kind).name.lower() if known else 'unknown'})"


def _frame(found: Mapping[int, Cursor], kind: Kind) -> Cursor:
    if kind not in found:
        raise RunUnreadable(f"its frame of {kind.name.lower()} is missing; nothing was changed")
    return found[kind]


def _object(found: Mapping[int, Cursor], kind: Kind) -> dict[str, Any]:
    cursor = _frame(found, kind)
    try:
        value = json.loads(cursor.data)
    except (ValueError, RecursionError) as error:
        raise cursor.refuse(f"{error}") from error
    if not isinstance(value, dict):
        raise cursor.refuse("it is no object")
    return value


def _blocks(found: Mapping[int, Cursor]) -> list[dict[str, Any]]:
    _frame(found, Kind.END)
    cursor = _frame(found, Kind.BLOCKS)
    blocks = get_table(cursor)
    for block in blocks:
        whose = block.pop("of", None)
        if not isinstance(whose, list) or len(whose) != len(WHOSE) + 1 or not isinstance(whose[-1], list):
            raise cursor.refuse("a block without probe, case or arms")
        probe, case, control, labels = whose
        if not all(isinstance(name, str) for name in (probe, case, control or "", *labels)):
            raise cursor.refuse("a block without probe, case or arms")
        block |= {"probe": probe, "case": case, "control": control, "reps": dict.fromkeys(labels)}
    places = _order(blocks)
    reps = [_whole(row) for row in get_table(_frame(found, Kind.REPS))]
    if len(reps) != len(places):
        raise cursor.refuse(f"{len(reps)} repetitions where blocks name {len(places)}")
    for kind in (Kind.JUDGED, Kind.OTHER):
        if kind in found:
            _add_samples(found[kind], reps)
    if Kind.OFFSETS in found:
        for rep, values in zip(reps, get_lists(found[Kind.OFFSETS], [None] * len(reps)), strict=True):
            rep["offsets_ns"] = values
    for (n, label), rep in zip(places, reps, strict=True):
        blocks[n]["reps"][label] = rep
    return blocks


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    rep: dict[str, Any] = {"samples": {}, "offsets_ns": [], "steps": {}, **{part: {} for part in PARTS}}
    for name, value in row.items():
        part, dot, key = name.partition(".")
        if dot and part in PARTS:
            rep[part][key] = value
        else:
            rep[name] = value
    return rep


def _add_samples(cursor: Cursor, reps: Sequence[dict[str, Any]]) -> None:
    places, names, steps = (get_column(cursor) for _ in range(3))
    if not len(places) == len(names) == len(steps):
        raise cursor.refuse("lists of samples without their places, names or steps")
    for place, name, step, values in zip(places, names, steps, get_lists(cursor, steps), strict=True):
        if not isinstance(place, int) or not 0 <= place < len(reps) or not isinstance(name, str):
            raise cursor.refuse("samples of no repetition")
        reps[place]["samples"][name] = values
        if step is not None:
            reps[place]["steps"][name] = step


def records(data: bytes) -> Iterable[tuple[int, Any]]:
    """(number of the frame, record) of a growing file, up to the frame that was being written."""
    for frame in frames(data, growing=True):
        try:
            yield frame.number, json.loads(frame.data())
        except (ValueError, RecursionError) as error:
            raise RunUnreadable(f"frame {frame.number} is damaged: {error}; nothing was changed") from error
