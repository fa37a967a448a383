"""A guest whose first process is liebench-core, under qemu: by KVM where that boots, else emulated, which is said."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from liebench.contract import Need
from liebench.errors import NeedUnmet
from liebench.host import program
from liebench.stage.place import PATHS, Place, place
from liebench.stage.vmm import command as vmm_command
from liebench.stage.vmm import hypervisors

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

QEMU = Need("qemu-system-x86_64", lambda host: program(host, "qemu-system-x86_64"), "apt install qemu-system-x86")
KERNEL_CURE = "apt install linux-image-cloud-amd64, or name one: --guest-kernel /path/to/vmlinuz"
BOOTS_S, EMULATED_S = 10.0, 40.0
MEMORY_MIB = 192
LINE = "console=ttyS0 quiet loglevel=1 panic=-1 -- place boot=1"


def kernel_of(named: str, state: Path) -> str:
    """The kernel to boot: the one that was named, else the newest of /boot and of our state folder; or NeedUnmet."""
    if named:
        if os.access(named, os.R_OK):
            return named
        raise NeedUnmet(f"a kernel that can be read at {named}", KERNEL_CURE)
    found = [p for folder in (Path("/boot"), state / "guest") for p in folder.glob("vmlinuz*") if os.access(p, os.R_OK)]
    if not found:
        raise NeedUnmet("a kernel for a guest", KERNEL_CURE)
    return str(max(found, key=lambda p: p.stat().st_mtime))


def _record(name: str, mode: int, content: bytes, device: tuple[int, int] = (0, 0)) -> bytes:
    """One file of an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst, "newc")."""
    numbers = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08X" % n for n in numbers) + name.encode() + b"\0"
    return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)


def initramfs(init: bytes, files: Mapping[str, bytes] | None = None) -> bytes:
    """A root that holds ``init``, liebench-core for one, and the console that a kernel opens for it.

    ``files``: what else it holds, executable, each in a folder that exists ("dev") or in the root.
    """
    records = (
        _record("dev", 0o040755, b""),
        _record("dev/console", 0o020600, b"", (5, 1)),
        *(_record(name, 0o100755, content) for name, content in {"init": init, **(files or {})}.items()),
        _record("TRAILER!!!", 0, b""),
    )
    return b"".join(records)


def _command(kernel: str, root: Path, log: Path, accelerator: str) -> list[str]:
    processor = ["-cpu", "host"] if accelerator == "kvm" else []
    qemu = shutil.which(QEMU.what, path=PATHS["PATH"]) or QEMU.what
    return [
        qemu, "-machine", f"q35,accel={accelerator}", *processor, "-m", str(MEMORY_MIB), "-smp", "1",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-kernel", kernel, "-initrd", str(root),
        "-append", LINE, "-serial", f"file:{log}", "-serial", "stdio",
    ]  # fmt: skip


def _last_word(log: Path) -> str:
    with contextlib.suppress(OSError):
        return log.read_text(errors="replace").strip()[-300:]
    return ""


@contextlib.contextmanager
def guest(stage: Stage, kernel: str = "", accelerators: tuple[str, ...] = ("kvm", "tcg")) -> Iterator[Place]:
    """A booted guest; ``facts["by"]`` says by what: firecracker, cloud-hypervisor, kvm (qemu), emulated. Or NeedUnmet.

    A stock kernel may hang under nested virtualization: hardware gets ten seconds, then the guest is emulated.
    ``Place.command`` boots another one like it, which says its first word on the same line.
    """
    named = kernel_of(kernel, stage.journal.folder.parent)
    usable = [a for a in accelerators if a != "kvm" or stage.host.writable("/dev/kvm")]
    others = hypervisors(stage.host) if "kvm" in accelerators else []
    with stage.scratch("", 96, local=False) as folder, contextlib.ExitStack() as stack:
        root, log = folder / "initramfs", folder / "console"
        root.write_bytes(initramfs(stage.core_path.read_bytes()))
        said = []
        for by in (*others, *usable):
            patience = EMULATED_S if by == "tcg" else BOOTS_S
            try:
                if by in others:
                    words = vmm_command(by, Path(named), root, folder, MEMORY_MIB)
                else:
                    words = _command(named, root, log, by)
                booted = place(f"a guest ({by})", words, 0, patience, QEMU.cure, lambda: _last_word(log))
                found = stack.enter_context(booted)
            except NeedUnmet as error:
                said.append(error.what)
                continue
            found.facts = {"by": "emulated" if by == "tcg" else by, "kernel": Path(named).name, "tried": said}
            yield found
            return
        raise NeedUnmet(f"a guest that boots ({'; '.join(said) or 'no accelerator'})", QEMU.cure)
