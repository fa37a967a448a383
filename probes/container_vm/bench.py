"""What container-vm sets up and does: places, the same work in each, and what starting one takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack

from liebench.contract import Arm, Case, Rep, Turn
from liebench.stage import Stage
from liebench.stage.container import by_namespaces, by_runc, starting
from liebench.stage.guest import guest
from liebench.stage.place import Place, footprint, here, started

OPS = {
    "fork": 8,
    "exec": 4,
    "switch": 50,
    "fault": 256,
    "copy": 2048,
    "file": 16,
}  # a sample, where an operation is long
ALIKE = {"samples": 4, "sentinel": 0}  # in every place; an emulated one has no sibling thread to look for
CHECK_OPS = 200_000_000  # a third of a second of additions: long against what a line of answer takes
MEMORY = "/dev/shm"  # the host's memory file system: what /tmp is in the other places


class Places:
    """Every place, set up when it is first asked for: one that cannot be had takes only its own cases away."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.up: dict[str, Place] = {}
        processor = stage.host.processors[-1]
        self.makers: Mapping[str, Callable[[], AbstractContextManager[Place]]] = {
            "host": lambda: here(stage.core_path, processor),
            "container": lambda: by_runc(stage, processor),
            "namespaces": lambda: by_namespaces(stage, processor),
            "guest": lambda: guest(stage, stage.options["kernel"]),
            "inside": lambda: guest(stage, stage.options["kernel"], enclosed=True),
        }

    def at(self, name: str) -> Place:
        if name not in self.up:
            found = self.rigs.enter_context(self.makers[name]())
            self.up[name] = found
            self.stage.note(name, {"up_s": found.up_s, **found.facts, **(self._clock(found) if found.facts else {})})
        return self.up[name]

    def _clock(self, found: Place) -> Mapping[str, float]:
        """How long the same work took by the guest's clock, and by the host's, from the line to its answer."""
        answer = found.call("compute", {"ops": CHECK_OPS, "samples": 1})
        return {"clock": answer["elapsed_ns"] / answer["facts"]["outside_ns"]}


class Bench:
    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.places = Places(stage, rigs)
        self.command: list[str] | None = None

    def work(self, t: Turn) -> Rep:
        args = dict(t.arm.args)
        work, name = str(args.pop("work")), str(args.pop("place"))
        place = self.places.at(name)
        if work == "footprint":
            return Rep({"KiB": [footprint(place) * (1 + t.plant.get("share", 0))]})
        if work == "compute":
            return self.stage.core_by(place.call, "compute", Turn(Arm("x"), t.label, t.plant), **ALIKE)
        if work == "trip":
            rep = self.stage.core_by(place.call, "net-trip", Turn(Arm("x"), t.label, t.plant), **ALIKE)
            return Rep({"ns": [1000 * us for us in rep.samples["us"]]}, rep.offsets_ns, rep.start_ns, rep.elapsed_ns,
                       rep.alibi, rep.sentinel, rep.args, rep.facts, rep.flags)  # fmt: skip
        more: dict[str, str | float] = {"work": work, **ALIKE}
        more |= {"ops": OPS[work]} if work in OPS else {}
        more |= {"folder": MEMORY} if work == "file" and name == "host" else {}
        return self.stage.core_by(place.call, "place-work", Turn(Arm("x"), t.label, t.plant), **more)

    def start(self, t: Turn) -> Rep:
        if "container" not in t.arm.args:
            command = [str(self.stage.core_path), "--nothing"]
        else:
            self.command = self.command or self.rigs.enter_context(starting(self.stage))
            command = self.command
        return Rep({"ms": [started(command)]})

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        done = self.start if case.id == "container-start" else self.work
        return {t.label: done(t) for t in turns}
