"""The words of the contract: closed sets of names that stand in run files, on pages and on the command line."""

from __future__ import annotations

from enum import StrEnum


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
    """How the samples of a case are read; ``Case`` has a constructor for each.

    ``ratio``: the same quantity of two arms or more, each against the promised one, as a ratio.
    ``reading``: what a layer claims beside what was measured in the same window, as a difference in the unit.
    ``law``: a prediction that holds or does not: two arms are equal, or all arms lie on a line (``Case.linear``).
    ``fact``: one value, or the events inside a window; ``Case.words`` says what each value means.
    """

    RATIO = "ratio"
    READING = "reading"
    LAW = "law"
    FACT = "fact"


class Better(StrEnum):
    """Direction of a quantity; ``target`` means that a deviation to either side is worse. A law is always that."""

    LOWER = "lower"
    HIGHER = "higher"
    TARGET = "target"


class Rhythm(StrEnum):
    """How a case is scheduled, and so what counts as one independent repetition of it.

    ``block``: every arm once, in random order, among the blocks of other cases; a repetition is a block. A fact of
    this rhythm is settled by its first block.
    ``visit``: the rig is set up anew for each visit, which holds some blocks; a repetition is a visit.
    ``watch``: windows of a watcher that runs beside the blocks of other cases; a repetition is a window.
    ``once``: alone, after all others, a few times in a run (``Profile.once``): what would spoil its neighbours.
    """

    BLOCK = "block"
    VISIT = "visit"
    WATCH = "watch"
    ONCE = "once"


class Subject(StrEnum):
    """What a case speaks of.

    ``host``: this host as it is. ``rig``: a test bed that the probe sets up, which shows what a thing costs where it
    is in use; the probe's word counts the host's cases first, and a rig that cannot be set up takes away its own
    case only, not the probe.
    """

    HOST = "this host"
    RIG = "a rig of ours"


class Disturbs(StrEnum):
    """Whom an arm or a plant may disturb; ordered from nobody to the whole host. ``run --disturb`` consents."""

    NOBODY = "nobody"
    NEIGHBOURS = "neighbours"
    HOST = "host"

    @property
    def rank(self) -> int:
        return list(Disturbs).index(self)
