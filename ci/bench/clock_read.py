#!/usr/bin/env python3
"""Cost of a clock read against two oracles in the same minute, as paired ratios with exact intervals.

plain          a C loop compiled without anything of ours (oracle/read_loop.c)
pg_test_timing PostgreSQL's own tool; it prints a mean, so our mean stands against it. Its figure holds its loop too,
               so it runs behind a shim that reads the clock once or nine times per call: an eighth of the
               difference is what one read costs inside that tool.

usage: clock_read.py [BLOCKS]      needs gcc; pg_test_timing is left out where it is not installed
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median

from liebench.core import core_path
from liebench.host import read_host
from liebench.stats.intervals import signed_rank_interval

HERE = Path(__file__).parent / "oracle"
LIMIT = math.log(1.03)


def said(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    return done.stdout


def postgres() -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_test_timing"))
    return shutil.which("pg_test_timing") or (str(found[-1]) if found else None)


def ours(cpu: str) -> dict[str, float]:
    answer = json.loads(said(core_path(), "clock-read", f"cpu={cpu}", "via=libc", "ops=20000", "samples=200"))
    samples = answer["samples"]["ns"]
    return {"median": median(samples), "mean": fmean(samples)}


def per_loop(tool: str, cpu: str, shim: Path, reads: int) -> float:
    out = said("taskset", "-c", cpu, tool, "-d", "1", READS=str(reads), LD_PRELOAD=str(shim))
    return float(out.split("overhead:")[1].split()[0])


def oracles(folder: Path, cpu: str) -> dict[str, tuple[str, Callable[[], float]]]:
    """Name -> (which statistic of ours it is compared with, how to ask it)."""
    loop, shim, tool = folder / "loop", folder / "shim.so", postgres()
    said("gcc", "-O2", "-o", loop, HERE / "read_loop.c")
    found: dict[str, tuple[str, Callable[[], float]]] = {"plain": ("median", lambda: float(said(loop, cpu)))}
    if tool:
        said("gcc", "-O2", "-shared", "-fPIC", "-o", shim, HERE / "read_shim.c", "-ldl")
        found["pg_test_timing"] = "mean", lambda: (per_loop(tool, cpu, shim, 9) - per_loop(tool, cpu, shim, 1)) / 8
    return found


def main() -> int:
    blocks = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    rng, cpu, bad = random.Random(1), str(read_host().processors[-1]), 0
    with tempfile.TemporaryDirectory() as folder:
        ways = oracles(Path(folder), cpu)
        pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        for _ in range(blocks):
            for name in rng.sample(list(ways), len(ways)):
                statistic, ask = ways[name]
                first = rng.random() < 0.5
                early = ours(cpu)[statistic] if first else None
                theirs = ask()
                pairs[name].append((early if early is not None else ours(cpu)[statistic], theirs))
    for name, found in pairs.items():
        span = signed_rank_interval([math.log(a / b) for a, b in found])
        ends = " … ".join(f"{math.exp(v):.4f}" for v in (span.low, span.high))
        mine, theirs = (median(column) for column in zip(*found, strict=True))
        print(f"{name:<15} {theirs:.3f} ns, ours {mine:.3f} ns, ratio {math.exp(span.estimate):.4f} ({ends})")
        bad += abs(span.estimate) > LIMIT
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
