"""What whoever runs the host, its containers or its hypervisor changes, and no single file of the host holds.

What only the provider can change says so: liebench cannot try it.
"""

from __future__ import annotations

from liebench.advice.change import Change, unknown
from liebench.facts.mounts import overlays
from liebench.facts.volumes import volumes
from liebench.host import Host


def _quota(host: Host) -> str:
    cpus = host.facts["limits"]["cpus"]
    return "no limit" if cpus is None else f"{cpus:g} CPUs"


def _discipline(host: Host) -> str:
    state = host.facts["clock"]["adjtimex"]
    return "unknown" if state is None else "nobody" if state["unsync"] else "disciplined"


def _timeouts(host: Host) -> str:
    return ", ".join(f"{v.name}: {v.io_timeout_ms} ms" for v in volumes(host) if v.io_timeout_ms) or "unknown"


def _layers(host: Host) -> str:
    return f"{max(overlays(host).values(), default=0)} layers"


CHANGES = (
    Change(
        id="ask-provider",
        setting="what only the provider or the owner of the hypervisor can change",
        scope="reboot",
        default="the provider's choice",
        risk="another machine type costs another price, and its own lies: measure it before you move",
        how="ask for {to}",
        undo="ask for what you had ({now})",
        probe="smt-core",
        now=unknown,
    ),
    Change(
        id="governor",
        setting="frequency governor",
        scope="host",
        default="schedutil or the driver's own",
        risk="more power and heat; on shared hosts the hypervisor decides, not the guest",
        how="echo {to} > /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        undo="echo {now} there again",
        probe="cpu-frequency",
        now=lambda host: str(host.facts["cpu"]["governor"] or "none"),
    ),
    Change(
        id="cpu-quota",
        setting="CPU limit of the control group",
        scope="cgroup",
        default="no limit",
        risk="whoever shares the machine loses what this group gains",
        how="set {to}: cpu.max (version 2) or cpu.cfs_quota_us (version 1), or the limit of the orchestrator",
        undo="set the limit to {now} again",
        probe="cpu-share",
        now=_quota,
    ),
    Change(
        id="chrony-phc",
        setting="reference clock",
        scope="host",
        default="none",
        risk="a wrong reference pulls the whole host with it; keep a second source",
        how="add `{to}` to chrony.conf",
        undo="remove that line from chrony.conf",
        probe="clock-rate",
        now=_discipline,
    ),
    Change(
        id="time-sync",
        setting="discipline of the clock",
        scope="host",
        default="none",
        risk="the first correction may step the wall clock (makestep)",
        how="install and start {to}",
        undo="stop it",
        probe="clock-rate",
        now=_discipline,
    ),
    Change(
        id="near-volume",
        setting="which volume holds what",
        scope="process",
        default="everything on one",
        risk="an instance's own disk is gone with the instance: nothing that must survive it",
        how="put there what is read or flushed often: {to}",
        undo="move it back ({now})",
        probe="block-remote",
        now=unknown,
    ),
    Change(
        id="watch-latency",
        setting="what the monitoring watches",
        scope="host",
        default="iowait",
        risk="none",
        how="watch {to}",
        undo="watch iowait again ({now})",
        probe="block-remote",
        now=unknown,
    ),
    Change(
        id="flush-through",
        setting="whether flushes reach the disk",
        scope="host",
        default="they do",
        risk="every fsync then takes as long as the disk needs",
        how="let flushes through: {to}",
        undo="as it was ({now})",
        probe="flush-honesty",
        now=unknown,
    ),
    Change(
        id="io-timeout",
        setting="how long the kernel waits for a disk before it says so",
        scope="host",
        default="30 s for most drivers",
        risk="a timeout shorter than a path needs to fail over turns a pause into an I/O error",
        how="{to}",
        undo="as it was ({now})",
        probe="block-stall",
        now=_timeouts,
    ),
    Change(
        id="data-on-volume",
        setting="where files lie that are written",
        scope="process",
        default="in the image",
        risk="a volume outlives the container and must be backed up and removed by somebody",
        how="mount a volume there: {to}",
        undo="leave them in the image ({now})",
        probe="overlay-first-write",
        now=unknown,
    ),
    Change(
        id="fewer-layers",
        setting="layers of the image",
        scope="process",
        default="one layer for each step of the build",
        risk="a squashed image shares nothing with others: more to store and to pull",
        how="build the image with fewer steps or squash it: {to}",
        undo="build it as before ({now})",
        probe="overlay-lookup",
        now=_layers,
    ),
    Change(
        id="keep-containers",
        setting="how long a container lives",
        scope="process",
        default="as the orchestrator has it",
        risk="what one piece of work leaves behind, the next one finds",
        how="use {to}",
        undo="start one for each piece again ({now})",
        probe="container-vm",
        now=unknown,
    ),
    Change(
        id="container-network",
        setting="whose network a container has",
        scope="namespace",
        default="one of its own",
        risk="a container on the host's network sees and takes the host's ports",
        how="give hot paths {to} (--network host, hostNetwork: true)",
        undo="give it one of its own again ({now})",
        probe="container-vm",
        now=unknown,
    ),
    Change(
        id="lxcfs",
        setting="who answers for /proc/meminfo, /proc/stat and /proc/cpuinfo inside the container",
        scope="namespace",
        default="the kernel: the whole machine",
        risk="each read goes through FUSE, 380 us instead of 16 where it was measured, and agents read these files "
        "often; "
        "its CPUs may still be the machine's: run this probe again",
        how="mount the files of {to}: docker run -v /var/lib/lxcfs/proc/meminfo:/proc/meminfo, and so on",
        undo="start the container without these mounts ({now})",
        probe="container-facts",
        now=unknown,
    ),
    Change(
        id="cheaper-wiring",
        setting="how two programs of this host are joined",
        scope="process",
        default="as the orchestrator wires them",
        risk="less isolation between the two",
        how="use {to}",
        undo="go back to what it was ({now})",
        probe="net-virtual",
        now=unknown,
    ),
    Change(
        id="spread-packets",
        setting="which processors take a card's packets",
        scope="host",
        default="the one that takes the interrupt",
        risk="an interrupt between processors for each batch; caches of two processors hold the connection",
        how="do {to}",
        undo="echo 0 > /sys/class/net/DEVICE/queues/rx-N/rps_cpus ({now})",
        probe="net-interrupt",
        now=unknown,
    ),
)
