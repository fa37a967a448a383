"""From stored blocks to one number per block: how much worse the delivered arm was than the promised one.

A block is the object of the run file. Effects are signed so that higher is worse:

ratio, law  log of a cost ratio: delivered / promised, measured / predicted, or measured / what the line predicts
reading     measured - claimed, in the unit of the case (negated where ``better`` is higher)

A repetition that is missing, void or without usable samples makes its whole block missing. Missing is never zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from liebench.contract import Better, Case, Kind, Rhythm
from liebench.runfile.fields import LARGEST, Json, mapping, refuse, sequence, sizes, text, whole
from liebench.stats.intervals import hodges_lehmann, quantile
from liebench.stats.trend import slope

VOID = frozenset({"void", "error", "warmup", "clock_step", "below_timer_res", "too_short"})
MOST_LOG = 700  # of a factor that a double can hold
TAIL_SAMPLES = 20  # a quantile q needs 20 / (1 - q) samples, else blocks are pooled until they have them
Statistic = Callable[[Sequence[float]], float]


class MissingValue(Exception):
    """A block has no number; the message says why. Never leaves this package's pure half."""


@dataclass(frozen=True, slots=True)
class Effects:
    """One value per unit of replication. ``cost`` is empty where a single statistic carries the verdict."""

    location: tuple[float, ...]
    cost: tuple[float, ...] = ()
    numbers: tuple[int, ...] = ()  # the blocks used, by their number (the first of each pool or visit)
    missing: tuple[str, ...] = ()
    slopes: tuple[float, ...] = ()  # laws linear in Arm.number: unit per number, of each block


def place_of(block: Json) -> str:
    return f"block {block.get('n', '?')}"


def is_void(rep: Json, place: str) -> bool:
    """Whether a flag takes this repetition out of the statistics. Most flags only mark."""
    if not rep.get("flags"):
        return False
    marks = (
        text(f, place).lower().replace("-", "_").replace(" ", "_") for f in sequence(rep.get("flags") or [], place)
    )
    return any(mark in VOID or mark.startswith("void") for mark in marks)


def samples(block: Json, label: str, quantity: str) -> list[float]:
    """The raw samples of one repetition. Raises MissingValue without them, RunUnreadable where they are no numbers."""
    place = f"{place_of(block)}.reps"
    stored = mapping(block.get("reps"), place).get(label)
    if stored is None:
        raise MissingValue(f"{place_of(block)}: no repetition of {label}")
    place = f"{place}.{label}"
    rep = mapping(stored, place)
    if is_void(rep, f"{place}.flags"):
        raise MissingValue(f"{place_of(block)}: the repetition of {label} is void")
    values = mapping(rep.get("samples") or {}, f"{place}.samples").get(quantity)
    if values is None or not (values := sequence(values, f"{place}.samples.{quantity}")):
        raise MissingValue(f"{place_of(block)}: {label} has no samples of {quantity}")
    return sizes(values, f"{place}.samples.{quantity}")


def _costs(case: Case, values: list[float], where: str) -> list[float]:
    """Samples as costs: a throughput is inverted, and a ratio needs positive numbers."""
    if case.kind is Kind.READING:
        return values
    if min(values) < 1 / LARGEST:
        raise MissingValue(f"{where}: a ratio needs samples above zero, the smallest is {min(values):g}")
    return [1 / v for v in values] if case.better is Better.HIGHER else values


def contrast(case: Case, delivered: float, promised: float) -> float:
    """The effect of two numbers on the case's scale; higher is worse. Ratios take costs, not throughputs."""
    if case.kind is not Kind.READING:
        return math.log(delivered) - math.log(promised)
    return (promised - delivered) if case.better is Better.HIGHER else (delivered - promised)


def outward(effect: float, ratio: bool = True) -> float | None:
    """An effect as tables show it: a factor where it is a ratio, else a difference; None where it is not known."""
    if not math.isfinite(effect):
        return None
    return math.exp(min(effect, MOST_LOG)) if ratio else effect


def cost_of(case: Case, block: Json, label: str, statistic: Statistic) -> float:
    """One repetition's own cost on the effect scale: a log for ratios and laws, the value itself for a reading.

    Raises MissingValue where the repetition has none.
    """
    value = statistic(_costs(case, samples(block, label, case.quantity), f"{place_of(block)}, {label}"))
    if case.kind is Kind.READING:
        return -value if case.better is Better.HIGHER else value
    return math.log(value)


def _pair(case: Case, block: Json, arm: str, promised: str) -> tuple[float, ...]:
    """The contrasts of the two arms' medians and of their means."""
    first, second = (
        _costs(case, samples(block, label, case.quantity), f"{place_of(block)}, {label}") for label in (arm, promised)
    )
    return tuple(contrast(case, statistic(first), statistic(second)) for statistic in (median, fmean))


def _line(case: Case, block: Json, statistic: Statistic) -> tuple[float, float]:
    """(slope per number, log residual) of one block of a linear law.

    The line goes through all arms but the one with the largest number, and predicts that one: a residual with a
    sign and without bias under the law, which a largest-of-all residual is not.
    """
    numbered = sorted((arm.number, arm.id) for arm in case.arms if arm.number is not None)
    if len({n for n, _ in numbered}) < 3:
        raise MissingValue("a linear law needs three arms with different numbers")
    y = [statistic(samples(block, label, case.quantity)) for _, label in numbered]
    x = [n for n, _ in numbered]
    rise, start = slope(x[:-1], y[:-1])
    predicted = start + rise * x[-1]
    if predicted <= 0 or y[-1] <= 0:
        raise MissingValue(f"{place_of(block)}: the line predicts {predicted:g}, a ratio needs positive numbers")
    return slope(x, y)[0], math.log(y[-1] / predicted)


def _each(
    blocks: Sequence[Json], value: Callable[[Json], tuple[float, ...]]
) -> tuple[list[Json], list[tuple[float, ...]], list[str]]:
    """Blocks with their values, and why the others have none."""
    used, values, missing = [], [], []
    for block in blocks:
        try:
            values.append(value(block))
        except MissingValue as why:
            missing.append(str(why))
        else:
            used.append(block)
    return used, values, missing


def _numbers(blocks: Sequence[Json]) -> tuple[int, ...]:
    return tuple(whole(b.get("n"), f"{place_of(b)}.n") for b in blocks)


def _law(case: Case, blocks: Sequence[Json]) -> Effects:
    def both(block: Json) -> tuple[float, ...]:
        return (*_line(case, block, median), _line(case, block, fmean)[1])

    used, rows, missing = _each(blocks, both)
    slopes, location, cost = ([row[i] for row in rows] for i in range(3))
    return Effects(tuple(location), tuple(cost), _numbers(used), tuple(missing), tuple(slopes))


def _tails(case: Case, blocks: Sequence[Json], arm: str, promised: str, q: float) -> Effects:
    """Quantiles of both sides; neighbouring blocks are pooled until a side has samples enough for this quantile."""
    enough = TAIL_SAMPLES / min(q, 1 - q) - 1e-9
    location: list[float] = []
    firsts, missing = [], []
    pools: tuple[list[float], list[float]] = ([], [])
    first: Json | None = None
    for block in blocks:
        try:
            both = [
                _costs(case, samples(block, label, case.quantity), f"{place_of(block)}, {label}")
                for label in (arm, promised)
            ]
        except MissingValue as why:
            missing.append(str(why))
            continue
        for pool, values in zip(pools, both, strict=True):
            pool.extend(values)
        first = first or block
        if min(map(len, pools)) >= enough or _is_single(case, pools):
            location.append(contrast(case, *(_tail(case, pool, q) for pool in pools)))
            firsts.append(first)
            pools, first = ([], []), None
    return Effects(tuple(location), (), _numbers(firsts), tuple(missing))


def _is_single(case: Case, pools: tuple[list[float], list[float]]) -> bool:
    """A claim is one number; only the measured side of a reading needs samples for its tail."""
    q = case.quantile or 0.5
    return (
        case.kind is Kind.READING and len(set(pools[1])) == 1 and len(pools[0]) >= TAIL_SAMPLES / min(q, 1 - q) - 1e-9
    )


def _tail(case: Case, values: Sequence[float], q: float) -> float:
    """The quantile in the quantity's own direction: inverted throughputs are read from the other end."""
    inverted = case.kind is not Kind.READING and case.better is Better.HIGHER
    return quantile(values, 1 - q if inverted else q)


def _visits(effects: Effects, blocks: Sequence[Json]) -> Effects:
    """One value per visit: the Hodges-Lehmann of its blocks. Blocks that name no visit are one visit together."""
    visit = {n: str(b.get("visit", "")) for n, b in zip(_numbers(blocks), blocks, strict=True)}
    if len(visit) < len(blocks):
        refuse("blocks.n", "another number for each block of a case", sorted(_numbers(blocks)))
    groups: dict[str, list[int]] = {}
    for index, n in enumerate(effects.numbers):
        groups.setdefault(visit[n], []).append(index)

    def collapse(values: Sequence[float]) -> tuple[float, ...]:
        return tuple(hodges_lehmann([values[i] for i in members]) for members in groups.values()) if values else ()

    firsts = tuple(effects.numbers[members[0]] for members in groups.values())
    return Effects(
        collapse(effects.location), collapse(effects.cost), firsts, effects.missing, collapse(effects.slopes)
    )


def effects(case: Case, blocks: Sequence[Json], arm: str, promised: str) -> Effects:
    """One location and one cost per unit of replication, for the labels ``arm`` against ``promised``.

    Facts and hard bounds have no effects of this kind and give none. A linear law uses all arms of the block.
    """
    if case.kind is Kind.FACT or case.bounds:
        return Effects(())
    if case.kind is Kind.LAW and case.linear:
        found = _law(case, blocks)
    elif case.quantile is not None:
        found = _tails(case, blocks, arm, promised, case.quantile)
    else:
        used, rows, missing = _each(blocks, lambda block: _pair(case, block, arm, promised))
        cost = () if case.rhythm is Rhythm.ONCE else tuple(r[1] for r in rows)
        found = Effects(tuple(r[0] for r in rows), cost, _numbers(used), tuple(missing))
    return _visits(found, blocks) if case.rhythm is Rhythm.VISIT else found


def differences(case: Case, blocks: Sequence[Json], arm: str, promised: str) -> tuple[float, ...]:
    """Delivered minus promised of each block's means, in the unit of the quantity (what a bill multiplies)."""

    def one(block: Json) -> tuple[float, ...]:
        first, second = (fmean(samples(block, label, case.quantity)) for label in (arm, promised))
        return (first - second,)

    return tuple(row[0] for row in _each(blocks, one)[1])


def levels(case: Case, blocks: Sequence[Json], label: str) -> float | None:
    """Median over the blocks of a label's own medians, in the unit of the quantity; None without any."""

    def one(block: Json) -> tuple[float, ...]:
        values = samples(block, label, case.quantity)
        return (median(values) if case.quantile is None else quantile(values, case.quantile),)

    rows = _each(blocks, one)[1]
    return median(row[0] for row in rows) if rows else None
