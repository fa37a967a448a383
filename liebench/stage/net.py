"""Networks of ours: namespaces that end with us, links between them, and a path of known delay and rate.

Nothing of it is seen by the host: links are made inside the namespaces, which one process of ours holds. As an
ordinary user they lie in a user namespace. Where the kernel has netem it makes the delay, else a relay of ours.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from liebench.contract import Arm, Need, Rep, Turn
from liebench.errors import CoreFailed, NeedUnmet
from liebench.host import Host, program
from liebench.stage.core import ENVIRONMENT, Watcher, watching

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

PATIENCE_S = 10
CURE = "apt install iproute2 util-linux; run as root, or allow user namespaces"
KERNEL = " in this kernel"
NEAR, FAR = "10.213.7.1", "10.213.7.2"
LATE = "VOID_LATE_RELAY"
RATE_MBIT = 200  # slow enough that a relay of ours is never behind: 60 us for each frame of 1500 bytes
MOST_LATE = 0.1  # of a round trip: what the relay adds by itself in 99 of 100 frames, or the repetition is void
RUNS_S = 3600


def _can(host: Host) -> bool:
    return program(host, "ip") and program(host, "nsenter")


LAB = Need("iproute2 and nsenter", _can, CURE)


@dataclass(slots=True)
class Lab:
    """Network namespaces by name; ``user`` is the user namespace that owns them, "" where we are root enough."""

    stage: Stage
    nets: Mapping[str, str]
    user: str = ""
    wires: list[Watcher] = field(default_factory=list)

    def ends(self, near: str, far: str = "", to: str = "") -> dict[str, str]:
        """Arguments that put the two ends of a kernel of the core there."""
        named = {"user": self.user, "near": self.nets[near], "far": self.nets[far] if far else "", "to": to}
        return {key: value for key, value in named.items() if value}

    def inside(self, at: str, command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
        """A command inside a namespace, in bounded time. Raises NeedUnmet where it is missing or hangs."""
        enter = ["nsenter", f"--net={self.nets[at]}"]
        if self.user:
            enter += [f"--user={self.user}", "--preserve-credentials"]
        try:
            return subprocess.run(
                [*enter, *command],
                input=text,
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
                check=False,
                env=ENVIRONMENT | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NeedUnmet(f"{command[0]} in a namespace of ours ({error})", CURE) from error

    def ip(self, at: str, *lines: str, what: str = "links between namespaces") -> None:
        """Commands of ip(8), all or none of which the kernel takes. Raises NeedUnmet with what it said."""
        done = self.inside(at, ["ip", "-batch", "-"], "\n".join(lines) + "\n")
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
            raise NeedUnmet(
                f"{what} ({said})", "modprobe it, or a kernel that has it" if what.endswith(KERNEL) else CURE
            )

    def pair(self, one: str, its: str, other: str, theirs: str) -> None:
        """Two namespaces joined by a pair of virtual Ethernet devices, both up."""
        self.ip(one, f"link add {its} type veth peer name {theirs} netns {self.nets[other]}", f"link set {its} up")
        self.ip(other, f"link set {theirs} up")

    def plain(self, at: str, *links: str) -> None:
        """Links without offloads: every frame as a wire would carry it."""
        for link in links:
            self.stage.core("net-plain", Turn(Arm(id="plain"), "plain"), **self.ends(at), link=link, sentinel=0)


@contextlib.contextmanager
def lab(stage: Stage, *names: str) -> Iterator[Lab]:
    """Namespaces of these names, gone at the end of this block and with us. Raises NeedUnmet where none can be made."""
    args = {"count": len(names), "limit_s": RUNS_S}
    with watching(stage.core_path, "net-hold", args) as holder:
        try:
            held = holder.tick()
        except CoreFailed as error:
            raise NeedUnmet(f"network namespaces ({error})", CURE) from error
        home = f"/proc/{held['pid']}"
        nets = {name: f"{home}/fd/{fd}" for name, fd in zip(names, held["nets"], strict=True)}
        yield Lab(stage, nets, f"{home}/ns/user" if held["user"] else "")


@dataclass(slots=True)
class Wire:
    """A path between two namespaces, ``near`` and ``far``, of known round trip and rate."""

    lab: Lab
    trip_us: float
    rate_mbit: float
    made_by: str
    relay: Watcher | None = None

    @property
    def ends(self) -> dict[str, str]:
        return self.lab.ends("near", "far", FAR)

    def verified(self, work: Callable[[], Rep]) -> Rep:
        """A repetition with the relay's own lateness meanwhile, as facts, and a flag where it was too late."""
        if self.relay is None:
            return work()
        self.relay.tick()
        rep = work()
        told: dict[str, Any] = dict(self.relay.tick())
        late = 2 * float(told["late_p99_us"]) > MOST_LATE * self.trip_us
        return replace(rep, facts={**rep.facts, "relay": told}, flags=(*rep.flags, LATE) if late else rep.flags)


@contextlib.contextmanager
def path(stage: Stage, trip_ms: float, rate_mbit: float = RATE_MBIT, netem: bool = True) -> Iterator[Wire]:
    """A path with a round trip of ``trip_ms`` and a rate each way; it begins and ends in our namespaces.

    By netem where this kernel has it (and ``netem`` allows), else by a relay between two links. Raises NeedUnmet.
    """
    with lab(stage, "near", "middle", "far") as found:
        if netem and _by_netem(found, trip_ms, rate_mbit):
            yield Wire(found, 1000 * trip_ms, rate_mbit, "netem")
            return
        found.pair("near", "wire0", "middle", "left0")
        found.pair("far", "wire0", "middle", "right0")
        _addresses(found)
        found.plain("near", "wire0")
        found.plain("far", "wire0")
        found.plain("middle", "left0", "right0")
        args = {
            "left": "left0",
            "right": "right0",
            "delay_us": round(500 * trip_ms),
            "rate_mbit": float(rate_mbit),
            "limit_s": RUNS_S,
            "cpu": stage.host.processors[0],
            **found.ends("middle"),
        }
        with watching(stage.core_path, "net-relay", args) as relay:
            relay.tick()
            yield Wire(found, 1000 * trip_ms, rate_mbit, "relay", relay)


def _addresses(found: Lab) -> None:
    for name, own in (("near", NEAR), ("far", FAR)):
        found.ip(name, f"address add {own}/24 dev wire0")


def _by_netem(found: Lab, trip_ms: float, rate_mbit: float) -> bool:
    """Both ends delay what they send by half of it. False where this kernel has no netem."""
    found.pair("near", "wire0", "far", "wire0")
    words = ["tc", "qdisc", "add", "dev", "wire0", "root", "netem", "delay", f"{trip_ms / 2:g}ms", "limit", "100000"]
    words += ["rate", f"{rate_mbit:g}mbit"] if rate_mbit else []
    if any(found.inside(name, words).returncode for name in ("near", "far")):
        found.ip("near", "link delete wire0")
        return False
    _addresses(found)
    return True


class Paths:
    """Paths by round trip and rate, each set up when it is first asked for, until the end of ``rigs``."""

    def __init__(self, stage: Stage, rigs: contextlib.ExitStack) -> None:
        self.stage, self.rigs = stage, rigs
        self.wires: dict[tuple[float, float], Wire] = {}

    def over(self, trip_ms: float, rate_mbit: float = RATE_MBIT) -> Wire:
        """Raises NeedUnmet as ``path`` does."""
        if (trip_ms, rate_mbit) not in self.wires:
            wire = self.rigs.enter_context(path(self.stage, trip_ms, rate_mbit))
            self.stage.note("path", wire.made_by)
            self.wires[trip_ms, rate_mbit] = wire
        return self.wires[trip_ms, rate_mbit]


def route(found: Lab, at: str, **metrics: str | int) -> None:
    """The route between the ends with metrics of ip-route(8), such as initcwnd and rto_min."""
    own = NEAR if at == "near" else FAR
    words = " ".join(f"{key} {value}" for key, value in metrics.items())
    found.ip(at, f"route replace 10.213.7.0/24 dev wire0 src {own} {words}", "tcp_metrics flush all")
