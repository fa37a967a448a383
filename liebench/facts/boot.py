"""Which boot this is, and whether the wall clock still agrees with the stamps that the boot left behind.

``btime`` of /proc/stat is wall time minus time since boot *now*; a stamp was taken with the wall clock of *then*.
Where the two differ, the clock was set, or the machine was paused and resumed, in between.
"""

from __future__ import annotations

import re
import time
from typing import Any

from liebench.facts.mounts import mounts_in
from liebench.facts.reader import Reader, as_int

NODES = ("zero", "full", "cpu_dma_latency", "hwrng", "rtc0", "snapshot")  # made at boot, rewritten by nobody
JUMP_S = 60.0  # below this a slow boot explains the difference
READ_ALL, MOST_LOG = 3, 1 << 20  # SYSLOG_ACTION_READ_ALL of syslog(2); bytes
AUDIT = re.compile(r"audit\((\d{9,})\.\d+:\d+\)")
STAMP = re.compile(r"^(?:<\d+>)?\[\s*(\d+)\.\d+\]|^\d+,\d+,(\d+),")


def facts(reader: Reader, live: bool) -> dict[str, Any]:
    """``past_jump_s``: btime minus the boot's own stamp where over a minute, 0 below, None without a witness."""
    btime = as_int(reader.field("/proc/stat", "btime", " "))
    witnesses = [*_device_nodes(reader), *_audit(reader, live)]
    return {
        "token": _token(reader, btime),
        "btime": btime,
        "uptime_s": uptime_s(reader),
        "past_jump_s": _jump(btime, witnesses),
        "witnesses": witnesses,
    }


def node_jump_s(reader: Reader) -> float | None:
    """``past_jump_s`` by the device nodes alone, without the kernel log."""
    return _jump(as_int(reader.field("/proc/stat", "btime", " ")), _device_nodes(reader))


def _jump(btime: int | None, witnesses: list[dict[str, Any]]) -> float | None:
    if btime is None or not witnesses:
        return None
    differences: list[float] = sorted(btime - w["boot_at"] for w in witnesses)
    jump = differences[len(differences) // 2]
    return round(jump, 3) if abs(jump) > JUMP_S else 0.0


def _token(reader: Reader, btime: int | None) -> str | None:
    """Boot id; where a kernel has none, the devtmpfs stamp (btime moves when the clock is set, this does not)."""
    named = reader.text("/proc/sys/kernel/random/boot_id")
    if named:
        return named
    stamp = reader.mtime("/dev/zero") if _is_devtmpfs(reader) else None
    return f"dev-{stamp:.3f}" if stamp is not None else f"btime-{btime}" if btime is not None else None


def uptime_s(reader: Reader) -> float | None:
    words = (reader.text("/proc/uptime") or "").split()
    try:
        return float(words[0]) if words else None
    except ValueError:
        return None


def _is_devtmpfs(reader: Reader) -> bool:
    """Only the kernel's own /dev dates from the boot; a container's tmpfs dates from the container."""
    kinds = [m.kind for m in mounts_in(reader.text("/proc/self/mountinfo")) if m.point == "/dev"]
    return kinds[-1:] == ["devtmpfs"]


def _device_nodes(reader: Reader) -> list[dict[str, Any]]:
    if not _is_devtmpfs(reader):
        return []
    stamps = sorted(m for n in NODES if (m := reader.mtime(f"/dev/{n}")) is not None)
    return [{"what": "device nodes of the boot", "boot_at": stamps[0]}] if stamps else []


def _audit(reader: Reader, live: bool) -> list[dict[str, Any]]:
    """The first audit record of the kernel log holds wall time, its prefix the time since boot."""
    for line in ((kernel_log() if live else reader.text("/dev/kmsg")) or "").splitlines():
        wall, since = AUDIT.search(line), STAMP.match(line)
        if wall and since:
            seconds = int(since[1]) if since[1] else int(since[2]) / 1e6
            return [{"what": "first audit record of the kernel log", "boot_at": int(wall[1]) - seconds}]
    return []


def kernel_log() -> str | None:
    """What the kernel log holds now, without waiting for more; None where it may not be read.

    /dev/kmsg is root's; syslog(2) also answers an ordinary user where kernel.dmesg_restrict is 0.
    """
    import os

    parts: list[bytes] = []
    try:
        fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return _syslog()
    try:
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            parts.append(os.read(fd, 8192))
    except OSError:
        pass  # EAGAIN: that was all; EPIPE: overwritten meanwhile
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", "replace")


def _syslog() -> str | None:
    import ctypes

    room = ctypes.create_string_buffer(MOST_LOG)
    call = getattr(ctypes.CDLL(None), "klogctl", None)
    count = call(READ_ALL, room, MOST_LOG) if call else -1
    return room.raw[:count].decode("utf-8", "replace") if count >= 0 else None
