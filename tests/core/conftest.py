"""A core built from the sources of this checkout, so that no test speaks of an older build."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from liebench.core import sources

ROOT = Path(__file__).resolve().parents[2]
STRICT = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", f"-I{ROOT / 'liebench/core'}")
Build = Callable[..., Path]
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build(compiler, *flags)`` links every C and assembler file of the tree, warnings being errors."""

    def link(compiler: str, *flags: str) -> Path:
        if shutil.which(compiler) is None:
            pytest.skip(f"needs the compiler {compiler}")
        target = tmp_path_factory.mktemp("core") / "liebench-core"
        files = [str(path) for path in sources.compiled(ROOT)]
        command = [compiler, *STRICT, '-DLB_VERSION="9.8.7"', '-DLB_BUILD_ID="test"', *flags, *files, "-o", str(target)]
        done = subprocess.run([*command, "-lm"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return target

    return link


@pytest.fixture(scope="session")
def core(build: Build) -> Path:
    return build("cc", "-O2")


@pytest.fixture(scope="session")
def sanitized(build: Build) -> Path:
    """The same sources, ending at the first undefined operation or bad access."""
    return build("cc", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


@pytest.fixture(scope="session")
def answer(core: Path) -> Run:
    """``answer(kernel, "key=value", ...)`` runs one repetition and gives its object."""

    def run(*arguments: str) -> dict[str, Any]:
        done = subprocess.run([core, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("\n") == 1
        found: dict[str, Any] = json.loads(done.stdout, parse_constant=pytest.fail)
        return found

    return run
