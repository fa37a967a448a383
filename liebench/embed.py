"""The run inside a report: thinned so that the same words come out, compressed, and read back within bounds."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import Any

from liebench.errors import RunUnreadable

TYPE = "application/x-xz;base64"
ALIBI = ("run_delay_ns", "nivcsw", "majflt", "migrated")  # what a page keeps of each repetition
DIGITS = 5  # significant ones: no repetition repeats better
KEPT = 20  # order statistics of a series that only a probe's own judge reads
MS = 1_000_000  # a block's time is kept to the millisecond
BULKY = 200  # characters: a longer fact is no number that a judge reads


def reduced(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The run with few numbers for each repetition: those that carry the same median, mean, quantile or bound."""
    blocks = []
    for block in doc["blocks"]:
        case = doc["probes"][block["probe"]]["cases"][block["case"]]
        reps = {label: _thin(rep, case) for label, rep in block["reps"].items()}
        rest = {k: v // MS * MS if k == "t_ns" else v for k, v in block.items() if k != "reps"}
        blocks.append({**rest, "reps": reps})
    return {**doc, "blocks": blocks, "reduced": "samples of a repetition are a few numbers with its median and mean"}


def _thin(rep: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    whole = {q: s for q, s in rep["samples"].items() if s and case["kind"] != "fact"}
    judged = {q: s for q, s in whole.items() if q == case["quantity"] or (case.get("bounds") and q in ("low", "high"))}
    samples = {q: [_short(v) for v in _few(q, s, case)] for q, s in (judged or whole).items()}
    facts = {k: _short(v) for k, v in rep.get("facts", {}).items() if k != "timer" and len(str(v)) <= BULKY}
    alibi = {k: _short(v, 2) for k, v in rep.get("alibi", {}).items() if k in ALIBI}
    return {"samples": samples, "alibi": alibi, "facts": facts, "flags": rep.get("flags", [])}


def _short(value: Any, digits: int = DIGITS) -> Any:
    """A number with as many digits as its scatter deserves; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return value
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() else short


def _few(name: str, samples: Sequence[float], case: Mapping[str, Any]) -> list[float]:
    if case.get("bounds"):
        return [max(samples) if name == "low" else min(samples)]
    ordered = sorted(samples)
    if name != case["quantity"]:
        return (
            [ordered[(2 * i + 1) * len(ordered) // (2 * KEPT)] for i in range(KEPT)] if len(ordered) > KEPT else ordered
        )
    if case.get("quantile") is not None or len(ordered) <= 2:  # they have no mean of their own
        return ordered
    middle, mean = median(samples), fmean(samples)
    rest = 3 * mean - 2 * middle
    return [middle, middle, rest] if rest > 0 or case["kind"] == "reading" else [middle]


def pack(doc: Mapping[str, Any]) -> str:
    """Compressed text that may stand inside any page: no character of it ends an element."""
    import lzma

    text = json.dumps(doc, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(lzma.compress(text.encode(), preset=9)).decode("ascii")


def unpack(text: str, most: int) -> str:
    """The JSON in there. Raises RunUnreadable where it is damaged, or grows beyond ``most`` bytes."""
    import lzma

    try:
        opener = lzma.LZMADecompressor(memlimit=1 << 28)
        raw = opener.decompress(base64.b64decode(text.strip(), validate=True), max_length=most)
        if not opener.eof:
            raise RunUnreadable("the run in this page is cut short, or too large to be one of liebench")
        return raw.decode("utf-8")
    except (lzma.LZMAError, binascii.Error, UnicodeDecodeError, EOFError) as error:
        raise RunUnreadable(f"the run in this page is damaged: {error}; nothing was changed") from error
