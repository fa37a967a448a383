#!/usr/bin/env python3
"""SIGKILL at random moments of `liebench try` on a setting of this host: it has its old value within 5 s, by the
guardian alone, and at the next start at the latest; the journal is empty then, and no trial takes a killed one's value
for the host's own.

Needs root and a /proc/sys that may be written: it raises net.core.netdev_max_backlog by one, for a moment at a time.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KEY = Path("/proc/sys/net/core/netdev_max_backlog")
WITHIN_S = 5.0


def command(found: str, budget_s: float, folder: Path) -> list[str]:
    change = ["try", f"net.core.netdev_max_backlog={int(found) + 1}", "--with", "true", "--disturb", "host"]
    start = ["env", f"LIEBENCH_STATE={folder / 'state'}", sys.executable, "-P", "-m", "liebench"]
    return [*start, *change, "--budget", str(budget_s), "--out", str(folder / "out"), "--json"]


def journal(folder: Path) -> list[str]:
    return [p.name for p in (folder / "state/journal").glob("*.jsonl")]


def killed(folder: Path, found: str, after_s: float, waits: bool) -> str:
    """Where the kill came: in the ``act``, when it was ``noted`` alone, ``before``. Raises AssertionError.

    ``waits``: nobody starts liebench again, so that the guardian alone must take it back.
    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    child = subprocess.Popen(command(found, 60, folder), **quiet)  # type: ignore[call-overload]
    time.sleep(after_s)
    child.kill()
    caught = KEY.read_text().strip() != found
    noted = bool(journal(folder))
    if waits:
        child.wait()
        until = time.monotonic() + WITHIN_S
        while (KEY.read_text().strip() != found or journal(folder)) and time.monotonic() < until:
            time.sleep(0.02)
    else:  # at once, beside the guardian, and while the killed one may still be a zombie
        again = subprocess.run(command(found, 0.2, folder), check=False, **quiet)  # type: ignore[call-overload]
        child.wait()
        assert again.returncode in (0, 4), again.returncode  # 4: the guardian was at it
        until = time.monotonic() + WITHIN_S
        while journal(folder) and time.monotonic() < until:
            time.sleep(0.02)
    shutil.rmtree(folder / "out", ignore_errors=True)
    now = KEY.read_text().strip()
    assert now == found, f"{KEY} is {now}, it was {found}"
    assert not journal(folder), f"the journal still holds {journal(folder)}"
    assert noted or not caught, "the value was changed and the journal did not say so"
    return "act" if caught else "noted" if noted else "before"


def main() -> int:
    count, seed = (int(a) for a in (sys.argv[1:3] + ["500", "1"][len(sys.argv) - 1 :])[:2])
    rng, found, seen = random.Random(seed), KEY.read_text().strip(), dict[str, int]()
    with tempfile.TemporaryDirectory() as folder:  # one state for all, as on a host
        for n in range(count):
            try:
                where = killed(Path(folder), found, rng.random() * 2.5, n % 2 == 0)
            except AssertionError as error:
                KEY.write_text(found)
                print(f"kill {n}: {error}")
                return 1
            seen[where] = seen.get(where, 0) + 1
    print(f"{count} kills of try, by where they came: {dict(sorted(seen.items()))}; all as they should be")
    return 0


if __name__ == "__main__":
    sys.exit(main())
