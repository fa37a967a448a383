"""What comes out: the words about a case or a probe, and the change that a probe proposes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from liebench.contract.vocabulary import Word


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change a probe proposes: an id of the catalogue (``liebench.advice``) with the value to try."""

    change: str
    to: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The words about one case or one probe. All numbers are in the terms of the case; None is "not known".

    ``word``               the verdict; ``at_least`` and ``at_most`` bound it where it is inconclusive
    ``value, low, high``   a ratio or law: delivered / promised as costs (above 1 is worse); a reading: measured -
                           claimed in ``unit``. ``low`` and ``high`` are the interval that carried the word
    ``unit``               of value, low and high: "ratio", or the unit of the case
    ``of``                 unit of the quantity of which a ratio is one; the judge fills it in
    ``statistic``          which location carried the word: median, mean, ``quantile 0.9``, fact
    ``blocks``             repetitions judged: blocks, windows, visits or times, by the rhythm of the case
    ``why``                why inconclusive, or what the layer's own term means
    ``term``               the layer's own word: "caught", "nested"
    ``limit``              detection limit: the smallest lie this much data would have shown
    ``control``            how the controls of its class of work came out: shown, not shown, failed, none
    ``arm``                the delivered arm that the verdict speaks of
    ``promised``           median of the promised (claimed) arm, in the unit of the quantity; ``delivered`` likewise
    ``cases``              of a probe: the verdicts of its cases, by id
    """

    word: Word
    at_least: Word | None = None
    at_most: Word | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ratio"
    of: str = ""
    statistic: str = "median"
    blocks: int = 0
    why: str = ""
    term: str = ""
    limit: float | None = None
    control: str = "shown"
    arm: str = ""
    promised: float | None = None
    delivered: float | None = None
    cases: Mapping[str, Verdict] = field(default_factory=dict)
