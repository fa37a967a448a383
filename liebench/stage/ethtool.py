"""What a network card says of itself: its counters and the length of its rings (ethtool_netlink.rst, SIOCETHTOOL)."""

from __future__ import annotations

import array
import socket
import struct
from dataclasses import dataclass

SIOCETHTOOL = 0x8946
GSSET_INFO, GSTRINGS, GSTATS, GRINGPARAM = 0x37, 0x1B, 0x1D, 0x10
STATS, NAME_BYTES, MOST = 1, 32, 4096


@dataclass(frozen=True, slots=True)
class Rings:
    receive: int
    receive_most: int


def _ask(card: str, request: bytes) -> bytes | None:
    """The answer to one request of struct ethtool_*; None where the card does not take it."""
    import fcntl

    room = array.array("B", request)
    address, _ = room.buffer_info()
    name = card.encode()[:15].ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, SIOCETHTOOL, struct.pack("16sP16x", name, address))
        except OSError:
            return None
    return room.tobytes()


def statistics_of(card: str) -> dict[str, int]:
    """The card's own counters by name; empty where it has none or does not tell."""
    head = _ask(card, struct.pack("IIQI", GSSET_INFO, 0, 1 << STATS, 0))
    count = struct.unpack_from("I", head, 16)[0] if head and struct.unpack_from("Q", head, 8)[0] else 0
    if not 0 < count <= MOST:
        return {}
    names = _ask(card, struct.pack("III", GSTRINGS, STATS, count) + bytes(NAME_BYTES * count))
    values = _ask(card, struct.pack("II", GSTATS, count) + bytes(8 * count))
    if names is None or values is None:
        return {}
    labels = [
        names[12 + NAME_BYTES * i : 12 + NAME_BYTES * (i + 1)].split(b"\0")[0].decode("ascii", "replace")
        for i in range(count)
    ]
    return dict(zip(labels, struct.unpack_from(f"{count}Q", values, 8), strict=True))


def rings(card: str) -> Rings | None:
    """How many packets wait in the card's receive ring; None where it does not tell."""
    found = _ask(card, struct.pack("9I", GRINGPARAM, *(0,) * 8))
    if found is None:
        return None
    _, receive_most, _, _, _, receive, *_ = struct.unpack("9I", found)
    return Rings(receive, receive_most) if receive else None
