#!/usr/bin/env python3
"""The gate on this machine, many times: equal sides must pass, a planted rise must fail, and starved it cannot tell.

    python ci/soak_gate.py [A/A gates] [planted gates] [planted percent]

The work is liebench-core itself, a fixed number of additions; a planted rise is so many more of them. Each gate is a
process of its own, with a seed of its own. Ends with 1 where an equal pair was called a regression, where one that had
its budget could not tell, or where a planted rise was not found.
"""

from __future__ import annotations

import collections
import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from liebench.core import core_path

OPS = 6_000_000
GATE = [sys.executable, "-c", "from liebench.cli import main; main()", "gate", "--json"]


def gate(folder: str, ops: int, seed: int, budget: float) -> tuple[int, float, dict[str, Any]]:
    """(exit code, seconds, what it said)."""
    first, second = (f"{core_path()} compute ops={n} samples=1 sentinel=0 cpu=0" for n in (OPS, ops))
    words = ["--baseline", first, "--candidate", second, "--seed", str(seed), "--budget", str(budget), "--out", folder]
    before = time.monotonic()
    done = subprocess.run([*GATE, *words], capture_output=True, text=True, check=False)
    return done.returncode, time.monotonic() - before, json.loads(done.stdout or "{}")


def series(folder: str, name: str, count: int, ops: int, budget: float, first: int) -> collections.Counter[int]:
    codes: collections.Counter[int] = collections.Counter()
    took, sizes, pairs = 0.0, [], []
    for seed in range(first, first + count):
        code, seconds, said = gate(folder, ops, seed, budget)
        codes[code] += 1
        took += seconds
        wall = [r for r in said.get("rows", []) if r["case"] == "wall"]
        sizes += [r["value"] for r in wall if r["value"]]
        pairs += [r["blocks"] for r in wall]
    middle = sorted(sizes)[len(sizes) // 2] if sizes else float("nan")
    print(
        f"{name:<24} {count:>3} gates: exit codes {dict(sorted(codes.items()))}, median ratio {middle:.3f}, "
        f"{sum(pairs) / max(1, len(pairs)):.0f} pairs, {took / max(1, count):.0f} s each",
        flush=True,
    )
    return codes


def main() -> int:
    given = [int(a) for a in sys.argv[1:4]]
    equal, planted, percent = given + [50, 10, 8][len(given) :]
    with tempfile.TemporaryDirectory() as folder:
        same = series(folder, "equal sides", equal, OPS, 120, 1)
        rise = series(folder, f"planted {percent} %", planted, OPS + OPS * percent // 100, 120, 1001)
        starved = series(folder, "starved of time", 3, OPS + OPS * percent // 100, 0.3, 2001)
    wrong = same.total() - same[0] + rise.total() - rise[1] + starved.total() - starved[3]
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
