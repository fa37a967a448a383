"""Numbers and verdicts in words, for the terminal and the report alike. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from liebench.contract import Verdict, Word
from liebench.document import mapping, section

SHAPES = {
    Word.COSTLY: "◆",
    Word.HARMLESS: "◇",
    Word.INCONCLUSIVE: "○",
    Word.HONEST: "●",
    Word.HELPFUL: "■",
}
ORDER = tuple(SHAPES)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
MOST = 400  # characters of one text of a run file that a page shows


def short(value: float | None, digits: int = 3) -> str:
    """Three significant digits, without an exponent for sizes people read; a dash for what is not known."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 6:
        return f"{value:.{max(0, digits - 1 - size)}f}"
    return f"{value:.{digits - 1}e}"


def amount(verdict: Verdict) -> str:
    """The size of a lie: ``2.34 × slower`` for a ratio, ``+79.4 us`` for a reading, nothing for a fact."""
    if verdict.value is None:
        return ""
    if verdict.unit != "ratio":
        return f"{'+' if verdict.value > 0 else ''}{short(verdict.value)} {verdict.unit}"
    if verdict.value >= 1:
        return f"{short(verdict.value)} × slower"
    return f"{short(1 / verdict.value)} × faster"


def span(verdict: Verdict) -> str:
    """The interval of ``amount``, in the same terms."""
    low, high = verdict.low, verdict.high
    if verdict.value is None or (low is None and high is None):
        return ""
    if verdict.unit == "ratio" and verdict.value < 1:
        low, high = (1 / high if high else None), (1 / low if low else None)
    return f"{short(low)} … {short(high)}"


def reason(verdict: Verdict) -> str:
    """Why a verdict is open, or what a fact means; with the bounds that are proven all the same."""
    parts = [verdict.why] if verdict.why else []
    if verdict.word is Word.INCONCLUSIVE and verdict.at_least not in (None, Word.HELPFUL, Word.HONEST):
        assert verdict.at_least is not None
        parts.insert(0, f"at least {verdict.at_least.value}")
    return "; ".join(parts)


def tally(counts: dict[Word, int], skipped: int, failed: int) -> str:
    """``1 costly, 2 harmless, 1 skipped``."""
    parts = [f"{counts[w]} {w.value}" for w in ORDER if counts.get(w)]
    parts += [f"{skipped} skipped"] * bool(skipped) + [f"{failed} failed"] * bool(failed)
    return ", ".join(parts) or "nothing was measured"


def clean(value: object, most: int = MOST) -> str:
    """Text of a run file made fit to print: control and direction characters become U+XXXX, the length is bounded."""
    text = CONTROL.sub(lambda m: f"U+{ord(m[0]):04X}", str(value))
    return text if len(text) <= most else text[: most - 1] + "…"


def host_line(doc: Mapping[str, Any]) -> str:
    """One line about the host: processor, count, what the labels say, kernel."""
    host = section(doc, "host")
    cpu, virt, kernel = (mapping(host.get(k) or {}, f"host.{k}") for k in ("cpu", "virt", "kernel"))
    place = "guest" if virt.get("hypervisor_flag") else ""
    inside = f"{virt['container']} container" if virt.get("container") else ""
    parts = [cpu.get("model"), f"{cpu.get('online')} processors", place, inside, kernel.get("release")]
    return ", ".join(str(p) for p in parts if p)
