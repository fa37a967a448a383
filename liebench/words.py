"""Numbers and verdicts in words, for the terminal and the report alike. Pure."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping

from liebench.contract import Verdict, Word

SHAPES = {
    Word.COSTLY: "◆",
    Word.HARMLESS: "◇",
    Word.INCONCLUSIVE: "○",
    Word.HONEST: "●",
    Word.HELPFUL: "■",
}
ORDER = tuple(SHAPES)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
WIDTH = 80  # columns of a terminal
MOST = 400  # characters of one text of a run file that a page shows


def short(value: float | None, digits: int = 3) -> str:
    """Three significant digits, without an exponent for sizes people read; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 0.9999 is 1.00
    if -4 <= size < 6:
        return f"{value:.{max(0, digits - 1 - size)}f}"
    return f"{value:.{digits - 1}e}"


TIMED = ("", "ns", "us", "ms", "s", "cycles")  # units of a quantity that is slower where it is more
ALIKE = 0.0005  # ratios nearer to 1 than this are told as 1
TIMES = (("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9))


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """A value with its unit; times in the unit that people read: ``12700 ns`` is ``12.7 us``. No trailing zeros."""
    scale = dict(TIMES).get(unit)
    if scale is not None and value and math.isfinite(value):
        ns = value * scale
        unit, scale = next(((u, s) for u, s in reversed(TIMES) if abs(ns) >= 0.9995 * s), TIMES[0])
        value = ns / scale
    text = short(value, digits)
    text = text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text
    return f"{text} {unit}".rstrip()


def amount(verdict: Verdict) -> str:
    """The size of a lie: ``2.34 × slower`` for a ratio, ``+79.4 us`` for a reading, nothing for a fact."""
    if verdict.value is None:
        return ""
    if verdict.unit != "ratio":
        return f"{'+' if verdict.value > 0 else ''}{quantity(verdict.value, verdict.unit)}"
    if _turned(verdict):
        return f"{short(1 / verdict.value)} × faster"
    slower = verdict.of in TIMED and short(verdict.value) != short(1.0)
    return f"{short(verdict.value)} ×{' slower' if slower else ''}"


def _turned(verdict: Verdict) -> bool:
    """Whether a ratio of times is told the other way round, as a speed-up."""
    value = verdict.value
    return verdict.unit == "ratio" and verdict.of in TIMED and value is not None and 0 < value < 1 - ALIKE


def span(verdict: Verdict) -> str:
    """The interval of ``amount``, in the same terms."""
    low, high = verdict.low, verdict.high
    if verdict.value is None or (low is None and high is None):
        return ""
    if _turned(verdict):
        low, high = (1 / high if high else None), (1 / low if low else None)
    if verdict.unit in dict(TIMES):
        return f"{_bound(low, verdict.unit)} … {_bound(high, verdict.unit)}"
    return f"{short(low)} … {short(high)}"


def _bound(value: float | None, unit: str) -> str:
    return short(value) if value is None else quantity(value, unit)


def reason(verdict: Verdict) -> str:
    """Why a verdict is open, or what a fact means; with the bounds that are proven all the same."""
    parts = [verdict.why] if verdict.why else []
    if verdict.word is Word.INCONCLUSIVE and verdict.at_least not in (None, Word.HELPFUL, Word.HONEST):
        assert verdict.at_least is not None
        parts.insert(0, f"at least {verdict.at_least.value}")
    return "; ".join(parts)


def tally(counts: Mapping[str, int], nothing: str) -> str:
    """``1 costly, 2 harmless, 1 skipped``: what there is at least one of, in this order; else ``nothing``."""
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or nothing


def wrapped(text: str, first: str = "", rest: str | None = None) -> list[str]:
    """The text in lines of 80 columns, the first one after ``first``, all others after ``rest`` (default: the same).

    A line never ends inside a hyphenated word: names of probes and options can be copied.
    """
    rest = first if rest is None else rest
    return textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def clean(value: object, most: int = MOST) -> str:
    """Text of a run file made fit to print: control and direction characters become U+XXXX, the length is bounded."""
    text = CONTROL.sub(lambda m: f"U+{ord(m[0]):04X}", str(value))
    return text if len(text) <= most else text[: most - 1] + "…"
