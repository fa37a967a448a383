"""/proc/net/softnet_stat: what became of packets on each processor since the host started (net/core/net-procfs.c)."""

from __future__ import annotations

from dataclasses import dataclass

from liebench.facts.reader import Reader

FEWEST, CPU = 9, 12  # columns; the processor's number stands in the thirteenth from kernel 5.10 on


@dataclass(frozen=True, slots=True)
class Softnet:
    """One processor's counters: packets processed, dropped for want of room, and how often it ran out of time."""

    cpu: int
    processed: int
    dropped: int
    squeezed: int


def softnet(reader: Reader) -> list[Softnet] | None:
    """A row per processor that is online; None where the file is missing or not what this kernel family writes."""
    rows = []
    for index, line in enumerate((reader.text("/proc/net/softnet_stat") or "").splitlines()):
        try:
            cells = [int(cell, 16) for cell in line.split()]
        except ValueError:
            return None
        if len(cells) < FEWEST:
            return None
        rows.append(Softnet(cells[CPU] if len(cells) > CPU else index, cells[0], cells[1], cells[2]))
    return rows or None


def steering(reader: Reader) -> list[str]:
    """Cards whose packets are handed to other processors (rps_cpus is not empty)."""
    found = []
    for name in reader.names("/sys/class/net"):
        folder = f"/sys/class/net/{name}/queues"
        masks = [reader.text(f"{folder}/{queue}/rps_cpus") or "" for queue in reader.names(folder, "rx-*")]
        if any(mask.strip("0,") for mask in masks):
            found.append(name)
    return found
