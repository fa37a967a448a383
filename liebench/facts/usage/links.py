"""Network devices by kind, and who stands behind the ports of a bridge. Names are compared, and not kept."""

from __future__ import annotations

from collections import Counter

from liebench.facts.reader import Reader
from liebench.facts.usage.outside import Link
from liebench.facts.usage.values import Links

BUSES = ("pci", "virtio", "vmbus", "xen", "usb", "platform", "xen-backend")
HERE = -1


def kinds_of(reader: Reader, links: list[Link]) -> dict[str, str]:
    """Name -> kind: the kernel's word (veth, bridge, tun, vxlan ...), ``loopback``, ``card``, or ``other``."""
    return {link.name: link.kind or ("loopback" if link.loopback else _hardware(reader, link.name)) for link in links}


def _hardware(reader: Reader, name: str) -> str:
    """A card has a device below it, on a bus that carries hardware or what a hypervisor makes of it."""
    bus = reader.path(f"/sys/class/net/{name}/device/subsystem")
    try:
        return "card" if bus.is_symlink() and bus.resolve().name in BUSES else "other"
    except OSError:
        return "other"


def summary(links: list[Link], kinds: dict[str, str]) -> Links:
    """``owners``: distinct namespaces behind a bridge's ports; ports without the other end's number are this one's."""
    bridges = [link.number for link in links if link.kind == "bridge"]
    behind = {at: [HERE if p.netnsid is None else p.netnsid for p in links if p.master == at] for at in bridges}
    return Links(
        kinds=dict(sorted(Counter(kinds.values()).items())),
        ports=tuple(sorted(len(ports) for ports in behind.values())),
        owners=tuple(sorted(len(set(ports)) for ports in behind.values())),
    )
