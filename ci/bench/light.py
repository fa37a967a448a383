#!/usr/bin/env python3
"""What liebench itself costs: CPU of small commands, imports and memory of a run, budget outside repetitions.

Prints one line per figure and its goal; ends with 1 where a goal is missed. Run it on a quiet machine.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent
HEAVY = ("numpy", "pandas", "scipy", "jinja2")


def cpu_ms(*command: str) -> float:
    """Least CPU time of five starts, in ms: what others do to the machine only adds."""
    best = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return best


MEASURE = """
import sys, json, resource
sys.argv = ["liebench", "run", "clock-read", "--budget", "20", "--out", sys.argv[1]]
from liebench.cli import main
try:
    main()
except SystemExit:
    pass
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"peak": peak, "heavy": [m for m in %r if m in sys.modules]}))
"""


def main() -> int:
    liebench = str(BIN / "liebench")
    rows = [(f"CPU of {c} (ms)", cpu_ms(liebench, c), 150.0) for c in ("--version", "list")]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE % (HEAVY,), folder], check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        doc = json.loads(next(Path(folder).glob("*.lb")).read_text())
        page = Path(folder) / "page.html"
        report = cpu_ms(liebench, "report", str(next(Path(folder).glob("*.lb"))), "--out", str(page))
    rows.append(("peak resident memory of the measuring Python (MiB)", found["peak"], 60.0))
    rows.append(("heavy imports of a run", float(len(found["heavy"])), 0.0))
    inside = doc["instrument"]["inside_s"] / doc["instrument"]["loop_s"]
    rows.append(("share of the budget outside repetitions (%)", 100 * (1 - inside), 15.0))
    rows.append(("CPU of report (ms)", report, 1500.0))
    for name, value, goal in rows:
        print(f"{'ok  ' if value <= goal else 'MISS'} {name:<55} {value:8.1f}  goal {goal:g}")
    return int(any(value > goal for _, value, goal in rows))


if __name__ == "__main__":
    sys.exit(main())
