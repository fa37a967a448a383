#!/usr/bin/env python3
"""SIGKILL at random moments of apply, confirm and undo, on a kernel made of files: after the next start every setting
has the value that was found or the one that was applied, files of ours are whole or gone, and undo ends it all.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from liebench.apply.ledger import SYSCTLS
from liebench.apply.plan import plan
from liebench.apply.settle import settle
from liebench.apply.target import Hands
from liebench.apply.transaction import apply, confirm, intended
from liebench.apply.undo import chosen, undo
from liebench.host import read_host
from liebench.state.lock import exclusive

FOUND = {
    "proc/sys/vm/swappiness": "60",
    "proc/sys/net/ipv4/tcp_slow_start_after_idle": "1",
    "proc/sys/kernel/random/boot_id": "boot",
}
APPLIED = {"proc/sys/vm/swappiness": "10", "proc/sys/net/ipv4/tcp_slow_start_after_idle": "0"}
TEXTS = ("vm.swappiness=10", "net.ipv4.tcp_slow_start_after_idle=0")


def hands(folder: Path) -> Hands:
    for path, text in FOUND.items():
        if not (folder / path).exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    (folder / "etc/sysctl.d").mkdir(parents=True, exist_ok=True)
    return Hands(read_host(folder), folder / "state")


def cycles(folder: Path) -> None:
    """What is killed: apply, confirm and undo, over and over."""
    h = hands(folder)
    print("ready", flush=True)
    while True:
        with exclusive(h.state, "soak"):
            found = plan(h, h.ledger(), TEXTS, True, "10m")
            apply(h, intended(h, found.wanted, found.confirm_s, h.ledger().next_number), lambda s: None)
        with exclusive(h.state, "soak"):
            confirm(h)
        with exclusive(h.state, "soak"):
            undo(h, chosen(h.ledger(), "all"))


def killed(folder: Path, after_s: float) -> str:
    """The state of the change when the kill came; raises AssertionError where something is not as it should be."""
    child = subprocess.Popen([sys.executable, __file__, "--cycles", str(folder)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout as out:
        assert out.readline() == b"ready\n"
        time.sleep(after_s)
        child.kill()
        child.wait()
    h = hands(folder)
    opened = h.ledger().open
    with exclusive(h.state, "soak"):
        said = settle(h)
    for path, new in APPLIED.items():
        text = (folder / path).read_text()
        assert text in (FOUND[path], new), f"{path} is {text!r}: {said}"
    for c in h.ledger().open:
        assert c.state == "done" or c.waiting, f"{c.key} is {c.state}: {said}"
        assert (folder / c.path[1:]).read_text() == c.to
    written = h.at(SYSCTLS).read_text() if h.at(SYSCTLS).exists() else ""
    assert [ln for ln in written.splitlines() if " = " in ln] == [
        f"{c.key} = {c.to}" for c in h.ledger().open if c.state == "done"
    ]
    undo(h, chosen(h.ledger(), "all"))
    assert {p: (folder / p).read_text() for p in FOUND} == FOUND
    assert [p.name for p in (folder / "etc/sysctl.d").iterdir()] == []
    return opened[-1].state if opened else "nothing"


def main() -> int:
    count, seed = (int(a) for a in (sys.argv[1:3] + ["500", "1"][len(sys.argv) - 1 :])[:2])
    rng, seen = random.Random(seed), dict[str, int]()
    for n in range(count):
        with tempfile.TemporaryDirectory() as folder:
            try:
                state = killed(Path(folder), rng.random() * 0.08)
            except AssertionError as error:
                print(f"kill {n}: {error}")
                return 1
            seen[state] = seen.get(state, 0) + 1
    print(f"{count} kills; the newest change was then: {dict(sorted(seen.items()))}; all as they should be")
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cycles"]:
        cycles(Path(sys.argv[2]))
    sys.exit(main())
