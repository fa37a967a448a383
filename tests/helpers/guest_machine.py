"""A guest with a distribution's own kernel, in which tests run that this machine's kernel is too small for.

It reads this host's root through 9p, below a layer of memory: the same files, the same interpreter, nothing of it can
be changed. It is emulated, so it is good for counts and never for speed, and it is booted once, by the first such test.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from liebench.errors import CoreFailed, NeedUnmet
from liebench.stage.guest import initramfs
from liebench.stage.place import Place, place

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "guest"
# What reaches the root; everything else comes by modprobe.
MODULES = ("virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "overlay", "crc32c_generic", "ext4")
INSIDE = "LIEBENCH_TESTS_IN_GUEST"  # in the environment of tests that run there
SCRATCH = "/var/tmp"
BOOTS_S, ITEM_S = 300.0, 200.0  # on a machine with much else to do
MEMORY_MIB, PROCESSORS = 1536, 2
LINE = "console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr"
DISKS = {"scratch": 3072, "spare": 64}  # MiB: /dev/vda with a file system, at /var/tmp; /dev/vdb for tests to lay out

# switch_root by the first process takes the kernel's own threads along: they call modprobe in the new root.
INIT = """#!/busybox sh
/busybox mkdir -p /bin /proc /sys /host /top /new /dev
/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in {modules}; do insmod /$module; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose root /host
{top}
mkdir -p /top/upper /top/work
mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work root /new
for place in proc sys dev; do mount --move /$place /new/$place; done
mkdir -p /new/dev/shm /new/dev/pts /new/lib/modules
ln -s /proc/self/fd /new/dev/fd
ln -s /proc/self/fd/0 /new/dev/stdin
for place in dev/shm tmp run; do mount -t tmpfs tmpfs /new/$place; done
mount -t devpts devpts /new/dev/pts
{scratch}
{again}
mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
for controller in cpu cpuset memory pids io; do echo +$controller > /new/sys/fs/cgroup/cgroup.subtree_control; done
mount --bind /host{folder}/lib/modules /new/lib/modules
ip link set lo up
cp /busybox /start {more} /new/run
exec switch_root /new /run/busybox sh /run/start
"""
START = """
modprobe -a loop tun fuse
{python} -m tests.helpers.guest_worker /run/items /dev/ttyS1
"""
IN_MEMORY, ON_DISK = "mount -t tmpfs top /top", "mount -t ext4 /dev/vda /top"  # what is written: gone with it, or kept


COVERED = ("/tmp", "/run", "/dev", SCRATCH)  # file systems of the guest's own lie over these


def _again(paths: Sequence[Path]) -> str:
    """Shell lines that show the host's folders again which lie below a covered one, each below a layer of its own."""
    lines = []
    for n, path in enumerate(p for p in paths if any(p.is_relative_to(c) for c in COVERED)):
        top, place = f"/top/again{n}", shlex.quote(str(path))
        lines.append(f"mkdir -p {top}/upper {top}/work /new{place}")
        layers = f"lowerdir=/host{path},upperdir={top}/upper,workdir={top}/work"
        lines.append(f"mount -t overlay -o {shlex.quote(layers)} root /new{place}")
    return "\n".join(lines)


def _dependent(names: Sequence[str], modules: Path) -> list[Path]:
    """The files of these modules, each after those that it needs (modules.dep(5)); what is built in has none."""
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        own, _, rest = line.partition(":")
        needs[own] = rest.split()
    by_name = {Path(path).name.partition(".")[0].replace("-", "_"): path for path in needs}
    found: list[str] = []

    def add(path: str) -> None:
        for below in reversed(needs[path]):
            add(below)
        if path not in found:
            found.append(path)

    for name in names:
        if name in by_name:
            add(by_name[name])
    return [modules / path for path in found]


def root_of(start: str, modules: Path, top: str = IN_MEMORY, scratch: str = "", **more: bytes) -> bytes:
    """An initramfs that runs the shell lines of ``start`` in the host's root, below a layer that is ``top``'s."""
    files = _dependent(MODULES, modules)
    kept = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8", INSIDE: "1"}
    exports = {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": os.environ.get("CI", "")}
    lines = [f"cd {shlex.quote(str(ROOT))}", *(f"export {key}={shlex.quote(value)}" for key, value in exports.items())]
    outside = [p for p in dict.fromkeys(map(Path, (sys.prefix, sys.base_prefix))) if not p.is_relative_to(ROOT)]
    init = INIT.format(
        modules=" ".join(f.name for f in files), folder=shlex.quote(str(FOLDER)), again=_again([ROOT, *outside]),
        top=top, scratch=scratch, more=" ".join(f"/{name}" for name in more),
    )  # fmt: skip
    busybox = Path(str(shutil.which("busybox"))).read_bytes()
    held = {"busybox": busybox, "start": "\n".join([*lines, start]).encode(), **more}
    return initramfs(init.encode(), held | {f.name: f.read_bytes() for f in files})


def a_disk(path: Path, mib: int, formatted: bool = True) -> Sequence[str]:
    """Arguments of a guest that has this file as its next disk."""
    if not path.exists():
        with path.open("wb") as file:
            file.truncate(mib << 20)
        if formatted:
            subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", path], check=True)
    return ("-drive", f"file={path},format=raw,if=virtio,cache=writeback")


def command_of(kernel: Path, folder: Path, disks: Sequence[str]) -> list[str]:
    """With a processor that is dear to emulate ("max": wide vectors, five levels of pages) it takes twice as long."""
    return [
        "qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "Nehalem", "-m", str(MEMORY_MIB),
        "-smp", str(PROCESSORS), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-kernel", str(kernel), "-initrd", str(folder / "initramfs"), "-append", LINE,
        *disks, "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
        "-serial", f"file:{folder / 'console'}", "-serial", "stdio",
    ]  # fmt: skip


def kernel_of() -> tuple[Path, Path]:
    """(a distribution's kernel, its modules). Raises NeedUnmet where something of a guest cannot be had."""
    for tool, package in (("qemu-system-x86_64", "qemu-system-x86"), ("busybox", "busybox-static")):
        if shutil.which(tool) is None:
            raise NeedUnmet(tool, f"apt install {package}")
    done = subprocess.run([ROOT / "ci" / "guest-kernel", FOLDER], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NeedUnmet("a kernel for a guest", done.stderr.strip())
    kernel = next(FOLDER.glob("vmlinuz-*"))
    return kernel, FOLDER / "lib" / "modules" / kernel.name.removeprefix("vmlinuz-")


class Guest:
    """Booted when it is first asked; a guest that is gone is said again and not booted again."""

    def __init__(self, items: Sequence[str]) -> None:
        self.items = items
        self.rigs = contextlib.ExitStack()
        self.found: Place | None = None
        self.unmet: NeedUnmet | None = None
        self.lost = ""
        self.console = Path()

    def _boot(self) -> Place:
        kernel, modules = kernel_of()
        folder = Path(self.rigs.enter_context(tempfile.TemporaryDirectory(prefix="liebench-guest-", dir=SCRATCH)))
        self.console = folder / "console"
        start = START.format(python=shlex.quote(sys.executable))
        items = json.dumps(list(self.items)).encode()
        scratch = "mount -t ext4 /new/dev/vda /new/var/tmp"
        (folder / "initramfs").write_bytes(root_of(start, modules, IN_MEMORY, scratch, items=items))
        disks = [*a_disk(folder / "scratch", DISKS["scratch"]), *a_disk(folder / "spare", DISKS["spare"], False)]
        found = self.rigs.enter_context(place("the tests' guest", command_of(kernel, folder, disks), 0, BOOTS_S, ""))
        for name in ("initramfs", *DISKS):  # it has them open: after a kill of ours nothing large is left
            (folder / name).unlink(missing_ok=True)
        return found

    def _up(self) -> Place:
        if self.unmet is not None:
            raise self.unmet
        if self.found is None and not self.lost:
            try:
                self.found = self._boot()
            except NeedUnmet as error:
                if not self.console.is_file():  # nothing was started
                    self.unmet = error
                    raise
                self._lose(error.what)
        if self.found is None or self.lost:
            raise CoreFailed(self.lost)
        return self.found

    def _lose(self, why: str) -> None:
        lines = self.console.read_text(errors="replace").splitlines()[-25:]
        self.lost = "\n".join([f"{why}; the last lines of its console:", *lines])
        self.rigs.close()

    def run(self, item: str) -> Sequence[Mapping[str, object]]:
        """Reports of a test as pytest serializes them. Raises NeedUnmet where there is none, else CoreFailed."""
        found = self._up()
        try:
            found.wire.say(item)
            answer = found.wire.hear("the tests' guest", ITEM_S)
        except (OSError, CoreFailed) as error:
            self._lose(str(error))
            raise CoreFailed(self.lost) from error
        if "error" in answer:
            raise CoreFailed(str(answer["error"]))
        reports: Sequence[Mapping[str, object]] = answer["reports"]
        return reports

    def close(self) -> None:
        self.rigs.close()
