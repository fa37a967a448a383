#!/usr/bin/env python3
"""The large sweep of the decision rule over all noise models and traces; run by hand, a few minutes of one CPU.

python ci/soak_statistics.py [sessions per cell, default 2000] [seed]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from liebench.contract import Word  # noqa: E402
from liebench.judge.rule import LOOKS  # noqa: E402
from liebench.stats.intervals import binomial_interval, quantile  # noqa: E402

from tests.helpers.experiments import HURTS, MATTERS, allows, coverage, half_widths, no_change, rates  # noqa: E402
from tests.helpers.noise_models import SOURCES  # noqa: E402


def percent(k: float, n: int) -> str:
    span = binomial_interval(round(k * n), n)
    return f"{100 * k:5.1f} [{100 * span.low:.1f}, {100 * span.high:.1f}]"


def row(source: str, sessions: int, seed: int) -> None:
    still = rates(source, 0.0, sessions, seed)
    false = still.share(Word.HELPFUL, Word.HARMLESS, Word.COSTLY)
    ten, thirty = rates(source, 0.10, sessions, seed), rates(source, 0.30, sessions, seed)
    widths = half_widths(source, sessions, seed)
    flags = "".join("y" if allows(source, *lie, sessions, seed) else "n" for lie in ((0.1, MATTERS), (0.3, HURTS)))
    print(
        f"{source:11s} | {percent(false, sessions)} | {100 * still.share(Word.HONEST):5.1f} | {still.blocks:4.1f}"
        f" | {100 * ten.share(Word.HONEST):.2f} | {percent(ten.proven(Word.HARMLESS), sessions)} | {ten.blocks:4.1f}"
        f" | {percent(thirty.proven(Word.COSTLY), sessions)} | {thirty.blocks:4.1f}"
        f" | {100 * math.expm1(quantile(widths, 0.5)):.1f} {100 * math.expm1(quantile(widths, 0.95)):.1f} {flags}"
    )
    found = no_change(source, sessions, seed)
    cells = [(n, coverage(v[:, :n])) for n in LOOKS for v in (found.location, found.cost)]
    print(" " * 12 + "coverage " + ", ".join(f"{n}: {100 * k / of:.1f}" for n, (k, of) in cells), flush=True)


def main() -> None:
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20161
    print(f"{sessions} sessions per cell, seed {seed}; percent with 95 % intervals")
    print(
        "source | 0 %: false word | honest | blocks | +10 %: honest | found | blocks | +30 %: costly | blocks"
        " | half width at 96 blocks median p95, allows"
    )
    for source in SOURCES:
        row(source, sessions, seed)


if __name__ == "__main__":
    main()
