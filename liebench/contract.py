"""What a probe may say: the whole vocabulary of liebench, as frozen values.

A probe is one value ``PROBE = Probe(...)`` in ``probes/<id>/probe.py`` (``liebench.probe``). There is no base class
and no registration call.

Samples
    ``Rep.samples`` maps a quantity to its raw values, in the unit of the case (``ns``, ``us``, ``ppm`` ...).
    A *ratio* case compares the same quantity of two arms. A *reading* case has the arms ``claimed`` and
    ``measured`` in one window and compares them by difference, in the unit of the case. A *law* case is
    ``equal`` (predicted against measured, relative residual) or ``linear`` in ``Arm.number``. A *fact* case
    stores one value and ``Case.words`` gives each value its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from liebench.facts.usage.values import Usage as Usage
from liebench.host import Host


class Layer(StrEnum):
    """Who makes the promise."""

    CPU = "cpu"
    CLOCK = "clock"
    VIRT = "virt"
    MEMORY = "memory"
    BLOCK = "block"
    FILES = "files"
    NET = "net"
    CONTAINER = "container"


class Word(StrEnum):
    """A verdict about one lie, from best to worst; ``inconclusive`` stands outside that order."""

    HELPFUL = "helpful"
    HONEST = "honest"
    HARMLESS = "harmless"
    COSTLY = "costly"
    INCONCLUSIVE = "inconclusive"


class Outcome(StrEnum):
    """What became of a number between two runs, or two sides of a gate."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


class State(StrEnum):
    """What became of a probe in a run."""

    MEASURED = "measured"
    SKIPPED = "skipped"
    FAILED = "failed"


class Kind(StrEnum):
    RATIO = "ratio"
    READING = "reading"
    LAW = "law"
    FACT = "fact"


class Better(StrEnum):
    """Direction of a quantity; ``target`` means that a deviation to either side is worse."""

    LOWER = "lower"
    HIGHER = "higher"
    TARGET = "target"


class Rhythm(StrEnum):
    """How a case is scheduled, and so what its unit of replication is (design, section 5)."""

    BLOCK = "block"
    VISIT = "visit"
    WATCH = "watch"
    ONCE = "once"


class Subject(StrEnum):
    HOST = "this host"
    RIG = "a rig of ours"


class Disturbs(StrEnum):
    """Whom an arm or a plant may disturb; ordered from nobody to the whole host."""

    NOBODY = "nobody"
    NEIGHBOURS = "neighbours"
    HOST = "host"

    @property
    def rank(self) -> int:
        return list(Disturbs).index(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Touches:
    """What an arm or a plant writes on the host. ``stage`` refuses whatever is not declared here."""

    keys: tuple[str, ...] = ()  # sysctls and sysfs files, absolute paths; ``*`` matches one path part
    modules: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    clock: bool = False  # sets or steers a clock of the kernel: tests and selftest only
    bytes_written: int = 0
    other: tuple[str, ...] = ()  # per-CPU queues, swap, burst credits, money: in words
    disturbs: Disturbs = Disturbs.NOBODY


NOTHING = Touches()


@dataclass(frozen=True, slots=True)
class Claim:
    """The promise in the layer's own words. ``says`` may hold ``{facts}`` of the host (``Host.words``)."""

    layer: Layer
    says: str
    read_from: str
    title: str  # what the figure and the card are called, e.g. "reading the clock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to do the work. Exactly one arm of a case is ``promised``.

    ``args`` go to the kernel as they are; ``number`` (layers, MiB, hops) lets a law be fitted.
    """

    id: str
    says: str = ""
    promised: bool = False
    args: Mapping[str, str | int | float] = field(default_factory=dict)
    number: float | None = None
    touches: Touches = NOTHING


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one value of a fact means."""

    word: Word
    says: str
    term: str = ""  # the layer's own word where it has one: "caught", "not disproved", "nested"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One question with one quantity, unit and direction.

    ``matters`` and ``hurts``: ratios for a ratio or a law (1.05, 1.20), else limits in the unit of the case.
    ``work``: class of kernel; each class in a run gets one null and one planted control.
    ``bounds``: the samples are hard two-sided bounds (quantities ``low`` and ``high``), intersected, not averaged.
    ``quantile``: the quantity *is* that quantile, which then carries the verdict instead of median and mean.
    """

    id: str
    quantity: str
    unit: str
    arms: tuple[Arm, ...]
    asks: str = ""  # the question as a person would put it
    kind: Kind = Kind.RATIO
    better: Better = Better.LOWER
    matters: float = 1.05
    hurts: float = 1.20
    rhythm: Rhythm = Rhythm.BLOCK
    subject: Subject = Subject.HOST
    headline: bool = True
    work: str = "compute"
    bounds: bool = False
    quantile: float | None = None
    linear: bool = False  # a law: linear in Arm.number; else equal
    words: Mapping[str, Meaning] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    target: float | None = None  # half width at which more blocks add nothing (log ratio, or unit); None: the default

    @property
    def promised(self) -> Arm:
        return next(a for a in self.arms if a.promised)

    @property
    def delivered(self) -> tuple[Arm, ...]:
        return tuple(a for a in self.arms if not a.promised)

    @property
    def touches(self) -> tuple[Touches, ...]:
        return tuple(a.touches for a in self.arms)


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm's turn in a block, as the runner orders it. ``label`` names its slot (``promised``, ``null``...).

    ``plant`` holds kernel arguments of a planted lie (``{"plant_ns": 500}``), empty in ordinary turns.
    """

    arm: Arm
    label: str
    plant: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rep:
    """One repetition: what a turn gave back. Plain data, stored as it is in the run file."""

    samples: Mapping[str, Sequence[float]]
    offsets_ns: Sequence[int] = ()  # start of each sample after the start of the repetition
    start_ns: int = 0  # CLOCK_MONOTONIC_RAW
    elapsed_ns: int = 0
    alibi: Mapping[str, float | None] = field(default_factory=dict)
    sentinel: Mapping[str, float] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # e.g. the value of a fact case, clock step, build id
    flags: tuple[str, ...] = ()


Once = Callable[[Case, Sequence[Turn]], Mapping[str, Rep]]


@dataclass(frozen=True, slots=True)
class Rig:
    """What ``measure`` yields when its set-up stands.

    ``once(case, turns)`` runs one block and returns a ``Rep`` per ``Turn.label``. ``cases`` replaces the
    declared cases where they are known only after set-up (coarse scan first, then refine).
    """

    once: Once
    cases: tuple[Case, ...] | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """A condition on the host. ``met`` is pure over ``Host``; ``cure`` is the command or step that meets it."""

    what: str
    met: Callable[[Host], bool]
    cure: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What the probe costs to run in the default profile, for the estimate and ``--plan``."""

    seconds: float
    setup_seconds: float = 0.0
    memory_mib: int = 8
    disk_mib: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """How often this host does the thing: a kernel counter, read at both ends of the run (law 10).

    ``count`` returns a monotonic counter or None where the host does not tell. ``per_event`` is the case and
    its unit cost is delivered minus promised, in seconds after ``to_seconds`` (1e-9 for ns).
    """

    what: str
    read_from: str
    count: Callable[[Host], int | None]
    case: str
    to_seconds: float = 1e-9
    is_cpu: bool = True  # the cost is CPU time (a share of a CPU); else it is waiting time


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a probe; the command line adds it as ``--set probe.name=value``, the run file stores it."""

    name: str
    default: str
    says: str


Options = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Proposal:
    """One change a probe proposes: an id of the catalogue (``liebench.advice``) with the value to try."""

    change: str
    to: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The words about one case or one probe. All numbers are in the terms of the case; None is "not known".

    A ratio case: ``value, low, high`` are cost ratios delivered / promised (above 1 is worse). A reading: the
    difference measured - claimed in ``unit``. ``statistic`` says which location carried the word.
    """

    word: Word
    at_least: Word | None = None
    at_most: Word | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = "ratio"
    of: str = ""  # unit of the quantity of which a ratio is one; the judge fills it in
    statistic: str = "median"
    blocks: int = 0
    why: str = ""  # why inconclusive, or what the layer's own term is
    term: str = ""
    limit: float | None = None  # detection limit: the smallest lie this much data would have shown
    control: str = "shown"  # shown | not shown | failed | none
    arm: str = ""
    promised: float | None = None  # median of the promised (claimed) arm, in the unit of the quantity
    delivered: float | None = None
    cases: Mapping[str, Verdict] = field(default_factory=dict)
