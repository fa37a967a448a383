"""What everything that is judged looks like as a table: one row per number with its word. Pure values.

``liebench run``, ``compare`` and ``gate`` all end in a ``Table``; the terminal, ``--json`` and every export write it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One number with its word.

    ``value, low, high`` are ratios where ``unit`` is ``ratio`` (above 1 is worse: delivered / promised, or
    candidate / baseline, of costs), else differences in ``unit``. ``limit``: the smallest effect that would have shown,
    in the same terms (1.034: a rise of 3.4 %). None is "not known" everywhere, never zero.
    ``word``: a Word of a run, an Outcome of a comparison. ``level``: what the policy makes of it (error, warn, off),
    empty where there is no policy. ``before``, ``after``: the two levels behind the ratio, in ``of_unit``.
    """

    probe: str
    case: str
    arm: str
    what: str  # lie | level: the ratio of the arms, or one arm's own cost
    word: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ratio"
    limit: float | None = None
    statistic: str = "median"  # median | mean | quantile 0.9 | fact
    blocks: int = 0
    why: str = ""
    level: str = ""
    before: float | None = None
    after: float | None = None
    of_unit: str = ""

    @property
    def name(self) -> str:
        """Unique within a table, safe as a metric's name in other tools but for the slashes and blanks."""
        parts = (self.probe, self.case, self.arm, self.what, self.statistic)
        return "/".join(p for p in parts if p)


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Everything one command judged. ``notes``: what a reader must know first (differences of configuration)."""

    kind: str  # run | compare | gate
    title: str
    rows: Sequence[Row]
    host: str = ""  # the host's salted hash
    machine: str = ""  # processor, count, kernel: in words
    started: str = ""  # UTC, ISO 8601
    seconds: float | None = None
    exit: int = 0
    notes: Sequence[str] = ()
    skipped: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # id -> (needs, cure)
    failed: Mapping[str, str] = field(default_factory=dict)


def known(value: float | None) -> float | None:
    """A finite number, else None: a probe's own judge or a table from elsewhere may hand on one that is not."""
    return value if value is not None and math.isfinite(value) else None
