"""A network disk of known slowness: nbdkit over loopback, seen as a file (nbdfuse) and, as root, as a block device.

The kernel ends both processes with ours (PR_SET_PDEATHSIG) and takes the loop device with its last user (autoclear);
the mount of the file is journalled. Nothing listens anywhere but on 127.0.0.1, and what is served is noise of ours.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.contract import Need
from liebench.errors import NeedUnmet, StageRefused
from liebench.host import Host, program
from liebench.stage.act import Act, acting

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

SERVER = "network disk"  # what an arm or a plant declares in Touches.other
CURE = "apt install nbdkit libnbd-bin fuse3"
PATIENCE_S = 5.0
SLACK_NS = 1  # a server that is to wait 1 ms must not wait 50 us longer, as timers by default may
PR_SET_PDEATHSIG, PR_SET_TIMERSLACK, MNT_DETACH = 1, 29, 2  # prctl(2), umount2(2)
LOOP_CONFIGURE, LOOP_CLR_FD, LOOP_CTL_GET_FREE = 0x4C0A, 0x4C01, 0x4C82  # linux/loop.h
LO_FLAGS_AUTOCLEAR, LO_FLAGS_DIRECT_IO = 4, 16
LOOP_CONFIG_BYTES, LO_FLAGS_AT = 304, 60  # struct loop_config: fd, block size, loop_info64 up to lo_flags


def _can_serve(host: Host) -> bool:
    return program(host, "nbdkit") and program(host, "nbdfuse") and host.writable("/dev/fuse")


NETWORK_DISK = Need("nbdkit, nbdfuse and /dev/fuse", _can_serve, CURE)
LOOP = Need("loop devices", lambda host: host.writable("/dev/loop-control"), "run as root, and modprobe loop")


@dataclass(slots=True)
class Disk:
    """``file``: where it is mounted; ``device``: the loop device over it, "" without one."""

    file: Path
    server: subprocess.Popen[bytes]
    device: str = ""
    stopped_ms: float | None = None  # how long the last stop of the server really was

    @property
    def target(self) -> str:
        return self.device or str(self.file)

    @contextlib.contextmanager
    def stopping(self, after_s: float, seconds: float) -> Iterator[None]:
        """The server is stopped (SIGSTOP) for ``seconds``, beginning ``after_s`` into this block."""
        self.stopped_ms, leave = None, threading.Event()

        def hold() -> None:
            if leave.wait(after_s):
                return
            before = time.monotonic_ns()
            self.server.send_signal(signal.SIGSTOP)
            leave.wait(seconds)
            self.server.send_signal(signal.SIGCONT)
            self.stopped_ms = (time.monotonic_ns() - before) / 1e6

        holder = threading.Thread(target=hold, daemon=True)
        holder.start()
        try:
            yield
        finally:
            leave.set()
            holder.join()

    def cut_power(self) -> None:
        """The server dies as by a power cut: what it held in its own memory is gone."""
        self.server.kill()
        self.server.wait()


def dying_with_us() -> None:
    """In the child: die with the parent, and let timers be exact."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_TIMERSLACK, SLACK_NS, 0, 0, 0)


@contextlib.contextmanager
def _running(command: Sequence[str], ready: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says by a file that it serves. Raises NeedUnmet with its own words where it does not."""
    log = Path(f"{ready}.log")
    with log.open("wb") as words:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=words,
            process_group=0,
            preexec_fn=dying_with_us,
        )
    try:
        until = time.monotonic() + PATIENCE_S
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no word"]
                raise NeedUnmet(f"{command[0]} that serves ({said[0]})", f"try: {' '.join(command)}")
            time.sleep(0.005)
        yield process
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def network_disk(stage: Stage, folder: Path, words: Sequence[str], device: bool = False) -> Iterator[Disk]:
    """A disk behind nbdkit with these ``words`` (filters, plugin, their settings), mounted as a file below ``folder``.

    ``device``: also a loop device over it, with the kernel's whole block layer. Raises StageRefused where it was not
    declared, NeedUnmet where a part is missing or does not start.
    """
    if not any(SERVER in t.other for t in stage.touches):
        raise StageRefused(f"{SERVER!r} is not declared in this probe's touches (other)")
    number = sum(1 for _ in folder.glob("*.disk"))
    file, base = folder / f"{number}.disk", folder / f"{number}.server"
    port = _free_port()
    serve = ["nbdkit", "-f", "-i", "127.0.0.1", "-p", str(port), "-P", str(base), *words]
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(_running(serve, base))
            file.touch(mode=0o600)
            stack.enter_context(acting(stage.journal, FUSE, str(file), None, None))
            mount = ["nbdfuse", "-P", str(folder / f"{number}.mount"), str(file), f"nbd://127.0.0.1:{port}"]
            stack.enter_context(_running(mount, folder / f"{number}.mount"))
        except FileNotFoundError as error:
            raise NeedUnmet(f"{error.filename}", CURE) from error
        disk = Disk(file, server)
        disk.device = stack.enter_context(_loop(file)) if device else ""
        yield disk


@contextlib.contextmanager
def _loop(file: Path) -> Iterator[str]:
    """A loop device over a file, past the page cache, gone with its last user (drivers/block/loop.c)."""
    import fcntl

    try:
        with open("/dev/loop-control", "rb") as control:
            name = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
        loop = os.open(name, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise NeedUnmet(f"a loop device ({error.strerror})", LOOP.cure) from error
    try:
        back = os.open(file, os.O_RDWR | os.O_CLOEXEC)
        config = bytearray(LOOP_CONFIG_BYTES)
        config[:4] = back.to_bytes(4, "little")
        flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO
        config[LO_FLAGS_AT : LO_FLAGS_AT + 4] = flags.to_bytes(4, "little")
        try:
            fcntl.ioctl(loop, LOOP_CONFIGURE, bytes(config))
        except OSError as error:
            raise NeedUnmet(f"a loop device over {file} ({error.strerror})", LOOP.cure) from error
        finally:
            os.close(back)
        try:
            yield name
        finally:
            with contextlib.suppress(OSError):
                fcntl.ioctl(loop, LOOP_CLR_FD)
    finally:
        os.close(loop)


def _undo_fuse(entry: Mapping[str, Any]) -> str:
    """Take the mount away, whoever still uses it: root by umount2, others by fuse's own helper."""
    import ctypes

    path = Path(entry["what"])
    if str(path) not in Path("/proc/self/mountinfo").read_text():
        return ""
    if ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(path), MNT_DETACH) != 0:
        subprocess.run(["fusermount3", "-u", "-z", str(path)], check=False, capture_output=True)
    return f"{path} was unmounted"


FUSE = Act("fuse", _undo_fuse)
