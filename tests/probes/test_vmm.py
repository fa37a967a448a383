"""Firecracker and cloud-hypervisor: what they are told, against stand-ins that boot nothing but keep the same words."""

from __future__ import annotations

import json
import lzma
import platform
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.core import core_path
from liebench.errors import NeedUnmet
from liebench.host import Host, read_host
from liebench.stage import vmm
from liebench.stage.guest import guest

from tests.helpers.live import Bench, left_behind

pytestmark = pytest.mark.machine

HOST = read_host()
ROOT = Path(__file__).parents[2]
KERNEL = vmm.ELF + b"kernel" * 500


def image(payload: bytes, magic: bytes = vmm.MAGIC) -> bytes:
    """A bzImage with one sector of set-up code and this payload (Documentation/arch/x86/boot.rst)."""
    head = bytearray(2 * vmm.SECTOR)
    head[0x1F1] = 1
    head[vmm.HEADER : vmm.HEADER + 4] = magic
    struct.pack_into("<II", head, 0x248, 16, len(payload))
    return bytes(head) + bytes(16) + payload + b"the rest"


@pytest.mark.parametrize("pack", [lzma.compress, lambda data: zlib.compress(data, wbits=31), None])
def test_a_kernel_is_taken_out_of_its_image(pack: object) -> None:
    if pack is None:
        assert vmm.extracted(KERNEL) == KERNEL
        return
    size = struct.pack("<I", len(KERNEL))  # the kernel's build appends it
    assert vmm.extracted(image(pack(KERNEL) + size)) == KERNEL  # type: ignore[operator]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "for x86"),
        (image(b"\x28\xb5\x2f\xfd rubbish"), "xz or gzip"),
        (image(lzma.compress(KERNEL)[:40]), "ELF|whole"),
        (image(lzma.compress(b"rubbish")), "ELF"),
        (image(lzma.compress(KERNEL), magic=b"nope"), "for x86"),
    ],
)
def test_what_is_no_kernel_is_a_need_with_its_cure(data: bytes, says: str) -> None:
    with pytest.raises(NeedUnmet, match=says) as error:
        vmm.extracted(data)
    assert "--guest-kernel" in error.value.cure


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs an x86-64 host")
def test_the_distributions_own_kernel_is_taken_out() -> None:
    folder = ROOT / "build" / "guest"
    done = subprocess.run([ROOT / "ci" / "guest-kernel", folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs a kernel for a guest: {done.stderr.strip()}")
    kernel = next(folder.glob("vmlinuz-*")).read_bytes()
    found = vmm.extracted(kernel)
    assert found.startswith(vmm.ELF)
    assert len(found) > 2 * len(kernel)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    yield Bench("container-vm", HOST, tmp_path)
    assert left_behind(tmp_path) == []


def stand_in(folder: Path, name: str) -> Path:
    """Keeps what it was told, and is itself the place that a guest would be."""
    made = folder / "bin" / name
    made.parent.mkdir()
    made.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/told\nexec {core_path()} place\n')
    made.chmod(0o755)
    return made


def booted(bench: Bench, folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    program, kernel = stand_in(folder, name), folder / "vmlinuz"
    kernel.write_bytes(image(lzma.compress(KERNEL)))
    monkeypatch.setattr(vmm, "program", lambda host, asked: asked == name)
    monkeypatch.setattr(Host, "writable", lambda host, path: True)
    monkeypatch.setattr("liebench.stage.vmm.shutil.which", lambda asked, path: str(program))
    with guest(bench.stage, str(kernel)) as found:
        assert found.facts["by"] == name
        assert found.facts["tried"] == []
        assert found.call("null", {})["samples"]
        told = (folder / "told").read_text().splitlines()
        if name == "firecracker":
            config = json.loads(Path(told[told.index("--config-file") + 1]).read_text())
            source = config["boot-source"]
            assert Path(source["kernel_image_path"]).read_bytes() == KERNEL
            assert Path(source["initrd_path"]).stat().st_size > core_path().stat().st_size
            return [source["boot_args"], str(config["machine-config"]["mem_size_mib"])]
        assert Path(told[told.index("--kernel") + 1]).read_bytes() == KERNEL
        return told


def test_firecracker_is_told_what_boots(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line, mib = booted(bench, tmp_path, "firecracker", monkeypatch)
    assert line.endswith("-- place boot=1 tty=ttyS0")
    assert "console=" not in line  # the one serial line is the place's
    assert mib == "192"


def test_cloud_hypervisor_is_told_what_boots(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = booted(bench, tmp_path, "cloud-hypervisor", monkeypatch)
    assert told[told.index("--serial") + 1] == "tty"
    assert told[told.index("--console") + 1] == "off"


def test_one_that_fails_gives_way_and_is_named(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liebench.stage.guest.hypervisors", lambda host: ["firecracker"])
    monkeypatch.setattr("liebench.stage.vmm.shutil.which", lambda asked, path: "/bin/false")
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(image(lzma.compress(KERNEL)))
    with pytest.raises(NeedUnmet, match="firecracker"), guest(bench.stage, str(kernel), ("kvm",)):
        raise AssertionError


def test_without_the_hardware_neither_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmm, "program", lambda host, asked: True)
    monkeypatch.setattr(Host, "writable", lambda host, path: False)
    assert vmm.hypervisors(HOST) == []
