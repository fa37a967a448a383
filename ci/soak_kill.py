#!/usr/bin/env python3
"""SIGKILL at 200 seeded random moments of runs that change the host: the next start must find nothing of ours left.

Needs root, a host with a second clocksource, and consent: it switches the clocksource while it measures.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from liebench.errors import RunUnreadable
from liebench.runfile.reader import read_run

LIEBENCH = str(Path(sys.executable).parent / "liebench")
SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")


def main() -> int:
    count, seed = (int(a) for a in (sys.argv[1:3] + ["200", "1"][len(sys.argv) - 1 :])[:2])
    rng, before, bad, dirty = random.Random(seed), SOURCE.read_text(), 0, 0
    for n in range(count):
        with tempfile.TemporaryDirectory() as folder:
            command = [LIEBENCH, "run", "clock-read", "--disturb", "host", "--out", folder, "--seed", str(n)]
            run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(rng.random() * 6)
            run.kill()
            run.wait()
            dirty += SOURCE.read_text() != before
            subprocess.run([LIEBENCH, "doctor"], stdout=subprocess.DEVNULL, check=True)
            for path in Path(folder).glob("*.lb.part"):
                try:
                    read_run(path)
                except RunUnreadable as error:
                    print(error)
                    bad += 1
            if SOURCE.read_text() != before:
                print(f"kill {n}: the clocksource is {SOURCE.read_text().strip()}, it was {before.strip()}")
                bad += 1
    print(f"{count} kills, {dirty} of them in the act, {bad} not as they should be")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
