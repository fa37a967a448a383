"""The same sources with another C library and on another processor: no warning, and they answer."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from liebench.core import is_static

pytestmark = pytest.mark.packaging

Build = Callable[..., Path]
ARM = "aarch64-linux-gnu-gcc"


@pytest.mark.parametrize("level", ["-O0", "-O3"])
def test_no_warning_at_any_level(build: Build, level: str) -> None:
    assert build("cc", level).is_file()


def test_musl(build: Build) -> None:
    # The kernel's own headers lie in the folder of the other C library here; a musl system has them among its own.
    folders = ("/usr/include", f"/usr/include/{platform.machine()}-linux-gnu")
    core = build("musl-gcc", "-O2", "-static", *(f"-idirafter{folder}" for folder in folders))
    assert is_static(core)
    assert json.loads(subprocess.check_output([core, "clock-read", "samples=3"]))["kernel"] == "clock-read"


@pytest.fixture(scope="module")
def arm(build: Build) -> Path:
    return build(ARM, "-O2", "-static")


def test_aarch64_compiles(arm: Path) -> None:
    assert arm.read_bytes()[18:20] == b"\xb7\x00"  # EM_AARCH64


@pytest.mark.parametrize(
    "kernel",
    [
        *(["null"], ["compute", "mix=add8"], ["compute", "mix=mul"], ["clock-read"], ["clock-read", "clock=counter"]),
        ["syscall-translated"],
    ],
    ids=" ".join,
)
def test_aarch64_runs(arm: Path, kernel: list[str]) -> None:
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None:
        pytest.skip("needs qemu-aarch64")
    out = subprocess.check_output([emulator, arm, *kernel, "samples=4", "ops=10", "plant_work=2"], timeout=60)
    assert len(json.loads(out)["samples"]["ns"]) == 4
