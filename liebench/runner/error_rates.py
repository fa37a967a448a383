"""This host's own error rates: many short experiments through the real path, half of them with a lie we planted.

An experiment is a whole run of one case with its own seed and few blocks. ``A/A'``: promised against itself must not
be called costly, harmless or helpful. ``A/planted``: a lie of known size must not be called honest, and must be found.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from liebench.contract import Case, Kind, Once, Rhythm, Word
from liebench.judge.rule import LOOKS
from liebench.judge.run import look
from liebench.probe import Plant
from liebench.runfile.encode import stored_rep
from liebench.runner.plan import Control, Planned, carrier
from liebench.runner.track import rig_of
from liebench.stage.stage import Stage
from liebench.stats.intervals import binomial_interval


@dataclass(slots=True)
class Rate:
    """Outcomes of one kind of experiment. ``hits``: false alarms of a null, lies found of a plant."""

    name: str
    kind: str  # null | plant
    trials: int = 0
    hits: int = 0
    wrong: int = 0  # plants called honest
    words: dict[str, int] = field(default_factory=dict)

    @property
    def interval(self) -> tuple[float, float]:
        found = binomial_interval(self.hits, self.trials)
        return found.low, found.high


def experiments(part: Planned) -> Iterator[tuple[Case, Plant | None]]:
    """Null and plants of the block cases that are arguments of a kernel: these can be repeated often."""
    cases = [c for c in part.cases if c.rhythm is Rhythm.BLOCK and c.kind is not Kind.FACT and not c.bounds]
    pairs = [(c, p) for p in part.probe.plants if p.put is None and (c := carrier(p, cases)) is not None]
    for case in dict.fromkeys(c.id for c, _ in pairs):
        yield next(c for c in cases if c.id == case), None
    yield from pairs


def once_through(case: Case, plant: Plant | None, once: Once, rng: random.Random, most: int) -> Word:
    """One experiment: blocks until a look decides, by the same rule as any run; returns the word."""
    label = "plant" if plant else "null"
    turns = list(Control("", label, "", case, plant).turns)
    blocks: list[dict[str, object]] = []
    while True:
        rng.shuffle(turns)
        reps = once(case, list(turns))
        blocks.append(
            {"n": len(blocks), "probe": "", "case": case.id, "reps": {k: stored_rep(r, case) for k, r in reps.items()}}
        )
        if len(blocks) in LOOKS or len(blocks) >= most:
            found = look(case, blocks, label, "promised")
            decision = found.reading.decision if found.reading else None
            if found.stop != "continue" or len(blocks) >= most:
                return decision.word if decision else Word.INCONCLUSIVE


def rates(
    part: Planned,
    stage: Stage,
    trials: int,
    seed: int,
    most: int = 24,
    stopping: Callable[[], str | None] = lambda: None,
) -> list[Rate]:
    """Error rates of one probe on this host. Its experiments take turns in random order."""
    rng = random.Random(seed)
    found = {
        (c.id, p.id if p else "null"): Rate(f"{part.id}/{c.id}", p.id if p else "null") for c, p in experiments(part)
    }
    queue = [pair for pair in experiments(part) for _ in range(trials)]
    rng.shuffle(queue)
    with rig_of(part, stage) as rig:
        for case, plant in queue:
            if stopping():
                break
            word = once_through(case, plant, rig.once, rng, most)
            rate = found[case.id, plant.id if plant else "null"]
            rate.trials += 1
            rate.words[word.value] = rate.words.get(word.value, 0) + 1
            rate.hits += word in (Word.COSTLY, Word.HARMLESS, Word.HELPFUL)
            rate.wrong += plant is not None and word is Word.HONEST
    return list(found.values())
