"""Other hypervisors of the user's: Firecracker and cloud-hypervisor, which boot the same guest by /dev/kvm.

Both have one serial line, which the guest's place speaks on, so their kernel has no console and says nothing. Both
want the kernel itself and not its self-extracting form (Firecracker's FAQ; cloud-hypervisor's docs/api.md).
"""

from __future__ import annotations

import json
import lzma
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from liebench.errors import NeedUnmet
from liebench.host import Host, program
from liebench.stage.place import PATHS

LINE = "quiet loglevel=0 panic=-1 reboot=t pci=off"  # panic, or a reset, ends the hypervisor
INIT = "-- place boot=1 tty=ttyS0"
CURE = "name an uncompressed kernel (vmlinux): --guest-kernel FILE"
MAGIC, HEADER, SECTOR = b"HdrS", 0x202, 512
XZ, GZIP, ELF = b"\xfd7zXZ\0", b"\x1f\x8b", b"\x7fELF"


def extracted(image: bytes) -> bytes:
    """The kernel in a bzImage (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length).

    Raises NeedUnmet where it is packed in a way that this Python cannot unpack.
    """
    if image.startswith(ELF):
        return image
    if image[HEADER : HEADER + 4] != MAGIC:
        raise NeedUnmet("a kernel image for x86", CURE)
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * SECTOR + offset
    payload = image[start : start + length]
    unpacking: dict[bytes, Callable[[], Any]] = {XZ: lzma.LZMADecompressor, GZIP: lambda: zlib.decompressobj(31)}
    unpack = next((make() for magic, make in unpacking.items() if payload.startswith(magic)), None)
    if unpack is None:
        raise NeedUnmet("a kernel packed by xz or gzip", CURE)
    try:
        kernel = bytes(unpack.decompress(payload))
    except (lzma.LZMAError, zlib.error) as error:
        raise NeedUnmet(f"a kernel image that is whole ({error})", CURE) from error
    if not unpack.eof or not kernel.startswith(ELF):
        raise NeedUnmet("a kernel image that holds an ELF file", CURE)
    return kernel


def _firecracker(found: str, kernel: Path, root: Path, folder: Path, mib: int) -> list[str]:
    config = {
        "boot-source": {
            "kernel_image_path": str(kernel),
            "initrd_path": str(root),
            "boot_args": f"{LINE} {INIT}",
        },
        "drives": [],
        "machine-config": {"vcpu_count": 1, "mem_size_mib": mib},
    }
    path = folder / "firecracker.json"
    path.write_text(json.dumps(config))
    return [found, "--no-api", "--level", "Error", "--config-file", str(path)]


def _cloud_hypervisor(found: str, kernel: Path, root: Path, folder: Path, mib: int) -> list[str]:
    return [
        found, "--kernel", str(kernel), "--initramfs", str(root), "--cmdline", f"{LINE} {INIT}", "--cpus", "boot=1",
        "--memory", f"size={mib}M", "--serial", "tty", "--console", "off",
    ]  # fmt: skip


COMMANDS: dict[str, Callable[[str, Path, Path, Path, int], list[str]]] = {
    "firecracker": _firecracker,
    "cloud-hypervisor": _cloud_hypervisor,
}


def hypervisors(host: Host) -> list[str]:
    """Those that are here and may use the hardware."""
    return [name for name in COMMANDS if program(host, name) and host.writable("/dev/kvm")]


def command(name: str, kernel: Path, root: Path, folder: Path, mib: int) -> list[str]:
    """What boots this kernel with this initramfs, its serial line on standard input and output. Raises NeedUnmet."""
    plain = folder / "vmlinux"
    if not plain.exists():
        plain.write_bytes(extracted(kernel.read_bytes()))
    return COMMANDS[name](shutil.which(name, path=PATHS["PATH"]) or name, plain, root, folder, mib)
