#!/usr/bin/env python3
"""Many hosts at once: 100, 1,000 and 10,000 of them with 40 lies each, in seconds and memory.

    python ci/bench/fleet.py [hosts ...]

Every size runs in a process of its own. Ends with 1 where 10,000 hosts take more than 15 s or 1.5 GiB, or where what
was planted (costly lies, odd hosts) is not what is named.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SIZES, LIES, ODD = (100, 1_000, 10_000), 40, 5
MOST_S, MOST_MIB = 15.0, 1536.0


def synthetic(hosts: int) -> tuple[list, set[str], set[str]]:  # type: ignore[type-arg]
    """(runs, odd hosts, costly lies): lies of 0 to 15 % with noise; two are costly everywhere, a few hosts are odd."""
    import numpy as np

    from liebench.compare.metrics import LIE, Key, RunMetrics, Value, work_of
    from liebench.contract import Arm, Case

    rng = np.random.default_rng(3)
    case = Case(id="c", quantity="ns", unit="ns", arms=(Arm(id="a", promised=True), Arm(id="b")))
    keys = [Key(f"probe-{i:02d}", "c", "b", LIE) for i in range(LIES)]
    cases = {k[:2]: case for k in keys}
    works, layers = {k: work_of(case) for k in cases}, {k.probe: "cpu" for k in keys}
    typical = rng.uniform(0, 0.14, LIES)
    typical[:2] = 0.5
    odd = set(rng.choice(hosts, ODD, replace=False).tolist())
    runs = []
    for n in range(hosts):
        values = typical + rng.normal(0, 0.01, LIES)
        if n in odd:
            values[10:16] += 0.4
        found = {k: Value(float(v), 0.004, 24) for k, v in zip(keys, values, strict=True)}
        runs.append(
            RunMetrics(
                id=f"r{n}", started="2026-01-01T00:00:00Z", host=f"h{n:05d}", kind="k", config="x", rule="1", core="1",
                cases=cases, works=works, values=found, facts={}, layers=layers,
            )
        )  # fmt: skip
    return runs, {f"h{n:05d}" for n in odd}, {k.probe for k in keys[:2]}


def measure(hosts: int) -> dict[str, object]:
    from liebench.compare.fleet import frame_of, summarise
    from liebench.gate.policy import Policy
    from liebench.gate.stored import fleet_table

    runs, odd, costly = synthetic(hosts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.monotonic()
    found = summarise(frame_of(runs))
    summary_s = time.monotonic() - start
    start = time.monotonic()
    fleet_table(runs, runs[0], Policy())
    table_s = time.monotonic() - start
    named = set(found.hosts["host"].head(ODD)) == odd
    seen = found.lies.set_index("probe")["costly"]
    right = set(seen[seen > hosts / 2].index) == costly
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"hosts": hosts, "summary_s": summary_s, "table_s": table_s, "runs_mib": before, "peak_mib": peak,
            "named": named and right}  # fmt: skip


def main() -> int:
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
        return 0
    sizes = [int(a) for a in sys.argv[1:]] or list(SIZES)
    print(f"{LIES} lies; summary of all hosts, one host among the others, memory with the runs and at its peak")
    good, rows = True, []
    for hosts in sizes:
        done = subprocess.run(
            [sys.executable, __file__, "--one", str(hosts)], capture_output=True, text=True, check=True
        )
        row = json.loads(done.stdout)
        rows.append(row)
        total = row["summary_s"] + row["table_s"]
        fits = total <= MOST_S and row["peak_mib"] <= MOST_MIB
        good = good and fits and row["named"]
        said = f"{hosts:>7} hosts: {row['summary_s']:6.2f} s + {row['table_s']:6.2f} s"
        said += f", {row['runs_mib']:5.0f} -> {row['peak_mib']:5.0f} MiB"
        if len(rows) > 1:
            last = rows[-2]
            growth = total / max(1e-9, last["summary_s"] + last["table_s"])
            said += f", {growth:.1f} times the time of {last['hosts']}"
        print(said + ("" if row["named"] else "; what was planted was NOT named") + ("" if fits else "; TOO MUCH"))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
