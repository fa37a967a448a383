"""What container-vm sets up and does: places, the same work in each, and what starting one takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace

from liebench.contract import Arm, Case, Rep, Turn
from liebench.errors import CoreFailed, NeedUnmet
from liebench.stage.container import container, container_command
from liebench.stage.guest import guest
from liebench.stage.place import Place, footprint, here, started
from liebench.stage.stage import Stage

OPS = {  # (operations a sample, samples): some 10 ms of work on a host of today
    "compute": (30_000, 40),
    "call": (2_000, 30),
    "fork": (10, 8),
    "exec": (6, 4),
    "switch": (100, 8),
    "fault": (512, 8),
    "copy": (1024, 3),
    "file": (32, 15),
}
TRIPS = 30  # samples of ten
BESIDE = {"inside": "guest"}  # what a place is compared with, where that is not the host
MEMORY = "/dev/shm"  # the host's memory file system: what /tmp is in the other places
CHECK_OPS = 20_000_000  # a third of a second


class Places:
    """Every place, set up when it is first asked for; one that cannot be had, or went, is not asked for again."""

    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.up: dict[str, Place] = {}
        self.lost: dict[str, NeedUnmet] = {}
        processor = stage.host.processors[-1]
        self.makers: Mapping[str, Callable[[], AbstractContextManager[Place]]] = {
            "host": lambda: here(stage.core_path, processor),
            "container": lambda: container(stage, processor, stage.options["runtime"]),
            "guest": lambda: guest(stage, stage.options["kernel"]),
        }

    def at(self, name: str) -> Place:
        """Raises NeedUnmet."""
        if name == "inside":
            return self.at("guest").inside
        if name in self.lost:
            raise self.lost[name]
        if name not in self.up:
            try:
                with self.stage.setting_up():  # booting, above all
                    self.up[name] = self.rigs.enter_context(self.makers[name]())
            except NeedUnmet as error:
                self.lost[name] = error
                raise
            found = self.up[name]
            clock = {"clock": self._clock(found)} if name == "guest" else {}
            self.stage.note(name, {"up_s": found.up_s, **found.facts, **clock})
        return self.up[name]

    def _clock(self, found: Place) -> float:
        """How fast a guest's clock runs beside the host's, over work that is long against a word on a serial line."""
        answer = found.call("compute", {"ops": CHECK_OPS, "samples": 1, "sentinel": 0})
        return float(answer["elapsed_ns"] / answer["facts"]["host_ns"])

    def run(self, name: str, kernel: str, args: Mapping[str, object]) -> dict[str, object]:
        """A guest that is silent or gone is not waited for a second time."""
        place = self.at(name)
        try:
            return place.call(kernel, args)
        except CoreFailed as error:
            if name in ("guest", "inside"):
                self.lost["guest"] = NeedUnmet(f"a guest that goes on ({error})", "see what it says")
            raise


class Bench:
    def __init__(self, stage: Stage, rigs: ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.places = Places(stage, rigs)
        self.commands: dict[str, Sequence[str]] = {}
        self.folder = rigs.enter_context(stage.scratch("", 1, local=False))

    def work(self, name: str, work: str, t: Turn) -> Rep:
        """The same arguments in every place; an emulated one has no sibling thread to look for."""
        more: dict[str, str | float] = {"sentinel": 0}
        kernel = {"compute": "compute", "trip": "net-trip"}.get(work, "place-work")
        if kernel == "place-work":
            more["work"] = work
        if work == "trip":
            more["samples"] = TRIPS
        else:
            more["ops"], more["samples"] = OPS[work]
        if work == "file" and name == "host":
            more["folder"] = MEMORY

        def run(kernel: str, args: Mapping[str, object]) -> dict[str, object]:
            return self.places.run(name, kernel, args)

        rep = self.stage.core_by(run, kernel, Turn(Arm(id=name), t.label, t.plant), **more)
        return replace(rep, samples={"ns": [1000 * us for us in rep.samples["us"]]}) if work == "trip" else rep

    def command(self, name: str) -> Sequence[str]:
        """What starts a place like that: tried once, so that a runtime or a guest that does not work is a need."""
        if name not in self.commands:
            found = self.places.at(name)
            again = (
                container_command(self.stage, found.facts["by"]) if name == "container" else nullcontext(found.command)
            )
            self.commands[name] = self.rigs.enter_context(again)
        return self.commands[name]

    def once(self, case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        place, _, work = case.id.partition("-")
        found = {}
        for t in turns:
            name = str(t.arm.args.get("place", BESIDE.get(place, "host")))
            if work == "start":
                found[t.label] = started(self.stage, self.command(name), t, self.folder)
            elif work == "footprint":
                found[t.label] = taken(self.places.at(name), t.plant.get("hold", 0.0))
            else:
                found[t.label] = self.work(name, work, t)
        return found


def taken(place: Place, more: float) -> Rep:
    """What a place takes by itself, or once it holds ``more`` times that beside it."""
    if more:
        place.hold(round(more * footprint(place)))
    took = footprint(place)
    if more:
        place.hold(0)
    return Rep(samples={"KiB": [took]})
