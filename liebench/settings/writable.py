"""Which files outside the catalogue are settings, for those who ask for them with --untested, and for gates.

/proc/sys holds settings, but for some that name a program which the kernel starts, that do something when they are
written, or that nobody can set back. In /sys it is the other way round: writing most files there does something (a
device goes, a driver is bound), so only the places are open where settings live.
"""

from __future__ import annotations

import re
from pathlib import Path

from liebench.errors import UsageError

ROOTS = ("/proc/sys/", "/sys/")
NEVER = re.compile(
    r"/proc/sys/(kernel/(core_pattern|modprobe|hotplug|poweroff_cmd|sysrq|usermodehelper/.*|modules_disabled|"
    r"kexec_.*_disabled|ns_last_pid|cad_pid)|fs/binfmt_misc/.*|vm/(drop_caches|compact_memory|stat_refresh)|net/.*/flush)"
    r"|.*/firmware_class/.*|.*/memory\.(reclaim|force_empty|peak|pressure_level)|.*/(cpu|io|irq|memory)\.pressure"
)
NAME = "[^/]+"
SYSFS = re.compile(
    rf"/sys/(block/{NAME}/(queue/(iosched/)?{NAME}|bdi/{NAME})|class/bdi/{NAME}/{NAME}"
    rf"|class/net/{NAME}/(queues/{NAME}/(byte_queue_limits/)?{NAME}|tx_queue_len|gro_flush_timeout|napi_defer_hard_irqs"
    rf"|threaded)|kernel/mm/.+|module/{NAME}/parameters/{NAME}"
    rf"|devices/system/clocksource/{NAME}/current_clocksource"
    rf"|devices/system/cpu/(cpu\d+/|cpufreq/)?(cpufreq|cpuidle|intel_pstate|amd_pstate|policy\d+|power)/.+"
    rf"|fs/cgroup/(.+/)?(cpu|memory|io|pids|cpuset|blkio|hugetlb|misc)\.[A-Za-z0-9_.]+)"
)


def path_of(name: str, root: Path = Path("/")) -> str:
    """``vm.swappiness``, ``vm/swappiness`` or a path below /proc/sys or /sys that is a setting.

    Raises UsageError for anything else: what is not there below ``root``, what leads elsewhere, what is no setting.
    """
    path = name if name.startswith("/") else f"/proc/sys/{name if '/' in name else name.replace('.', '/')}"
    parts = path.split("/")[1:]
    strange = not path.isprintable() or any(part in ("", ".", "..") for part in parts)
    if strange or not path.startswith(ROOTS) or not (root / path[1:]).is_file():
        raise UsageError(f"{name[:80]!r} is no sysctl and no file below /proc/sys or /sys; name one, as vm.swappiness")
    if NEVER.fullmatch(path) or (path.startswith("/sys/") and not SYSFS.fullmatch(path)):
        raise UsageError(
            f"{path[:120]} is no setting: writing it does something, names a program, or cannot be taken back"
        )
    return path
