"""Wheels of liebench and environments that hold nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "bin", "results")


def backend(tree: Path, step: str, out: Path) -> Path:
    """One step of the build backend, as pip takes it, in a process and a directory of its own."""
    code = f"from setuptools import build_meta; print(build_meta.{step}({str(out)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, env=clean())
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


def clean() -> dict[str, str]:
    """The environment without what would let an installed copy see this checkout."""
    hidden = ("PYTHONPATH", "LIEBENCH_CORE", "CC", "CFLAGS")
    return {k: v for k, v in os.environ.items() if k not in hidden}


def install(python: str, package: Path, place: Path) -> Path:
    """A fresh environment below ``place`` that holds ``package`` alone; its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", place], check=True, env=clean())
    mine = place / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(mine), "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, str(package)], capture_output=True, text=True, env=clean())
    assert done.returncode == 0, done.stderr
    return mine
