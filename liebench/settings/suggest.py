"""What to try a setting with where only its name was given: a rule with its source, never a constant for everybody.

A value that was measured on this host comes first (the advice of its newest run). A rule only says what is worth a
trial; whether it helps here, the trial says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from liebench.errors import UsageError
from liebench.host import Host
from liebench.settings.catalogue import find, in_force
from liebench.settings.defaults import default_of
from liebench.settings.knob import Knob, offered

SuggestRule = Callable[[Knob, Host, str], tuple[str, str]]  # (knob, host, value in force) -> (value to try, the rule)
MIB = 1 << 20


def _fixed(value: str, why: str) -> SuggestRule:
    return lambda knob, host, now: (value, why)


def _other(values: Mapping[str, str], why: str) -> SuggestRule:
    """What stands beside each value; the one of ``""`` for all others."""
    return lambda knob, host, now: (values.get(now, values[""]), why)


def _at_least(value: int, why: str) -> SuggestRule:
    return lambda knob, host, now: (str(max(int(now), value)), why)


def _twice(why: str) -> SuggestRule:
    return lambda knob, host, now: (str(2 * int(now)), why)


def _offered(path: str, wanted: tuple[str, ...], why: str) -> SuggestRule:
    """The first of ``wanted`` that the kernel lists in a file and that is not in force."""

    def rule(knob: Knob, host: Host, now: str) -> tuple[str, str]:
        listed = offered(host.read(path or knob.path) or "")
        found = next((w for w in wanted if w in listed and w != now), None)
        if found is None:
            raise UsageError(f"{knob.key}: the kernel offers {' '.join(listed) or 'nothing'}, none of it worth a rule")
        return found, why

    return rule


def _every_processor(knob: Knob, host: Host, now: str) -> tuple[str, str]:
    mask = sum(1 << cpu for cpu in host.processors)
    words = [f"{mask >> shift & 0xFFFFFFFF:08x}" for shift in range(0, max(mask.bit_length(), 1), 32)][::-1]
    words[0] = words[0].lstrip("0") or "0"
    return ",".join(words), "every processor that may be used (Documentation/networking/scaling.rst, RPS)"


def _one_thread_a_core(knob: Knob, host: Host, now: str) -> tuple[str, str]:
    from liebench.facts.reader import cpu_list
    from liebench.settings.launch import processors

    first = set()
    for cpu in host.processors:
        siblings = host.read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        first.add(min(cpu_list(siblings) or [cpu]) if siblings else cpu)
    return processors(",".join(map(str, sorted(first)))), "the first thread of every core (the kernel's topology)"


TRIED_US = 40_000  # the quota of the trial's own group (probes/quota_spike)


def _quota(knob: Knob, host: Host, now: str) -> tuple[str, str]:
    """As much as the quota, which is the most that the kernel takes, or as the trial can show."""
    why = "as large as the quota, the most that the kernel takes (sched-bwc.rst), or as the trial's, 40 ms in 100 ms"
    if knob.several:
        return str(TRIED_US), why
    folder = knob.path.rpartition("/")[0]
    text = host.read(f"{folder}/cpu.max") or host.read(f"{folder}/cpu.cfs_quota_us") or ""
    quota = text.split()[0] if text.split() else ""
    if not quota.isdecimal():
        raise UsageError(f"{folder} has no quota, so there is nothing to keep for later")
    return str(min(int(quota), TRIED_US)), why


def _asks(what: str) -> SuggestRule:
    """No value without a number that only the user has, or can measure."""

    def rule(knob: Knob, host: Host, now: str) -> tuple[str, str]:
        raise UsageError(f"{knob.key} is {now}, and its rule wants a number of yours: {what}")

    return rule


LATER = "what newer kernels set by themselves"
SUGGEST_RULES: Mapping[str, SuggestRule] = {
    "idle-restart": _other({"0": "1", "": "0"}, "the other of its two values (ip-sysctl.rst)"),
    "receive-window": _at_least(32 * MIB, f"{LATER}: 32 MiB since 6.16, and never less than now (net/ipv4/tcp.c)"),
    "send-window": _at_least(4 * MIB, "the kernel's own 4 MiB where memory allows, never less than now (tcp.c)"),
    "rmem-max": _at_least(4 * MIB, f"{LATER}: 4 MiB since 6.18, and never less than now (include/net/sock.h)"),
    "wmem-max": _at_least(4 * MIB, f"{LATER}: 4 MiB since 6.18, and never less than now (include/net/sock.h)"),
    "backlog": _twice("twice as long as now: no size helps where packets come faster for good (sysctl/net.rst)"),
    "budget": _twice("twice as much as now (Documentation/admin-guide/sysctl/net.rst)"),
    "congestion": _offered(
        "/proc/sys/net/ipv4/tcp_available_congestion_control", ("bbr", "cubic"), "what the kernel has loaded beside it"
    ),
    "steer-packets": _every_processor,
    "huge-pages": _other({"never": "madvise", "always": "madvise", "": "always"}, "the next one (transhuge.rst)"),
    "zswap": _other({"Y": "N", "": "Y"}, "the other of its two values (zswap.rst)"),
    "halt-poll": _other({"0": "200000", "": "0"}, "none, or the kernel's own 200 us (guest-halt-polling.rst)"),
    "clocksource": _offered(
        "/sys/devices/system/clocksource/clocksource0/available_clocksource",
        ("tsc",),
        "the counter that is read without leaving the program (timekeeping.rst)",
    ),
    "timer-slack": _fixed("1", "the least that there is (PR_SET_TIMERSLACK in prctl(2))"),
    "taskset": _one_thread_a_core,
    "cpu-burst": _quota,
    "overlay-metacopy": _other({"Y": "N", "": "Y"}, "the other of its two values (overlayfs.rst)"),
    "io-scheduler": _offered("", ("none", "mq-deadline"), "what the queue offers beside it (switching-sched.rst)"),
    "dirty-background-bytes": _asks(
        "what the disk writes in a second, as fio says (vm.rst), so dirty-background-bytes=BYTES"
    ),
    "dirty-bytes": _asks("four times what the disk writes in a second, as fio says (vm.rst), so dirty-bytes=BYTES"),
    "nice": _asks("below 0 it goes before others, above 0 after them (sched(7)), as nice=5"),
    "mount": _other({"noatime": "relatime", "": "noatime"}, "no times of reading, or the kernel's own way (mount(8))"),
    "readahead": _twice("twice as much as now (queue-sysfs.rst)"),
    "not-rotational": _other({"0": "1", "": "0"}, "the other of its two values (queue-sysfs.rst)"),
}


def proposed(name: str, host: Host, advised: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """(``name=value`` to try, where the value comes from). ``advised``: by id, value and reason of the newest run.

    Raises UsageError where neither a measurement nor a rule gives a value that is not in force already.
    """
    knob = find(name)
    now = in_force(knob, host, rig=True)
    value, why = advised.get(knob.id, ("", ""))
    if not (value and knob.takes(value)):
        rule = SUGGEST_RULES.get(knob.id.partition(":")[0])  # mount:PATH
        if rule is None:
            raise UsageError(f"{knob.key} is {now}, and {_unruled(knob)}, as {knob.id}=VALUE{_default(knob, host)}")
        value, why = rule(knob, host, now)
    if value == now:
        raise UsageError(f"{knob.key} is {now} already, which is what the rule gives ({why}); name another value")
    return f"{name}={value}", why


def _unruled(knob: Knob) -> str:
    """Who says what is worth a try where no rule does."""
    if knob.trial is None:
        return "no rule says what is worth a try: name a value"
    return "what is worth a try depends on what was measured: `liebench run` first, or name a value"


def _default(knob: Knob, host: Host) -> str:
    found = default_of(knob.key, host)
    return f" (the kernel's own is {found})" if found else ""
