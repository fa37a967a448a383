"""What pyproject.toml cannot say: the mapped packages, and the native core built from its C and assembler files."""

from __future__ import annotations

import os
import re
import runpy
import shlex
from pathlib import Path

from setuptools import Command, Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.errors import CompileError, ExecError

ROOT = Path(__file__).resolve().parent
SOURCES = runpy.run_path(str(ROOT / "liebench/core/sources.py"))
TARGET = Path("liebench/core/bin/liebench-core")
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-pthread", "-Iliebench/core")


def version() -> str:
    found = re.search(r'^__version__ = "([^"]+)"', (ROOT / "liebench/__init__.py").read_text(), re.MULTILINE)
    if not found:
        raise SystemExit("liebench/__init__.py names no __version__")
    return found[1]


class build_core(Command):
    """Compile and link liebench-core: static where the C library allows, since it must also run alone as init."""

    description = "build the native core (CC and CFLAGS are honoured)"
    user_options = [("inplace", "i", "put the executable into the source tree")]
    boolean_options = ["inplace"]

    def initialize_options(self) -> None:
        self.build_lib: str | None = None
        self.inplace = False
        self.editable_mode = False

    def finalize_options(self) -> None:
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    @property
    def target(self) -> Path:
        return TARGET if self.editable_mode or self.inplace else Path(self.build_lib or "build/lib") / TARGET

    def run(self) -> None:
        self.target.parent.mkdir(parents=True, exist_ok=True)
        # linked beside its place and moved there: a core that is running meanwhile stays whole
        fresh = self.target.with_name(f"{self.target.name}.{os.getpid()}")
        command = [
            *shlex.split(os.environ.get("CC", "cc")),
            *FLAGS,
            f'-DLB_VERSION="{version()}"',
            f'-DLB_BUILD_ID="{SOURCES["build_id"](ROOT)}"',
            *shlex.split(os.environ.get("CFLAGS", "")),
            *(path.relative_to(ROOT).as_posix() for path in SOURCES["compiled"](ROOT)),
            "-o",
            str(fresh),
            "-lm",
        ]
        try:
            self.link(command)
            fresh.replace(self.target)
        finally:
            fresh.unlink(missing_ok=True)

    def link(self, command: list[str]) -> None:
        try:
            self.spawn([*command, "-static"])
        except (CompileError, ExecError):
            self.warn("no static C library (libc.a): liebench-core is linked dynamically and can run neither alone")
            self.warn("in a container's root nor as init of a guest; install glibc-static, or build with CC=musl-gcc")
            self.spawn(command)

    def get_source_files(self) -> list[str]:
        return [path.relative_to(ROOT).as_posix() for path in SOURCES["files"](ROOT, *SOURCES["SOURCES"])]

    def get_outputs(self) -> list[str]:
        return [str(self.target)]

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class platform_wheel(bdist_wheel):
    """One wheel per machine, for every Python: there is an executable inside and no extension module."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class NativeDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True  # not pure: the wheel belongs to one platform


build.sub_commands = [*build.sub_commands, ("build_core", None)]
setup(
    distclass=NativeDistribution,
    packages=[
        *find_packages(include=["liebench*"]),
        "liebench.reports",
        "liebench.probes",
        *(f"liebench.probes.{name}" for name in find_packages("probes")),
    ],
    cmdclass={"build_core": build_core, "bdist_wheel": platform_wheel},
)
