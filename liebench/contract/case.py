"""One question of a probe: its arms, its limits, its schedule, with a constructor for each kind.

What lies in ``Rep.samples`` for each kind (quantity -> raw values, in the unit of the case):

ratio    the same quantity of every arm; each delivered arm is read as a ratio to the promised one
reading  the arms ``claimed`` and ``measured`` of one window; read as measured - claimed, in the unit
law      *equal*: two arms, read as the ratio measured / predicted; *linear*: all arms, on a line in ``Arm.number``
fact     ``Rep.facts["value"]``, which ``Case.words`` gives a meaning; events of a window as samples beside it

Controls. Each class of ``work`` in a run gets one null and one planted control, carried by the case that the plant
names. Both turns of a control run the same arm: the promised one, or the first delivered one where the promised does
no work (the claim of a reading; a promised arm without arguments beside one that has some). So a lie is planted into
that arm, and a null must read as nothing: within ``matters`` - 1 of 1, at most 20 %, for a ratio or a law; within
``matters`` of 0, in the unit, for a reading; no event at all for a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypedDict, Unpack

from liebench.contract.arm import NOTHING, Args, Arm, Touches
from liebench.contract.claim import Need
from liebench.contract.vocabulary import Better, Kind, Rhythm, Subject, Word


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one value of a fact means. ``term``: the layer's own word where it has one ("caught", "nested")."""

    word: Word
    says: str
    term: str = ""


class Running(TypedDict, total=False):
    """What a case of any kind may say about how it runs; see ``Case`` for the fields and their defaults."""

    rhythm: Rhythm
    subject: Subject
    headline: bool
    work: str
    needs: tuple[Need, ...]


def _arms(first: Arm, *others: Arm) -> tuple[Arm, ...]:
    """The first arm carries the promise, and no other does."""
    return (replace(first, promised=True), *(replace(arm, promised=False) for arm in others))


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One question with one quantity, unit and direction. Built by ``ratio``, ``reading``, ``law``, ``line``, ``fact``.

    ``id``        unique in its probe; a plant and ``Events.case`` name it
    ``quantity``  the key of ``Rep.samples``; by default its unit
    ``unit``      ns, us, ppm, % ...; empty for a value
    ``arms``      exactly one of them is promised
    ``asks``      the question as a person would put it
    ``better``    the direction of the quantity
    ``matters``   what is less is honest: a ratio for a ratio or a law (1.05 is 5 %), else a limit in the unit
    ``hurts``     what is more is costly, in the same terms; between the two it is harmless
    ``rhythm``    how it is scheduled, and so what counts as one repetition
    ``subject``   this host, or a test bed of the probe
    ``headline``  runs in ``--quick`` too, and carries the word of the probe
    ``work``      class of work: cases of one class share a null and a planted control, whose outcome counts for all
    ``bounds``    the samples are hard two-sided bounds (quantities ``low`` and ``high``), intersected, not averaged
    ``quantile``  the quantity *is* that quantile, which then carries the verdict instead of median and mean
    ``linear``    of a law: the arms lie on a line in ``Arm.number``; else predicted and measured are equal
    ``words``     of a fact: what each value means
    ``needs``     conditions on the host; where one is not met the case is left out, and the page says why
    ``target``    half width of the interval at which more blocks add nothing: of the log ratio, or in the unit;
                  None: two fifths of ``matters``, and at most 2 % for a ratio
    """

    id: str
    quantity: str
    unit: str
    arms: tuple[Arm, ...]
    asks: str = ""
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
    linear: bool = False
    words: Mapping[str, Meaning] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    target: float | None = None

    @classmethod
    def ratio(
        cls,
        id: str,
        asks: str,
        unit: str,
        promised: Arm,
        *delivered: Arm,
        quantity: str = "",
        better: Better = Better.LOWER,
        matters: float = 1.05,
        hurts: float = 1.20,
        target: float | None = None,
        quantile: float | None = None,
        **running: Unpack[Running],
    ) -> Self:
        """The same work in two ways or more: how many times as much does each delivered arm take as the promised?"""
        return cls(
            id=id,
            asks=asks,
            quantity=quantity or unit,
            unit=unit,
            arms=_arms(promised, *delivered),
            better=better,
            matters=matters,
            hurts=hurts,
            target=target,
            quantile=quantile,
            **running,
        )

    @classmethod
    def reading(
        cls,
        id: str,
        asks: str,
        unit: str,
        claimed: str,
        measured: str,
        *,
        matters: float,
        hurts: float,
        args: Args | None = None,
        touches: Touches = NOTHING,
        quantity: str = "",
        better: Better = Better.LOWER,
        bounds: bool = False,
        target: float | None = None,
        quantile: float | None = None,
        **running: Unpack[Running],
    ) -> Self:
        """What a layer claims beside what was measured. ``args`` and ``touches`` are of the arm ``measured``.

        The claim does no work: the probe answers for it with a sample of its own, such as 0.
        """
        return cls(
            id=id,
            asks=asks,
            kind=Kind.READING,
            quantity=quantity or unit,
            unit=unit,
            arms=_arms(
                Arm(id="claimed", says=claimed), Arm(id="measured", says=measured, args=args or {}, touches=touches)
            ),
            better=better,
            matters=matters,
            hurts=hurts,
            bounds=bounds,
            target=target,
            quantile=quantile,
            **running,
        )

    @classmethod
    def law(
        cls,
        id: str,
        asks: str,
        unit: str,
        predicted: Arm,
        measured: Arm,
        *,
        quantity: str = "",
        matters: float = 1.05,
        hurts: float = 1.20,
        target: float | None = None,
        **running: Unpack[Running],
    ) -> Self:
        """A prediction and what came of it: they are equal, or off by a factor to either side."""
        arms = predicted, measured
        case = cls.ratio(
            id, asks, unit, *arms, quantity=quantity, matters=matters, hurts=hurts, target=target, **running
        )
        return replace(case, kind=Kind.LAW)

    @classmethod
    def line(
        cls,
        id: str,
        asks: str,
        unit: str,
        *arms: Arm,
        quantity: str = "",
        matters: float = 1.05,
        hurts: float = 1.20,
        target: float | None = None,
        **running: Unpack[Running],
    ) -> Self:
        """A law over ``Arm.number``: every further layer, link or MiB costs what the first one does."""
        case = cls.ratio(
            id, asks, unit, *arms, quantity=quantity, matters=matters, hurts=hurts, target=target, **running
        )
        return replace(case, kind=Kind.LAW, linear=True)

    @classmethod
    def fact(
        cls,
        id: str,
        asks: str,
        says: str,
        words: Mapping[str, Meaning],
        *,
        arm: str = "seen",
        args: Args | None = None,
        touches: Touches = NOTHING,
        quantity: str = "value",
        unit: str = "",
        **running: Unpack[Running],
    ) -> Self:
        """One value with a meaning. ``says``: where it is looked up; ``arm``: the id of the only arm."""
        seen = Arm(id=arm, says=says, args=args or {}, touches=touches)
        common: Running = {"work": "facts", **running}
        return cls(
            id=id, asks=asks, kind=Kind.FACT, quantity=quantity, unit=unit, arms=_arms(seen), words=words, **common
        )

    @property
    def promised(self) -> Arm:
        return next(a for a in self.arms if a.promised)

    @property
    def delivered(self) -> tuple[Arm, ...]:
        return tuple(a for a in self.arms if not a.promised)

    @property
    def touches(self) -> tuple[Touches, ...]:
        return tuple(a.touches for a in self.arms)
