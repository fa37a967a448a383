"""Usage of this host: what is dear to ask first, then the counters twice, around an idle sleep.

So that nothing of the asking itself is in the window. Takes the window and, with 5,000 processes, half a second more.
"""

from __future__ import annotations

from collections.abc import Mapping

from liebench.facts import boot
from liebench.facts.mounts import mounts_in
from liebench.facts.reader import Reader
from liebench.facts.usage import census, connections, counters, disks, groups, links, namespaces
from liebench.facts.usage.counters import Count, Counters
from liebench.facts.usage.outside import Outside
from liebench.facts.usage.scan import Scan, scan
from liebench.facts.usage.settings import settings
from liebench.facts.usage.sources import Sources
from liebench.facts.usage.values import Rate, Seen, Usage

WINDOW_S = 3.0
MOST_GROUPS = 2000
FIRST_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, linux/proc_ns.h
HIDES = ("hidepid=", "subset=")
EXCEEDED = "NVMe log page 0xd0"

Ours = Mapping[str, tuple[int, int] | None]


def observe(
    reader: Reader,
    outside: Outside,
    window_s: float = WINDOW_S,
    ours: Ours | None = None,
    own_s: float = 0.0,
    own_networks: frozenset[int] = frozenset(),
) -> Usage:
    """``ours``: liebench's share of counters since boot, by name; None: not known. ``own_s``: see ``Usage``.

    Raises nothing: what cannot be read is None.
    """
    mounts = mounts_in(reader.text("/proc/self/mountinfo"))
    sources = Sources(reader, mounts)
    found = scan(reader, outside.own_pid(), own_networks)
    threads = _threads(sources)
    spaces = namespaces.survey(reader, found.processes, mounts)
    limited = groups.walk(reader, MOST_GROUPS)
    root = _is_root(reader)
    files = census.open_files(reader, found.processes) if root else None
    stack = disks.below(reader, mounts, (sources.lines("/proc/swaps") or [])[1:])
    devices = outside.links()
    kinds = links.kinds_of(reader, devices) if devices is not None else {}
    set_to = settings(sources, outside) | {
        "xfs.reflinked": disks.reflinked(mounts, outside),
        "guests.by": "open files" if files and files.whole else "names",
    }
    copied = namespaces.copy_ups(reader, spaces) if root else None
    waits = sources.text("/proc/pressure/cpu") is None

    def now() -> Counters:
        told = {name: outside.exceeded_us(name) for name in stack.disks}
        return {
            **counters.read(sources, stack.disks, outside.links(), kinds),
            **groups.counters(reader, limited),
            **{f"disk.{name}.exceeded_us": Count(value, EXCEEDED) for name, value in told.items() if value is not None},
        }

    watched, first = found.processes, outside.connections()
    marks = census.marks(reader, watched, waits, anew=False)
    ask_steps = outside.watch_steps()
    begin, before = outside.monotonic(), now()
    outside.sleep(window_s)
    end, after = outside.monotonic(), now()
    steps = ask_steps()
    last = outside.connections()
    later = census.marks(reader, watched, waits, anew=True)

    rates = counters.rates(before, after, ours) | census.moved(watched, marks, later)
    rates["clock.steps"] = Rate(None, steps, None, 64, "timerfd, TFD_TIMER_CANCEL_ON_SET")
    restarts = set_to["tcp.restarts_after_idle"]
    sockets = connections.summary(first, last, restarts if isinstance(restarts, int) else None, spaces.elsewhere)
    processes = census.counts(reader, found, marks, later, files)
    return Usage(
        uptime_s=outside.uptime_s() or boot.uptime_s(reader),
        window_s=end - begin,
        clock_moved_s=boot.node_jump_s(reader),
        seen=_seen(sources, found, threads, spaces, root),
        rates=dict(sorted(rates.items())),
        settings=set_to,
        processes=processes | {"on_overlay": spaces.on_overlay, "other_networks": spaces.beyond},
        mounts=disks.kinds(mounts),
        stacks=disks.stacks(reader, stack, mounts),
        overlays=namespaces.overlay_layers(spaces) if mounts else None,
        copy_ups=copied,
        disks=disks.described(sources, stack),
        limits=groups.limits(reader, limited, outside.address_space()),
        links=None if devices is None else links.summary(devices, kinds),
        sockets=sockets or connections.counted(namespaces.here(reader), spaces.elsewhere),
        own_s=own_s,
    )


def counted(reader: Reader, outside: Outside) -> Counters:
    """The counters of the whole host as they stand now: some milliseconds."""
    mounts = mounts_in(reader.text("/proc/self/mountinfo"))
    sources = Sources(reader, mounts)
    stack = disks.below(reader, mounts, (sources.lines("/proc/swaps") or [])[1:])
    devices = outside.links()
    return counters.read(sources, stack.disks, devices, {} if devices is None else links.kinds_of(reader, devices))


def gained(before: Counters, after: Counters) -> dict[str, int]:
    """What each counter gained between two readings; nothing of those that cannot be told."""
    growth = {n: counters.grown(before[n].value, c.value, c.bits) for n, c in after.items() if n in before}
    return {name: count for name, count in growth.items() if count}


def _seen(sources: Sources, found: Scan, threads: int | None, spaces: namespaces.Namespaces, root: bool) -> Seen:
    reader = sources.reader
    return Seen(
        processes=found.all_processes,
        threads=found.all_threads,
        threads_of_kernel=threads,
        vanished=found.vanished,
        hidepid=_hidden(reader),
        first_pid_namespace=_first_pid_namespace(reader),
        real_cgroup_root=groups.real_root(reader),
        net_namespaces=spaces.networks,
        mount_namespaces=spaces.mounts,
        exact_mounts=spaces.exact,
        masked=tuple(sorted(sources.masked)),
        lxcfs=sources.lxcfs,
        root=root,
    )


def _threads(sources: Sources) -> int | None:
    """The second number of field 4 of /proc/loadavg: threads of the whole kernel, in every pid namespace."""
    words = (sources.text("/proc/loadavg") or "").split()
    total = words[3].partition("/")[2] if len(words) > 3 else ""
    return int(total) if total.isdecimal() else None


def _is_root(reader: Reader) -> bool:
    """Effective user 0, as this process's status says; in a user namespace that is less than it sounds."""
    words = (reader.field("/proc/self/status", "Uid") or "").split()
    return len(words) > 1 and words[1] == "0"


def _hidden(reader: Reader) -> str | None:
    """Options of the /proc that is on top by which it hides processes or files; "" for none (proc(5))."""
    shown = [m for m in mounts_in(reader.text("/proc/self/mountinfo")) if m.point == "/proc" and m.kind == "proc"]
    if not shown:
        return None
    return ",".join(option for option in shown[-1].whole.split(",") if option.startswith(HIDES))


def _first_pid_namespace(reader: Reader) -> bool | None:
    try:
        return reader.path("/proc/self/ns/pid").readlink().name == FIRST_PID_NAMESPACE
    except OSError:
        return None
