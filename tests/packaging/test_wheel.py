"""Wheel, source distribution and editable install: what lands where, and that it works there without this checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from liebench.core import is_static, source_build_id

from tests.helpers.wheels import backend, clean, install

VERSIONS = ("3.11", "3.12", "3.13")
EXE = "liebench/core/bin/liebench-core"
CHECK = """
import subprocess, sys
import liebench, liebench.probes, liebench.reports
from liebench.core import core_path
print(liebench.probes.__file__)
print(liebench.reports.__file__)
print(subprocess.check_output([core_path(), "--version"], text=True), end="")
for name in ("probes", "reports", "tests", "ci"):
    try:
        __import__(name)
    except ImportError:
        continue
    sys.exit(f"{name} leaked to the top level")
"""

pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(int(version("setuptools").split(".")[0]) < 77, reason="needs setuptools>=77"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


def names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def interpreter(wanted: str) -> str:
    """A Python of that version, from PATH or pyenv, that can make virtual environments."""
    if wanted == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for candidate in [*sorted(pyenv.glob(f"{wanted}.*/bin/python")), shutil.which(f"python{wanted}")]:
        if candidate and subprocess.run([candidate, "-c", "import venv"], capture_output=True).returncode == 0:
            return str(candidate)
    pytest.skip(f"needs Python {wanted}")


def check(python: Path, cwd: Path) -> list[str]:
    done = subprocess.run([python, "-c", CHECK], cwd=cwd, capture_output=True, text=True, env=clean())
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_one_wheel_for_every_python_of_this_platform(wheel: Path) -> None:
    assert wheel.name.startswith("liebench-0.1.0-py3-none-linux_")


def test_nothing_leaks_to_the_top_level(wheel: Path) -> None:
    assert {name.split("/")[0] for name in names(wheel)} == {"liebench", "liebench-0.1.0.dist-info"}
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("liebench-0.1.0.dist-info/top_level.txt").split() == [b"liebench"]


def test_the_wheel_holds_every_module_and_data_file(wheel: Path, tree: Path) -> None:
    mapped = {"liebench": "liebench", "probes": "liebench/probes", "reports": "liebench/reports"}
    wanted = {"liebench/py.typed", EXE}
    for folder, package in mapped.items():
        found = [*(tree / folder).rglob("*.py")]
        wanted |= {f"{package}/{path.relative_to(tree / folder)}" for path in found}
    wanted |= {f"liebench/probes/{p.relative_to(tree / 'probes')}" for p in (tree / "probes").glob("*/README.md")}
    templates = [p for p in (tree / "reports/templates").rglob("*") if p.is_file()]
    wanted |= {f"liebench/reports/{p.relative_to(tree / 'reports')}" for p in templates}
    wanted |= {f"liebench/{p.relative_to(tree / 'liebench')}" for p in (tree / "liebench").rglob("*.json")}
    assert wanted - set(names(wheel)) == set()


def test_of_the_core_the_wheel_holds_what_another_executable_is_built_from_and_no_kernel(
    wheel: Path, tree: Path
) -> None:
    wanted = {f"liebench/core/{p.name}" for p in (tree / "liebench/core").iterdir() if p.suffix in (".c", ".h")}
    assert {"liebench/core/lb.h", "liebench/core/main.c"} < wanted
    assert {name for name in names(wheel) if name.endswith((".c", ".h", ".S"))} == wanted


def test_the_executable_keeps_its_mode(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo(EXE).external_attr >> 16 & 0o111 == 0o111


def test_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read("liebench-0.1.0.dist-info/METADATA").decode()
        scripts = archive.read("liebench-0.1.0.dist-info/entry_points.txt").decode()
    lines = text.splitlines()
    assert "License-Expression: Apache-2.0" in lines
    assert "Requires-Python: >=3.11" in lines
    assert any(line.startswith("Requires-Dist: typer") and "<0.29" in line for line in lines)
    assert "liebench = liebench.cli:main" in scripts


@pytest.mark.parametrize("series", VERSIONS)
def test_the_wheel_works(wheel: Path, tmp_path: Path, series: str) -> None:
    python = install(interpreter(series), wheel, tmp_path / "env")
    probes, reports, said = check(python, tmp_path)
    assert probes.startswith(str(tmp_path))
    assert reports.startswith(str(tmp_path))
    assert said == f"liebench-core 0.1.0 {source_build_id()}"
    (site,) = (tmp_path / "env/lib").glob("python*/site-packages")
    assert {p.name for p in site.iterdir()} == {"liebench", "liebench-0.1.0.dist-info"}


def test_an_editable_install_works(tree: Path, tmp_path: Path) -> None:
    editable = backend(tree, "build_editable", tmp_path)
    python = install(sys.executable, editable, tmp_path / "env")
    probes, _, said = check(python, tmp_path)
    assert probes == str(tree / "probes/__init__.py")
    assert said == f"liebench-core 0.1.0 {source_build_id()}"
    late = tree / "probes/seen_later"
    late.mkdir()
    (late / "__init__.py").write_text("")
    try:  # a new probe needs no second install
        subprocess.run([python, "-c", "import liebench.probes.seen_later"], cwd=tmp_path, check=True, env=clean())
    finally:
        shutil.rmtree(late)


def test_a_failed_link_leaves_the_old_core_alone(tree: Path) -> None:
    bin_ = tree / "liebench/core/bin"
    bin_.mkdir(exist_ok=True)
    old = bin_ / "liebench-core"
    old.write_text("old")
    command = [sys.executable, "setup.py", "-q", "build_core", "--inplace"]
    done = subprocess.run(command, cwd=tree, env={**clean(), "CC": "false"}, capture_output=True, text=True)
    assert done.returncode != 0
    assert [path.name for path in bin_.iterdir()] == ["liebench-core"]
    assert old.read_text() == "old"


def test_without_a_static_library_it_links_dynamically_and_says_so(tree: Path, tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\nfor a; do [ "$a" = -static ] && exit 1; done\nexec cc "$@"\n')
    compiler.chmod(0o755)
    command = [sys.executable, "setup.py", "build_core", "--inplace"]
    done = subprocess.run(command, cwd=tree, env={**clean(), "CC": str(compiler)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "linked dynamically" in done.stdout + done.stderr
    assert not is_static(tree / EXE)
