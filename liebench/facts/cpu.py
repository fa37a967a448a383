"""What the kernel claims about processors."""

from __future__ import annotations

from typing import Any

from liebench.facts.limits import foreign_cpus
from liebench.facts.reader import Reader, cpu_list

CPUS = "/sys/devices/system/cpu"
INFO = "/proc/cpuinfo"
FLAGS = ("constant_tsc", "nonstop_tsc", "tsc_known_freq", "tsc_reliable", "hypervisor", "rdtscp", "fma")


def facts(reader: Reader, affinity: list[int] | None) -> dict[str, Any]:
    """``usable``: CPUs of our affinity mask that are online, not isolated, and in nobody else's cpuset."""
    info = reader.text(INFO) or ""
    online = cpu_list(reader.text(f"{CPUS}/online")) or list(range(info.count("processor\t")))
    isolated = cpu_list(reader.text(f"{CPUS}/isolated"))
    allowed = affinity if affinity is not None else online
    foreign = foreign_cpus(reader)
    usable = [c for c in allowed if c not in (*isolated, *foreign) and (not online or c in online)]
    siblings = {c: cpu_list(reader.text(f"{CPUS}/cpu{c}/topology/thread_siblings_list")) for c in online}
    cores = {tuple(s) for s in siblings.values() if s}
    packages = {reader.text(f"{CPUS}/cpu{c}/topology/physical_package_id") for c in online} - {None}
    flags = (reader.field(INFO, "flags") or reader.field(INFO, "Features") or "").split()
    return {
        "model": reader.field(INFO, "model name") or reader.field(INFO, "CPU part"),
        "vendor": reader.field(INFO, "vendor_id") or reader.field(INFO, "CPU implementer"),
        "x86": reader.field(INFO, "vendor_id") is not None,
        "online": len(online) or None,
        "usable": usable or allowed,
        "isolated": isolated,
        "foreign": foreign,
        "cores": len(cores) or None,
        "threads_per_core": max((len(s) for s in siblings.values()), default=0) or None,
        "sockets": len(packages) or None,
        "siblings": sorted(list(c) for c in cores if len(c) > 1),
        "smt_control": reader.text(f"{CPUS}/smt/control"),
        "mhz": _float(reader.field(INFO, "cpu MHz")),
        "microcode": reader.field(INFO, "microcode"),
        "governor": reader.text(f"{CPUS}/cpu0/cpufreq/scaling_governor"),
        "idle_driver": reader.text(f"{CPUS}/cpuidle/current_driver"),
        "flags": [f for f in FLAGS if f in flags],
    }


def _float(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
