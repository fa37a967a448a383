#!/usr/bin/env python3
"""Every long soak, one after another; each line of the log is (when, what, with which words, how it ended).

    python ci/soak.py LOG [words of soaks, for example kill]

The words of a soak are its count and its seed, as its own head says; modest here, larger by hand. They use a state
folder of their own. Ends with 1 where one found something.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOAKS = {
    "statistics": {"n": 500, "seed": 20161},
    "apply": {"n": 200, "seed": 1},
    "kill": {"n": 60, "seed": 1},
    "try": {"n": 100, "seed": 1},
    "gate": {"equal": 15, "planted": 5, "percent": 8},
}


def soak(name: str) -> tuple[int, str]:
    """(exit code, the last line it said), with all that it says on the terminal."""
    command = [sys.executable, str(HERE / f"soak_{name}.py"), *map(str, SOAKS[name].values())]
    last = ""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return running.returncode, last


def main() -> int:
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(SOAKS):
        print(f"usage: soak.py LOG [{' | '.join(SOAKS)} ...]", file=sys.stderr)
        return 2
    log, failed = Path(sys.argv[1]), 0
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="liebench-soak-") as state:
        os.environ["LIEBENCH_STATE"] = state
        for name in sys.argv[2:] or SOAKS:
            words = " ".join(f"{key}={value}" for key, value in SOAKS[name].items())
            print(f"\n## {name}: {words}", flush=True)
            began, when = time.monotonic(), datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            code, last = soak(name)
            failed += code != 0
            with log.open("a") as out:
                out.write(f"{when}\t{name}\t{words}\texit {code}\t{time.monotonic() - began:.0f} s\t{last}\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
