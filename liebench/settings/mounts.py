"""Access times of one mount: an option that belongs to the mount, not to its file system (mount_setattr(2)).

So a command can be started in a mount namespace of its own where that one mount has another value: the host's mount
stays as it is, and nothing is left when the command ends, however it ends. To keep one, it goes into /etc/fstab.
"""

from __future__ import annotations

import ctypes
import os
import re
import shlex
import struct
from collections.abc import Callable

from liebench.errors import UsageError
from liebench.facts.mounts import mounts_in, plain
from liebench.facts.reader import Reader
from liebench.settings.knob import Knob, Scope, one_of
from liebench.settings.owners import Owner

NAME = re.compile(r"mount:(/[^=]{0,400})")
LIST, FSTAB = "/proc/self/mountinfo", "/etc/fstab"
MODES = {"relatime": 0x00, "noatime": 0x10, "strictatime": 0x20}  # MOUNT_ATTR_*, include/uapi/linux/mount.h
ALL_MODES = 0x70  # MOUNT_ATTR__ATIME
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 0x40000
AT_FDCWD, MOUNT_SETATTR = -100, 442  # the number of the call, the same on every architecture; since 5.12


def mount(name: str) -> Knob | None:
    """The knob of ``mount:PATH``; None for any other name. Raises UsageError where a path cannot be one."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    point = match[1]
    if not point.isprintable() or os.path.normpath(point) != point:
        raise UsageError(f"{point[:80]!r} is no mount point: an absolute path without '..' or a slash too many")
    return Knob(
        id=name,
        key=name,
        path=LIST,
        scope=Scope.NAMESPACE,
        valid=one_of(*MODES),
        risk="programs that ask when a file was last read (mail readers, tmpwatch) get an old answer with noatime",
        default="relatime",
        source="mount(8), mount_setattr(2)",
        pick=lambda text: _mode(text, point),
        steps=(f"mount -o remount,{{to}} {point}", f"mount -o remount,{{now}} {point}"),
    )


def _mode(text: str, point: str) -> str:
    found = [m for m in mounts_in(text) if m.point == point]
    if not found:
        raise UsageError(f"nothing is mounted at {point}; findmnt --target {shlex.quote(point)} shows what it lies on")
    return next((mode for mode in MODES if mode in found[-1].options), "strictatime")  # the list has no word for that


def start(name: str, mode: str) -> Callable[[], None]:
    """What a process does before it becomes the program, so that it sees that mount with that value, and reads it back.

    Raises UsageError for a name or mode that is none; what it returns raises OSError where this user may not.
    """
    knob = mount(name)
    if knob is None:
        raise UsageError(f"{name[:80]!r} is no mount")
    point, attributes = name.partition(":")[2], struct.pack("=4Q", MODES[knob.valid(mode)], ALL_MODES, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)

    def must(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), f"{name}={mode}")

    def before() -> None:
        must(libc.unshare(CLONE_NEWNS))
        must(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
        must(libc.syscall(MOUNT_SETATTR, AT_FDCWD, os.fsencode(point), 0, attributes, ctypes.c_size_t(len(attributes))))
        with open(LIST, encoding="utf-8", errors="surrogateescape") as file:
            must(_mode(file.read(), point) != mode)

    return before


def fstab_line(name: str, reader: Reader) -> Owner | None:
    """The line of /etc/fstab that mounts it, with the value that it asks for; the last of several counts."""
    found = None
    for number, line in enumerate((reader.text(FSTAB) or "").splitlines(), 1):
        fields = line.split()
        if len(fields) > 3 and not fields[0].startswith("#") and f"mount:{plain(fields[1])}" == name:
            mode = next((m for m in MODES if m in fields[3].split(",")), "relatime")
            found = Owner(by="fstab", file=FSTAB, line=number, key=name, value=mode, wins=True)
    return found


def kept_by(name: str, mode: str) -> str:
    """What keeps it, as the end of a sentence."""
    now = f"mount -o remount,{mode} {shlex.quote(name.partition(':')[2])}"
    return f"the option {mode} in its line of {FSTAB}, and at once by `{now}`"
