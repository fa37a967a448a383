"""Log pages of NVMe controllers, read only (linux/nvme_ioctl.h; NVM Express base specification, "Get Log Page")."""

from __future__ import annotations

import os
import struct
from pathlib import Path

ADMIN_COMMAND, GET_LOG_PAGE, ALL_NAMESPACES = 0xC0484E41, 0x02, 0xFFFFFFFF
COMMAND = struct.Struct("<BBHIIIQQIIIIIIIIII")  # struct nvme_admin_cmd


def command(page: int, length: int, address: int) -> bytes:
    """The command that asks for ``length`` bytes of a page; its size is counted in words of four, from 0."""
    words = length // 4 - 1
    low = (words & 0xFFFF) << 16 | page
    return COMMAND.pack(
        GET_LOG_PAGE, 0, 0, ALL_NAMESPACES, 0, 0, 0, address, 0, length, low, words >> 16, 0, 0, 0, 0, 0, 0
    )


def log_page(device: Path, page: int, length: int) -> bytes | None:
    """A page of the controller behind ``device``; None where it has none, or we may not ask (CAP_SYS_ADMIN)."""
    import ctypes
    import fcntl

    room = ctypes.create_string_buffer(length)
    try:
        fd = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.ioctl(fd, ADMIN_COMMAND, bytearray(command(page, length, ctypes.addressof(room))))
    except OSError:
        return None
    finally:
        os.close(fd)
    return room.raw
