"""Builds the package's own executable from its kernel and from the C files that liebench brings."""

import os
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

from liebench.core import include_dir


class WithExecutable(build_py):
    def run(self) -> None:
        super().run()
        core, target = include_dir(), Path(self.build_lib) / "their_getpid/their-core"
        sources = ["their_getpid/kernel.c", *sorted(str(path) for path in core.glob("*.c"))]
        said = ['-DLB_VERSION="1.0"', '-DLB_BUILD_ID="theirs-1"']
        command = [os.environ.get("CC", "cc"), "-O2", "-std=gnu11", "-pthread", f"-I{core}", *said]
        subprocess.run([*command, *sources, "-o", str(target), "-lm"], check=True)


class OfOnePlatform(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(cmdclass={"build_py": WithExecutable}, distclass=OfOnePlatform)
