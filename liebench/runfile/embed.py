"""The run inside a report: thinned so that the same words come out, compressed, and read back within bounds."""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Mapping, Sequence
from statistics import fmean, median
from typing import Any

from liebench.errors import RunUnreadable
from liebench.runfile.binary import asked, document, packed
from liebench.runfile.chunks import Codec
from liebench.runfile.plain import parsed
from liebench.runfile.rounding import counts, nice, times

TYPES = TYPE, OLD, OLDEST = ("application/x-liebench;base85", "application/x-xz;base85", "application/x-xz;base64")
SAFE, UNSAFE = str.maketrans("<>&", ",./"), str.maketrans(",./", "<>&")  # of base 85, what HTML could mistake
ALIBI = ("run_delay_ns", "majflt", "migrated")  # what a page keeps of it, as 1, 2 or 5 times a power of ten
UNFELT = 100_000  # ns that a repetition of milliseconds does not feel
DIGITS = 5  # significant ones: no repetition repeats better
CASE = {"kind": "ratio", "better": "lower", "rhythm": "block", "subject": "this host", "headline": True,
        "bounds": False, "quantile": None, "linear": False, "words": {}, "target": None, "skipped": None}  # fmt: skip
ARM = {"promised": False, "args": {}, "number": None}
KEPT = 20  # order statistics of a series that only a probe's own judge reads
MOMENTS = 500  # parts of the run's length, to which the time of a block is kept
BULKY, ONCE = 200, 4000  # characters of a fact that are kept: of each repetition, and of what is asked once


def reduced(doc: Mapping[str, Any], plain: Collection[str] = ()) -> dict[str, Any]:
    """The run with few numbers for each repetition: those that carry the same median, mean, quantile or bound.

    ``plain``: probes without a judge of their own; nobody reads the facts of their repetitions.
    """
    blocks = []
    times = [int(block.get("t_ns") or 0) for block in doc["blocks"]] or [0]
    moment = max(1, (max(times) - min(times)) // MOMENTS)
    for block in doc["blocks"]:
        case = doc["probes"][block["probe"]]["cases"][block["case"]]
        reps = {label: _thin(rep, case, block["probe"] in plain) for label, rep in block["reps"].items()}
        rest = {
            k: int(v or 0) // moment * moment if k == "t_ns" else v
            for k, v in block.items()
            if k not in ("reps", "order")
        }
        blocks.append({**rest, "reps": reps})
    probes = {name: _bare(row) for name, row in doc["probes"].items()}
    said = "samples of a repetition are a few numbers with its median and mean"
    return {**doc, "probes": probes, "blocks": blocks, "reduced": said}


def _bare(row: Mapping[str, Any]) -> dict[str, Any]:
    """A probe's row without what only the runner or a figure reads: calibrations, and the words of arms."""
    facts = {k: v for k, v in (row.get("facts") or {}).items() if k != "calibrations"}
    cases = {
        name: {**_told(case, CASE), "arms": [_told(arm, ARM) for arm in case["arms"]]}
        for name, case in (row.get("cases") or {}).items()
    }
    return {**row, "facts": facts, "cases": cases}


def _told(row: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """What is not as ``fields.case_of`` takes it anyway."""
    return {k: v for k, v in row.items() if k != "says" and not (k in plain and plain[k] == v)}


def _thin(rep: Mapping[str, Any], case: Mapping[str, Any], plain: bool) -> dict[str, Any]:
    """A repetition with what its verdict needs. ``plain``: nobody reads its facts, unless they are the case."""
    most = _most_of_a_fact(case, plain)
    facts = {k: v for k, v in rep.get("facts", {}).items() if not isinstance(v, dict) and len(str(v)) <= most}
    return {
        "samples": {q: [_short(v) for v in _few(q, s, case)] for q, s in _judged(rep["samples"], case).items()},
        "alibi": {k: _coarse(k, v) for k, v in rep.get("alibi", {}).items() if k in ALIBI},
        "facts": {k: _short(v) for k, v in facts.items()},
        "flags": rep.get("flags", []),
        "elapsed_ns": _round(rep.get("elapsed_ns", 0)),
    }


def _judged(samples: Mapping[str, Any], case: Mapping[str, Any]) -> Mapping[str, Any]:
    """The quantities that the case is judged by; all of them where there is none, for a judge of its own to read."""
    held = {quantity: values for quantity, values in samples.items() if values}
    judged = {quantity: values for quantity, values in held.items() if quantity in asked(case)}
    if case["kind"] == "fact":  # its samples are events, and only a planted one has any that counts
        return judged
    return judged or held


def _most_of_a_fact(case: Mapping[str, Any], plain: bool) -> int:
    """Characters up to which a fact of a repetition is kept."""
    if case["kind"] == "fact":
        return ONCE
    if plain:
        return 0
    return ONCE if case.get("rhythm") == "once" else BULKY


def _short(value: Any, digits: int = DIGITS) -> Any:
    """A number with as many digits as its scatter deserves; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return value
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def _coarse(name: str, value: Any) -> Any:
    """An alibi says how badly a repetition was disturbed: 1, 2 or 5 times a power of ten says that, or not at all."""
    unfelt = name == "run_delay_ns" and isinstance(value, int | float) and 0 < value < UNFELT
    return 0 if unfelt else _round(value)


def _round(value: Any) -> Any:
    """1, 2 or 5 times a power of ten; anything but a positive number as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        return value
    power = 10 ** math.floor(math.log10(value))
    step = next(s for s in (1, 2, 5, 10) if value <= s * power * 1.4142 or s == 10)
    return int(step * power)


def _few(name: str, samples: Sequence[float], case: Mapping[str, Any]) -> list[float]:
    """The few numbers that stand for these samples: the same bound, quantiles, or median and mean."""
    if case.get("bounds"):
        return [max(samples) if name == "low" else min(samples)]
    ordered = sorted(samples)
    if name != case["quantity"]:
        return _spread(ordered)
    if case["kind"] == "fact" or case.get("quantile") is not None or len(ordered) <= 2:  # they have no mean
        return ordered
    middle, mean = median(samples), fmean(samples)
    rest = 3 * mean - 2 * middle
    return [middle, middle, rest] if rest > 0 or case["kind"] == "reading" else [middle]


def _spread(ordered: list[float]) -> list[float]:
    """``KEPT`` order statistics at equal shares; all where there are no more."""
    count = len(ordered)
    return ordered if count <= KEPT else [ordered[(2 * i + 1) * count // (2 * KEPT)] for i in range(KEPT)]


def pack(doc: Mapping[str, Any]) -> str:
    """The bytes of its run file, harder compressed, as text that may stand inside any page: it ends no element."""
    data = packed(_placed(doc) if "reduced" in doc else doc, Codec.LZMA)
    return base64.b85encode(data).decode("ascii").translate(SAFE)


def _placed(doc: Mapping[str, Any]) -> dict[str, Any]:
    """A reduced run whose numbers are multiples of a step: what is kept of them has few digits anyway."""
    blocks = [{**block, "reps": {k: _stepped(rep) for k, rep in block["reps"].items()}} for block in doc["blocks"]]
    return {**doc, "blocks": blocks, "looks": []}


def _stepped(rep: Mapping[str, Any]) -> dict[str, Any]:
    samples: dict[str, list[float]] = {}
    steps: dict[str, float] = {}
    for name, values in rep["samples"].items():
        largest = max(map(abs, values), default=0.0)
        samples[name] = list(values)
        if largest and not all(float(v).is_integer() for v in values):
            steps[name] = nice(largest * 10.0 ** (1 - DIGITS))
            samples[name] = times(counts(values, steps[name]), steps[name])
    return {**rep, "samples": samples, "steps": steps}


def unpack(encoding: str, text: str, most: int) -> dict[str, Any]:
    """The document in there. Raises RunUnreadable where it is damaged, or grows beyond ``most`` bytes."""
    held = text.strip()
    try:
        if encoding == TYPE:
            return document(base64.b85decode(held.translate(UNSAFE)), most=most)
        plain = encoding == OLDEST
        data = base64.b64decode(held, validate=True) if plain else base64.b85decode(held.translate(UNSAFE))
        return parsed(_opened(data, most).decode("utf-8"), "the run in this page")
    except RunUnreadable as error:
        raise RunUnreadable(f"the run in this page: {error}") from error
    except ValueError as error:
        raise RunUnreadable(f"the run in this page is damaged: {error}; nothing was changed") from error


def _opened(data: bytes, most: int) -> bytes:
    """What a page of schema 1 held."""
    import lzma  # not every Python was built with it

    try:
        opener = lzma.LZMADecompressor(memlimit=1 << 28)
        raw = opener.decompress(data, max_length=most)
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(str(error)) from error
    if not opener.eof:
        raise RunUnreadable("the run in this page is cut short, or too large to be one of liebench")
    return raw
