"""Network cards: which processors take their packets, as the kernel has counted since it started."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from liebench.facts.reader import Reader

DELIVERS = re.compile(r"(^|-)(input|rx|txrx|comp|fp|q|queue|TxRx|Tx-Rx)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Card:
    """One physical or paravirtual card. ``taken``: interrupts per processor; ``queues``: of receiving."""

    name: str
    driver: str
    queues: int
    steered: int  # queues whose packets are handed to other processors
    taken: tuple[int, ...]


def cards(reader: Reader) -> list[Card]:
    """Cards with a device of their own: no loopback, bridges, or virtual pairs."""
    found = []
    for name in reader.names("/sys/class/net"):
        device = f"/sys/class/net/{name}/device"
        if not reader.exists(device):
            continue
        folder = f"/sys/class/net/{name}/queues"
        queues = reader.names(folder, "rx-*")
        masks = [reader.text(f"{folder}/{queue}/rps_cpus") or "" for queue in queues]
        driver = reader.path(f"{device}/driver")
        found.append(
            Card(
                name,
                driver.resolve().name if driver.is_symlink() else "unknown",
                len(queues),
                sum(bool(mask.strip("0,")) for mask in masks),
                _taken(reader, {name, _of(reader, device)}, set(reader.names(f"{device}/msi_irqs"))),
            )
        )
    return found


def _of(reader: Reader, device: str) -> str:
    """The name of the device below the card, as interrupts carry it: virtio1, 0000:00:05.0."""
    path = reader.path(device)
    return path.resolve().name if path.is_symlink() else ""


def _taken(reader: Reader, labels: set[str], numbers: set[str]) -> tuple[int, ...]:
    """Interrupts per processor of the rows that deliver this card's packets (/proc/interrupts, proc(5))."""
    lines = (reader.text("/proc/interrupts") or "").splitlines()
    count = len(lines[0].split()) if lines else 0
    sums = [0] * count
    for line in lines[1:]:
        number, _, rest = line.partition(":")
        cells = rest.split()
        action = cells[-1] if len(cells) > count else ""
        label, _, part = action.partition("-")
        mine = label in labels or number.strip() in numbers
        if not mine or (part and not DELIVERS.search(part)):
            continue
        for cpu, cell in enumerate(cells[:count]):
            sums[cpu] += int(cell) if cell.isdigit() else 0
    return tuple(sums)


def softirqs(reader: Reader, name: str = "NET_RX") -> tuple[int, ...]:
    """How often each processor worked on received packets (/proc/softirqs); empty where the kernel does not tell."""
    for line in (reader.text("/proc/softirqs") or "").splitlines():
        label, _, rest = line.partition(":")
        if label.strip() == name:
            return tuple(int(cell) for cell in rest.split() if cell.isdigit())
    return ()


def allowances(stats: Mapping[str, int]) -> Mapping[str, int]:
    """What a card of Amazon's confesses: packets it queued or dropped beyond its allowance (ENA, ethtool -S)."""
    return {key: value for key, value in stats.items() if key.endswith("allowance_exceeded")}
