"""Memory: who had to reclaim before it could go on, and what came back (/proc/vmstat; mm/vmstat.c names them)."""

from __future__ import annotations

from liebench.facts.reader import Reader
from liebench.look.sign import OURS, Finding, Sign, Window, find_all, number

KEPT = ("allocstall", "pgscan_direct", "compact_stall", "workingset_refault", "pswpin", "pswpout", "pgmajfault",
        "pgpgin", "oom_kill")  # fmt: skip
ZONED = ("allocstall", "pgscan_direct")  # one counter per zone: the first since 4.8, the second until 4.7
SIGNS = (
    Sign(
        "reclaim-stall", "reclaim stalls", ("vm.allocstall",), 1.0,
        f"{OURS}: each made an allocation wait for pages to be freed",
        "{count} allocations waited until the kernel had freed pages ({amount})", "liebench run memory-promise",
    ),
    Sign(
        "direct-scan", "scans by programs themselves", ("vm.pgscan_direct",), 256.0,
        f"{OURS}: 1 MiB a second", "programs looked for pages to free themselves: {amount}",
        "liebench run memory-promise",
    ),
    Sign(
        "compact-stall", "compaction stalls", ("vm.compact_stall",), 1.0,
        f"{OURS}: each made an allocation wait for pages to be moved together",
        "{count} allocations waited until pages had been moved together ({amount})", "liebench run memory-promise",
    ),
    Sign(
        "refault", "refaults of files", ("vm.workingset_refault_file",), 256.0, f"{OURS}: 1 MiB a second read again",
        "pages of files were read again that had just been dropped: {amount}", "liebench run swap-cache",
    ),
    Sign(
        "refault-anon", "refaults of programs", ("vm.workingset_refault_anon",), 10.0,
        f"{OURS}: a program waits for each", "pages of programs were read back soon after they were dropped: {amount}",
        "liebench run swap-cache",
    ),
    Sign(
        "swap-in", "swapping in", ("vm.pswpin",), 10.0, f"{OURS}: a program waits for each",
        "pages came back from swap, and programs waited for each: {amount}", "liebench run swap-cache",
    ),
    Sign(
        "swap-out", "swapping out", ("vm.pswpout",), 256.0, f"{OURS}: 1 MiB a second",
        "pages went out to swap: {amount}", "liebench run swap-cache",
    ),
    Sign(
        "major-fault", "major faults", ("vm.pgmajfault",), 50.0, f"{OURS}: 5 ms of every second at 100 us each",
        "page faults waited for a disk: {amount}", "liebench run file-map",
    ),
)  # fmt: skip


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
