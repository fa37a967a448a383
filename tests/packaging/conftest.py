"""What is built once for all tests of packaging."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.wheels import LEFT_OUT, ROOT, backend


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: building must not write into the one that is worked in."""
    return Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("tree") / "liebench", ignore=LEFT_OUT))


@pytest.fixture(scope="session")
def sdist(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return backend(tree, "build_sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the unpacked source distribution, so that a file missing there is missed here."""
    place = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["tar", "-xf", sdist, "-C", place], check=True)  # tarfile's filters are not in every 3.11
    (unpacked,) = place.iterdir()
    return backend(unpacked, "build_wheel", tmp_path_factory.mktemp("wheel"))
