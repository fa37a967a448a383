#!/usr/bin/env python3
"""Error rates of the gate on simulated builds of 20 metrics (60 numbers), beside what other tools say of the same.

    python ci/bench/gate_rates.py [--builds 250] [--effects 125] [--seed 7] [--jobs 2] [--tools 75] [--out FILE]

``pip install -e '.[bench]'`` first. Every build is a family of 20 metrics on one stream of noise, judged by
``liebench.gate.pairs.Family`` at its own looks (``tests/helpers/gate_experiments.py``). Ends with 1 where a goal over
all sources together is missed; the rows of each source are printed as they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "ci" / "bench")]

import numpy as np  # noqa: E402

from liebench.contract import Outcome  # noqa: E402
from liebench.gate.pairs import RULE  # noqa: E402
from liebench.stats.intervals import binomial_interval  # noqa: E402

from tests.helpers.gate_experiments import METRICS, SAMPLES, SETTINGS, STILL, Build, Setting, builds, stream  # noqa: E402
from tests.helpers.noise_models import SOURCES  # noqa: E402

CHUNK = 25
RUNS = 24  # of each side and metric for the other tools: as many repetitions as the gate has at its first look
FALSE, POWER, SAME, OPEN, MINUTES = 0.005, 0.95, 0.90, 0.10, 10.0
READING = (
    "A build is 20 metrics, 60 numbers (median, mean, 90th percentile); a change stands in its first metric alone.",
    "Counts are shares of builds in percent with exact 95 % intervals; same and inconclusive are shares of the metrics",
    "without a change; pairs are the mean of all metrics; minutes hold for repetitions of 20 ms and 15 % beside them.",
    "",
    "M1 to M6 are models (`tests/helpers/noise_models.py`), in which a sample lasts 50 ms: their noise changes more",
    "within a pair than that of a real gate with short repetitions. add8, add1 and chase are recordings of one busy",
    "cloud guest, 60,000 samples each, so builds on them overlap. A change is a factor on all samples; a real one may",
    "also change their shape.",
)
OTHERS = (
    "Each takes all runs of one side and then all of the other, metric by metric, from the samples of the gate's",
    "first look: 24 runs of 20 samples a side (benchstat: ten runs). A false build calls at least one of 20 unchanged",
    "metrics slower; none of these tools corrects for their number. Power beside many false builds says little.",
)
TITLES = ("false builds", "false better", "found", "same", "inconclusive", "pairs", "minutes")


@dataclass(frozen=True)
class Cell:
    """Builds of one source under one setting."""

    source: str
    setting: Setting
    builds: Sequence[Build]

    def untouched(self) -> list[Outcome]:
        """The words of every metric without a change."""
        return [w for b in self.builds for w in b.words[1 if self.setting.change else 0 :]]

    def false(self, word: Outcome) -> int:
        first = 1 if self.setting.change else 0
        return sum(word in b.words[first:] for b in self.builds)

    def found(self) -> int:
        return sum(b.words[0] is Outcome.WORSE for b in self.builds)

    def share(self, word: Outcome) -> float:
        words = self.untouched()
        return words.count(word) / len(words)

    def cells(self) -> list[str]:
        n, change = len(self.builds), bool(self.setting.change)
        pairs = float(np.mean([b.pairs for b in self.builds]))
        minutes = [b.minutes for b in self.builds]
        return [
            percent(self.false(Outcome.WORSE), n), percent(self.false(Outcome.BETTER), n),
            percent(self.found(), n) if change else "", f"{100 * self.share(Outcome.SAME):.1f}",
            f"{100 * self.share(Outcome.INCONCLUSIVE):.1f}", f"{pairs:.0f}",
            f"{np.mean(minutes):.1f}, most {max(minutes):.1f}",
        ]  # fmt: skip


def percent(k: int, n: int) -> str:
    span = binomial_interval(k, n)
    return f"{100 * k / n:.1f} [{100 * span.low:.1f}, {100 * span.high:.1f}]"


def pooled(cells: Sequence[Cell]) -> Cell:
    return Cell("all", cells[0].setting, [b for c in cells for b in c.builds])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "|" + "---|" * len(header)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def goals(everything: dict[Setting, Cell]) -> list[tuple[str, bool]]:
    """What is promised of all sources together; "same" and "inconclusive" of the default limit."""
    still = everything[STILL]
    false = sum(c.false(Outcome.WORSE) for c in everything.values() if not c.setting.change)
    of = sum(len(c.builds) for c in everything.values() if not c.setting.change)
    checks = [(f"false builds {percent(false, of)} % of {of}, at most {100 * FALSE:g}", false <= FALSE * of)]
    for cell in (c for c in everything.values() if c.setting.change):
        share = cell.found() / len(cell.builds)
        said = percent(cell.found(), len(cell.builds))
        checks.append((f"found at {cell.setting.says}: {said} %, at least {100 * POWER:g}", share >= POWER))
    same, unknown = still.share(Outcome.SAME), still.share(Outcome.INCONCLUSIVE)
    most = max(b.minutes for c in everything.values() for b in c.builds)
    return [
        *checks,
        (f"same at no change: {100 * same:.1f} % of metrics, at least {100 * SAME:g}", same >= SAME),
        (f"inconclusive at no change: {100 * unknown:.1f} %, at most {100 * OPEN:g}", unknown <= OPEN),
        (f"longest build: {most:.1f} min, at most {MINUTES:g}", most <= MINUTES),
    ]


def part(job: tuple[str, Setting, int, int]) -> list[Build]:
    source, setting, count, seed = job
    return builds(source, setting, count, seed, CHUNK)


def gate_cells(args: argparse.Namespace, pool: ProcessPoolExecutor) -> dict[Setting, list[Cell]]:
    found: dict[Setting, list[Cell]] = {}
    for setting in SETTINGS:
        wanted = args.builds if setting == STILL else args.effects
        for source in SOURCES:
            jobs = [(source, setting, min(CHUNK, wanted - at), 1000 * args.seed + at) for at in range(0, wanted, CHUNK)]
            cell = Cell(source, setting, [b for got in pool.map(part, jobs) for b in got])
            found.setdefault(setting, []).append(cell)
            print(f"{source}, {setting.says}: {', '.join(filter(None, cell.cells()))}", file=sys.stderr, flush=True)
    return found


def others(source: str, changes: Sequence[float], count: int, seed: int) -> dict[str, list[int]]:
    """Of ``count`` builds: for each tool how many it fails at no change, and at each change whether metric 0 falls.

    The samples are those of the gate's first look, taken in the order of these tools: metric by metric through one
    side, then through the other.
    """
    from other_tools import TOOLS

    seen = {name: [0] * (1 + len(changes)) for name in TOOLS}
    for at in range(0, count, CHUNK):
        rng = np.random.default_rng([1000 * seed + at, SOURCES.index(source), 0])
        size = min(CHUNK, count - at)
        times = np.exp(stream(source, size, rng)[:, : 2 * METRICS * RUNS])
        for before, after in times.reshape(size, 2, METRICS, RUNS, SAMPLES):
            for name, slower in TOOLS.items():
                seen[name][0] += any(slower(a, b) for a, b in zip(before, after, strict=True))
                for i, change in enumerate(changes, 1):
                    seen[name][i] += slower(before[0], (1 + change) * after[0])
    return seen


def others_tables(args: argparse.Namespace, pool: ProcessPoolExecutor) -> Iterator[str]:
    changes = [s.change for s in SETTINGS if s.change]
    work = partial(others, changes=changes, count=args.tools, seed=args.seed)
    by_source = dict(zip(SOURCES, pool.map(work, SOURCES), strict=True))
    names = list(by_source[SOURCES[0]])
    n = args.tools * len(SOURCES)
    rows = []
    for name in names:
        sums = [sum(by_source[s][name][i] for s in SOURCES) for i in range(1 + len(changes))]
        rows.append([name, *(percent(k, n) for k in sums)])
    yield from table(["tool", "false builds", *(f"+{100 * c:g} % found" for c in changes)], rows)
    yield ""
    each = [[s, *(percent(by_source[s][name][0], args.tools) for name in names)] for s in SOURCES]
    yield from table(["false builds on", *names], each)


def report(args: argparse.Namespace) -> tuple[list[str], bool]:
    command = f"python ci/bench/gate_rates.py --builds {args.builds} --effects {args.effects} --seed {args.seed}"
    lines = ["# Error rates of the gate", "", f"`{command} --tools {args.tools}`; rule {RULE}.", "", *READING, ""]
    with ProcessPoolExecutor(args.jobs) as pool:
        found = gate_cells(args, pool)
        for setting, cells in found.items():
            lines += [f"## {setting.says}", ""]
            lines += table(["source", *TITLES], [[c.source, *c.cells()] for c in (*cells, pooled(cells))])
            lines.append("")
        checks = goals({s: pooled(cells) for s, cells in found.items()})
        lines += ["## Goals, all sources together", ""]
        lines += [f"- {'met' if met else 'MISSED'}: {says}" for says, met in checks]
        if args.tools:
            lines += ["", "## Other tools on the same samples, in their usual order", "", *OTHERS, ""]
            lines += others_tables(args, pool)
    return lines, all(met for _, met in checks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--builds", type=int, default=250, help="without a change, of each source")
    parser.add_argument("--effects", type=int, default=125, help="of each source and other setting")
    parser.add_argument("--tools", type=int, default=75, help="of each source for the other tools; 0 for none")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    lines, met = report(args)
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
