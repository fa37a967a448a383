"""Dumps by netlink(7): messages in, messages out, no program and no library."""

from __future__ import annotations

import socket
import struct

HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
REQUEST, DUMP = 0x1, 0x300
ERROR, DONE = 2, 3
KIND_MASK = 0x3FFF  # of an attribute's type: NLA_F_NESTED and NLA_F_NET_BYTEORDER are flags
PATIENCE_S, ROOM = 1.0, 1 << 18


def ask(protocol: int, kind: int, payload: bytes, dump: bool = True) -> list[bytes] | None:
    """The payloads of all answers; None where the kernel refuses. A dump is read to its end, which takes many reads."""
    found: list[bytes] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as link:
            link.settimeout(PATIENCE_S)
            flags = REQUEST | (DUMP if dump else 0)
            link.sendto(HEADER.pack(HEADER.size + len(payload), kind, flags, 1, 0) + payload, (0, 0))
            while True:
                for answer, body in _messages(link.recv(ROOM)):
                    if answer == ERROR:
                        return None
                    if answer == DONE:
                        return found
                    found.append(body)
                if not dump:
                    return found
    except (OSError, AttributeError, struct.error):
        return None


def _messages(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at + HEADER.size <= len(data):
        length, kind, _, _, _ = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            break
        found.append((kind, data[at + HEADER.size : at + length]))
        at += (length + 3) & ~3
    return found


def attributes(data: bytes, at: int = 0) -> dict[int, bytes]:
    """Type -> value of the attributes that begin at ``at``."""
    found = {}
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            break
        found[kind & KIND_MASK] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode("utf-8", "replace")


def number(value: bytes | None) -> int | None:
    return struct.unpack_from("=i", value)[0] if value is not None and len(value) >= 4 else None
