"""The value that this host's kernel would have of a setting by itself; ``default_of`` is None where we do not know.

What has one value per version stands in ``defaults_table.py``, what the kernel computes in ``defaults_computed.py``.
"""

from __future__ import annotations

from liebench.facts.reader import as_int
from liebench.host import Host
from liebench.settings.defaults_computed import TOLERANCE, Kernel, by_version, rule_of, version_of
from liebench.settings.defaults_table import TABLE

GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
CLOCK = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
UNTOLD = (CLOCK, GOVERNOR)  # chosen by rating, or by the driver of the processor: shown, and not judged


def default_of(key: str, host: Host) -> str | None:
    """The kernel's own value of a sysctl (``vm.swappiness``) or a file of /sys; ``gone`` where it has none any more.

    None where it is not known for this version, or depends on what cannot be read here. Never a guess.
    """
    if key in TABLE:
        return by_version(TABLE[key].values, version_of(host.facts.get("kernel", {}).get("release") or ""))
    rule = rule_of(key)
    return rule.compute(Kernel(host)) if rule else None


def source_of(key: str) -> str | None:
    rule = rule_of(key)
    return TABLE[key].source if key in TABLE else rule.source if rule else None


def is_limit(key: str) -> bool:
    """Whether less than the default takes something away: a size limit."""
    rule = rule_of(key)
    return TABLE[key].limit if key in TABLE else bool(rule and rule.limit)


def same(key: str, now: str, default: str) -> bool:
    """Whether a value is the default, within what a rule can know."""
    one, other = now.split(), default.split()
    if one == other or (key == "net.ipv4.tcp_notsent_lowat" and now == "-1"):
        return True
    rule = rule_of(key)
    if rule is None or not rule.near or len(one) != len(other):
        return False
    return all(_near(as_int(a), as_int(b)) for a, b in zip(one, other, strict=True))


def below(key: str, now: str, default: str) -> bool:
    """Whether any number of a limit lies below the kernel's own, by more than a rule may err."""
    rule = rule_of(key)
    slack = 1 - TOLERANCE if rule and rule.near else 1.0
    pairs = zip(now.split(), default.split(), strict=False)
    return any((a := as_int(x)) is not None and (b := as_int(y)) is not None and a < slack * b for x, y in pairs)


def _near(one: int | None, other: int | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= TOLERANCE * max(abs(one), abs(other))
