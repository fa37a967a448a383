"""Memory: who had to reclaim before it could go on, and what came back (/proc/vmstat; mm/vmstat.c names them)."""

from __future__ import annotations

from liebench.facts.reader import Reader
from liebench.look.sign import OURS, Finding, Sign, Window, find_all, number

KEPT = (
    "allocstall",
    "pgscan_direct",
    "compact_stall",
    "workingset_refault",
    "pswpin",
    "pswpout",
    "pgmajfault",
    "pgpgin",
    "oom_kill",
)
ZONED = ("allocstall", "pgscan_direct")  # one counter per zone: the first since 4.8, the second until 4.7
SIGNS = (
    Sign(
        id="reclaim-stall",
        what="reclaim stalls",
        top=("vm.allocstall",),
        limit=1.0,
        source=f"{OURS}: each made an allocation wait for pages to be freed",
        says="{count} allocations waited until the kernel had freed pages ({amount})",
        settle="liebench run memory-promise",
    ),
    Sign(
        id="direct-scan",
        what="scans by programs themselves",
        top=("vm.pgscan_direct",),
        limit=256.0,
        source=f"{OURS}: 1 MiB a second",
        says="programs looked for pages to free themselves: {amount}",
        settle="liebench run memory-promise",
    ),
    Sign(
        id="compact-stall",
        what="compaction stalls",
        top=("vm.compact_stall",),
        limit=1.0,
        source=f"{OURS}: each made an allocation wait for pages to be moved together",
        says="{count} allocations waited until pages had been moved together ({amount})",
        settle="liebench run memory-promise",
    ),
    Sign(
        id="refault",
        what="refaults of files",
        top=("vm.workingset_refault_file",),
        limit=256.0,
        source=f"{OURS}: 1 MiB a second read again",
        says="pages of files were read again that had just been dropped: {amount}",
        settle="liebench run swap-cache",
    ),
    Sign(
        id="refault-anon",
        what="refaults of programs",
        top=("vm.workingset_refault_anon",),
        limit=10.0,
        source=f"{OURS}: a program waits for each",
        says="pages of programs were read back soon after they were dropped: {amount}",
        settle="liebench run swap-cache",
    ),
    Sign(
        id="swap-in",
        what="swapping in",
        top=("vm.pswpin",),
        limit=10.0,
        source=f"{OURS}: a program waits for each",
        says="pages came back from swap, and programs waited for each: {amount}",
        settle="liebench run swap-cache",
    ),
    Sign(
        id="swap-out",
        what="swapping out",
        top=("vm.pswpout",),
        limit=256.0,
        source=f"{OURS}: 1 MiB a second",
        says="pages went out to swap: {amount}",
        settle="liebench run swap-cache",
    ),
    Sign(
        id="major-fault",
        what="major faults",
        top=("vm.pgmajfault",),
        limit=50.0,
        source=f"{OURS}: 5 ms of every second at 100 us each",
        says="page faults waited for a disk: {amount}",
        settle="liebench run file-map",
    ),
)


def read(reader: Reader) -> dict[str, float]:
    """The counters in ``KEPT``; where a kernel counts per zone or kind of page, their sum as well."""
    found: dict[str, float] = {}
    for line in (reader.text("/proc/vmstat") or "").splitlines():
        name, _, value = line.partition(" ")
        count = number(value.strip())
        if count is None or not name.startswith(KEPT) or name.endswith("_throttle"):
            continue
        found[f"vm.{name}"] = found.get(f"vm.{name}", 0.0) + count
        for whole in ZONED:
            if name.startswith(f"{whole}_"):
                found[f"vm.{whole}"] = found.get(f"vm.{whole}", 0.0) + count
    if "vm.workingset_refault" in found:  # not told apart before 5.9
        found["vm.workingset_refault_file"] = found.pop("vm.workingset_refault")
    return found


def find(window: Window) -> list[Finding]:
    return find_all(SIGNS, window)
