"""A receiver whose backlog can overflow: packets steered to another processor, and made dear to receive.

Without steering the sender itself empties the queue after each packet, so that it never holds more than one. The
queues are per processor and shared by every namespace (net/core/dev.c, enqueue_to_backlog): this disturbs the host.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from liebench.contract import Arm, Disturbs, Need, Rep, Touches, Turn
from liebench.errors import NeedUnmet, StageRefused
from liebench.host import program
from liebench.stage.wiring import Wiring, wired
from liebench.state.traces import own_here

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

DROPPED = "softnet.dropped"
QUEUES = "per-CPU backlog queues"
SIZE = "/proc/sys/net/core/netdev_max_backlog"
TOUCHES = Touches(keys=(SIZE,), other=(QUEUES,), disturbs=Disturbs.HOST)
TC = Need("tc", lambda host: program(host, "tc"), "apt install iproute2")
MOST_FILTERS = 2000


def caused(stage: Stage, more: int = 0) -> int:
    """Packets that floods of ours have dropped since this host started, after ``more`` of them.

    The kernel's counters do not tell who sent a packet: what we did to them must not be held against the host.
    """
    stage.traces.share({DROPPED: more})
    return own_here(stage.journal.folder.parent, stage.journal.boot).shares.get(DROPPED, 0)


def steer(found: Wiring, processors: Sequence[int]) -> None:
    """The far end's packets are taken by these processors (RPS). Raises NeedUnmet where the kernel refuses."""
    mask = sum(1 << cpu for cpu in processors)
    words = f"{mask >> 32:x},{mask & 0xFFFFFFFF:08x}" if mask >> 32 else f"{mask:x}"
    script = f"mount -t sysfs none /sys && echo {words} > /sys/class/net/e0/queues/rx-0/rps_cpus"
    done = found.lab.inside("far", ["unshare", "-m", "sh", "-c", script])
    if done.returncode:
        raise NeedUnmet(f"packets steered to a processor ({done.stderr.strip()})", "run as root")


@contextlib.contextmanager
def receiver(stage: Stage, filters: int = 400, steered: bool = True) -> Iterator[Wiring]:
    """A pair of virtual cards whose far end takes its packets on the second processor, behind so many filters.

    A filter that matches nothing costs each packet a little: so the queue is served more slowly than it is filled.
    Raises NeedUnmet where packets cannot be steered or filtered, StageRefused without consent.
    """
    if stage.consent is not Disturbs.HOST:
        raise StageRefused(f"{QUEUES} are the host's; allow it with --disturb host")
    with wired(stage, "veth") as found:
        if steered:
            steer(found, (stage.host.processors[-1],))
        match = "protocol ip prio 1 u32 match ip src 203.0.113.{}/32 match u16 {} 0xffff at 22 classid 1:1"
        lines = ["qdisc add dev e0 clsact"]
        lines += [f"filter add dev e0 ingress {match.format(i % 250, i)}" for i in range(filters)]
        done = found.lab.inside("far", ["tc", "-batch", "-"], "\n".join(lines) + "\n")
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no word"])[0]
            raise NeedUnmet(f"filters of tc ({said})", "modprobe cls_u32 sch_ingress")
        yield found


def flood(stage: Stage, found: Wiring, turn: Turn, size: int, **more: int) -> Rep:
    """One repetition of a burst through a queue of this size; what it loses is noted as ours."""
    processors = stage.host.processors
    bare = Turn(Arm(id=turn.arm.id), turn.label, turn.plant)
    with stage.value(SIZE, str(size)):
        rep = stage.core("net-flood", bare, cpu=processors[0], far_cpu=processors[-1], **more, **found.ends)
    caused(stage, round(float(rep.facts["dropped"])))
    return rep
