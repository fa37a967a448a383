"""What swap-cache sets up: a file, swap, and a limit with a swappiness, in whichever way this kernel takes one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from liebench.contract import Args, Arm, Case, Kind, Rep, Turn
from liebench.host import Host
from liebench.stage.cgroup import home, memory
from liebench.stage.stage import Stage
from liebench.stage.swap import swapfile

KNOB = "/proc/sys/vm/swappiness"
MGLRU = "/sys/kernel/mm/lru_gen/enabled"
LIMIT, FILE, SWAP_MIB, ROUNDS = 48, 28, 128, 3000
RECLAIM, SLACK = (6, 10), 8  # the first kernel whose memory.reclaim takes a swappiness; MiB it may lag behind


def per_group(host: Host) -> bool:
    """Whether groups have a swappiness of their own, as version 1 has."""
    found = home(host.root, "memory")
    return found is not None and not found[1]


def by_reclaim(host: Host) -> bool:
    """Whether memory.reclaim of a group of version 2 takes a swappiness: kernel 6.10 and later."""
    found = home(host.root, "memory")
    release = re.match(r"(\d+)\.(\d+)", host.facts["kernel"]["release"] or "")
    return found is not None and found[1] and release is not None and (int(release[1]), int(release[2])) >= RECLAIM


@contextmanager
def _limited(stage: Stage, swappiness: str | float | None) -> Iterator[Mapping[str, str | float]]:
    """The limit, with a swappiness in whichever way this kernel takes one; yields what the kernel of ours must know."""
    value = None if swappiness is None else int(swappiness)
    if value is None or per_group(stage.host):
        with memory(stage, LIMIT, value):
            yield {}
    elif by_reclaim(stage.host):
        with memory(stage, LIMIT + SLACK) as group:
            yield {"group": str(group), "keep_mib": LIMIT, "swappiness": value}
    else:
        with stage.value(KNOB, str(value)), memory(stage, LIMIT):
            yield {}


def _switched(stage: Stage, args: Args) -> AbstractContextManager[None]:
    """The multi-generational LRU switched over, where the arm asks for it."""
    return stage.value(MGLRU, str(args["mglru"])) if "mglru" in args else nullcontext()


class Bench:
    """A file, and swap: set up when the first case wants them, for a question about the knob alone needs neither."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.file: dict[str, str | float] = {}

    def ready(self) -> Mapping[str, str | float]:
        if not self.file:
            stage, own = self.stage, not self.stage.host.facts["memory"]["swap_mib"]
            mib = FILE + SWAP_MIB if own else FILE
            folder = self.rigs.enter_context(stage.scratch(stage.options["path"], mib))
            self.file = {"file": str(folder / "file"), "file_mib": FILE}
            stage.core("swap-cache", Turn(Arm(id="build"), "build"), build=1, **self.file)
            if own:
                self.rigs.enter_context(swapfile(stage, folder, SWAP_MIB))
        return self.file

    def turn(self, case: Case, t: Turn) -> Rep:
        stage = self.stage
        if case.kind is Kind.FACT:
            return Rep(samples={}, facts={"value": "swap" if stage.host.facts["memory"]["swap_mib"] else "none"})
        file = self.ready()
        if case.id == "page":
            with memory(stage, LIMIT):
                return stage.core("swap-cost", t, push_mib=LIMIT - 4, **file)
        args = {k: v for k, v in t.arm.args.items() if k not in ("swappiness", "mglru")}
        bare = Turn(Arm(id=t.arm.id, args=args), t.label, t.plant)
        with _switched(stage, t.arm.args), _limited(stage, t.arm.args.get("swappiness")) as more:
            return stage.core("swap-cache", bare, rounds=ROUNDS, **file, **more)

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        return {t.label: self.turn(case, t) for t in turns}
