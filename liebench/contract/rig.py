"""What passes between a probe and the runner while it measures: turns go in, repetitions come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from liebench.contract.arm import Arm
from liebench.contract.case import Case


@dataclass(frozen=True, slots=True)
class Turn:
    """One arm's turn in a block, as the runner orders it.

    ``label`` names its slot. In an ordinary block that is the id of the arm. In the block of a control both turns
    carry the same arm, one as ``promised`` and one as ``null`` or ``plant``; a rig tells them apart by label only.
    ``plant`` holds kernel arguments of a planted lie (``{"plant_ns": 500}``), empty in ordinary turns.
    """

    arm: Arm
    label: str
    plant: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rep:
    """One repetition: what a turn gave back. Plain data, stored as it is in the run file.

    ``samples``     quantity -> its raw values, in the unit of the case; other quantities may lie beside it
    ``offsets_ns``  start of each sample after the start of the repetition; empty where samples have no time
    ``start_ns``    CLOCK_MONOTONIC_RAW
    ``elapsed_ns``  from the start of the first sample to the end of the last
    ``alibi``       counters over the repetition (preemptions, faults, steal ...) that clear or flag it
    ``sentinel``    the two short instruction chains that tell whether the sibling thread was busy
    ``args``        the arguments that the kernel ran with, calibrated ones included
    ``facts``       e.g. ``value`` of a fact case, the clock's step, the build id
    ``flags``       what is doubtful about it (``PREEMPTED``), or makes it void (``BELOW_TIMER_RES``, ``VOID_...``)
    """

    samples: Mapping[str, Sequence[float]]
    offsets_ns: Sequence[int] = ()
    start_ns: int = 0
    elapsed_ns: int = 0
    alibi: Mapping[str, float | None] = field(default_factory=dict)
    sentinel: Mapping[str, float] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()


Once = Callable[[Case, Sequence[Turn]], Mapping[str, Rep]]


@dataclass(frozen=True, slots=True)
class Rig:
    """What ``measure`` yields when its set-up stands; what stands below the ``yield`` takes it down again.

    ``once(case, turns)`` runs one block and returns a ``Rep`` per ``Turn.label``. ``cases`` replaces the
    declared cases where they are known only after set-up (coarse scan first, then refine).
    """

    once: Once
    cases: tuple[Case, ...] | None = None
