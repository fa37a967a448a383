"""Cases of real probes on this machine, judged from their own blocks, with the host's facts as a test wants them."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Case, Turn, Verdict
from liebench.core import core_path
from liebench.host import Host, read_host
from liebench.judge.run import judge_run
from liebench.registry import find_probes
from liebench.runfile.encode import stored_case, stored_rep
from liebench.runner.plan import PROFILES, Control, Planned, Settings, carrier, options_of, plan_probe, stored_probe
from liebench.runner.track import rig_of
from liebench.stage.believers import BELIEVERS
from liebench.stage.cgroup import home
from liebench.stage.net import LAB
from liebench.stage.stage import Stage
from liebench.state.journal import OURS, Journal

FOUND = find_probes()
PROBES, JUDGES = FOUND.probes, FOUND.judges
HOST = read_host()
CPU_GROUP = pytest.mark.skipif(home(HOST.root, "cpu") is None, reason="needs a CPU control group of our own")
MEMORY_GROUP = pytest.mark.skipif(home(HOST.root, "memory") is None, reason="needs a memory control group of our own")
TWO = pytest.mark.skipif(len(HOST.processors) < 2, reason="needs two CPUs")
NET = pytest.mark.skipif(not LAB.met(HOST), reason="needs iproute2 and nsenter")
SS = """\
0      0              10.0.0.5:443        10.0.9.9:50432
\t ts sack cubic wscale:7,7 rto:204 rtt:3.2/0.5 mss:1448 cwnd:140 lastsnd:1000 busy:500ms rwnd_limited:250ms(50.0%)
0      0             127.0.0.1:80         127.0.0.1:999
\t cubic rto:204 rtt:0.05/0.02 cwnd:10 lastsnd:5
0      0     [2001:db8::1]:22      [2001:db8::2]:5000
\t bbr wscale:7,7 rto:240 rtt:40/1 mss:1408 cwnd:80 bytes_acked:1 lastsnd:90000 lastrcv:1 bbr:(bw:1Mbps,mrtt:1)
0      0              10.0.0.5:443        10.0.9.7:50432
\t reno wscale:7,7 rto:201 mss:1448 cwnd:10
"""


def host_with(**areas: dict[str, Any]) -> Host:
    """This host, with some of its facts replaced."""
    facts = copy.deepcopy(dict(read_host().facts))
    for area, changed in areas.items():
        facts[area] |= changed
    return Host(facts)


def core(kernel: str, **args: object) -> dict[str, Any]:
    """The answer of one call of the core, past any stage."""
    words = [f"{k}={v}" for k, v in args.items()]
    done = subprocess.run([core_path(), kernel, *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def left_behind(folder: Path) -> list[str]:
    """Control groups of this process, and swap files and mounts below ``folder``: what others do is not ours."""
    groups = [g for depth in ("", "*/") for g in Path("/sys/fs/cgroup").glob(f"{depth}{OURS}{os.getpid()}-*")]
    lines = [line for file in ("swaps", "self/mountinfo") for line in Path("/proc", file).read_text().splitlines()]
    return [str(group) for group in groups] + [line for line in lines if str(folder) in line]


def before_others(*groups: Path) -> None:
    """The most weight there is: what else runs here shall not take what the quota leaves."""
    for group in groups:
        for file, most in (("cpu.shares", 262144), ("cpu.weight", 10000)):
            if (group / file).exists():
                (group / file).write_text(str(most))


def here(name: str) -> None:
    """Skips where this host has no such program, which believes something of its limits."""
    if not BELIEVERS[name].here(HOST):
        pytest.skip(f"needs {BELIEVERS[name].need.what}")


def scratches() -> set[Path]:
    """Scratch folders of this process; a session's own guest may hold one."""
    return set(Path("/var/tmp").glob(f"{OURS}{os.getpid()}-*"))


class Bench:
    """One probe's rig, and documents of the blocks of one case."""

    def __init__(self, probe: str, host: Host, folder: Path, **stage: Any) -> None:
        settings = Settings(
            profile=PROFILES["default"],
            seed=1,
            budget_s=60,
            disturb=stage.get("consent", Settings(profile=PROFILES["quick"], seed=1, budget_s=1).disturb),
        )
        self.id, self.host = probe, host
        self.part: Planned = plan_probe(PROBES[probe], host, settings)
        touches = tuple(t for c in self.part.cases for t in c.touches)
        touches += tuple(p.touches for p in PROBES[probe].probe.plants)
        self.stage = Stage(host, core_path(), Journal(folder, "test"), touches, **{"rep_ms": 20.0} | stage)
        self.stage.options = options_of(probe, PROBES[probe].probe, settings)
        self.rng = random.Random(1)

    def document(self, pattern: str, blocks: int, plant: str = "") -> dict[str, Any]:
        """``blocks`` blocks of the first case that ``pattern`` names; with a plant, of its control."""
        with rig_of(self.part, self.stage) as rig:
            cases = rig.cases or self.part.cases
            chosen = next(p for p in PROBES[self.id].probe.plants if p.id == plant) if plant else None
            case: Case | None = carrier(chosen, cases) if chosen else next(c for c in cases if c.id.startswith(pattern))
            assert case is not None
            control = Control("plant", "plant", self.id, case, chosen) if chosen else None
            turns = control.turns if control else tuple(Turn(a, a.id) for a in case.arms)
            rows = []
            for n in range(blocks):
                order = self.rng.sample(turns, len(turns))
                reps = {k: stored_rep(r, case) for k, r in rig.once(case, order).items()}
                block = {"n": n, "probe": self.id, "case": case.id, "control": control.id if control else None}
                rows.append({**block, "order": [t.label for t in order], "reps": reps})
        row = stored_probe(self.part) | {"facts": self.stage.notes}
        row["cases"] = {case.id: stored_case(case)}
        return {
            "probes": {self.id: row},
            "controls": [control.stored()] if control else [],
            "blocks": rows,
            "looks": [],
        }

    def verdict(self, pattern: str, blocks: int = 12) -> Verdict:
        return self.judged(self.document(pattern, blocks))

    def judged(self, doc: dict[str, Any]) -> Verdict:
        return next(iter(judge_run(doc, JUDGES).probes[self.id].cases.values()))

    def control(self, plant: str, blocks: int = 12) -> Any:
        return judge_run(self.document("", blocks, plant)).controls[0]


def links() -> list[str]:
    return sorted(os.listdir("/sys/class/net"))


@contextlib.contextmanager
def networks_gone() -> Iterator[None]:
    """Afterwards there is no link and no process of a network of ours."""
    before = links()
    yield
    assert links() == before
    holders = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "net-(hold|relay)"], capture_output=True, text=True, check=False
    )
    assert holders.stdout == ""


def with_more(measure: Callable[[int], Any], good: Callable[[Any], bool], rounds: Sequence[int]) -> Any:
    """What was measured, with more blocks where this machine is too busy for few."""
    for blocks in rounds:
        found = measure(blocks)
        if good(found):
            break
    return found


def settled(bench: Bench, case: str, about: Any) -> float | None:
    """The value of a case, ``about`` what it must read: late relays void their blocks."""
    found: float | None = with_more(
        lambda blocks: bench.verdict(case, blocks).value, lambda value: value == about, (6, 12, 24, 48)
    )
    return found


def planted(bench: Bench, plant: str, about: Any = None, rounds: Sequence[int] = (12, 24, 48)) -> Any:
    """The control of a plant; ``about``: what it must read, where it is not enough that it is shown."""
    return with_more(
        lambda blocks: bench.control(plant, blocks),
        lambda found: found.status == "shown" if about is None else found.value == about,
        rounds,
    )
