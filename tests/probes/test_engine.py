"""Containers by engines: podman for real in a store of its own; docker's words against a stand-in that keeps a log."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.contract import Touches
from liebench.core import core_path
from liebench.errors import NeedUnmet
from liebench.host import read_host
from liebench.stage.container import CONTAINERS, container, kinds
from liebench.stage.engine import ENGINES
from liebench.stage.recovery import recover

from tests.helpers.live import Bench, left_behind, scratches

pytestmark = pytest.mark.machine

HOST = read_host()
PODMAN = pytest.mark.skipif(not shutil.which("podman"), reason="needs podman")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    found = Bench("container-vm", HOST, tmp_path)
    found.stage.touches = (Touches(other=(CONTAINERS,)),)
    before = scratches()
    yield found
    assert left_behind(tmp_path) == []
    assert scratches() == before


def stand_in(folder: Path, *, works: bool = True) -> Path:
    """A docker that knows import, run, rm and rmi, and runs the last word's program where it lies."""
    made = folder / "bin" / "docker"
    made.parent.mkdir()
    run = f'shift $(($# - 1)); exec {core_path()} "$1"' if works else "echo 'Cannot connect to the daemon' >&2; exit 1"
    made.write_text(
        f'#!/bin/sh\necho "$*" >> {folder}/log\ncase "$1" in\nimport) {"cat > /dev/null" if works else run} ;;\n'
        f"run) {run} ;;\nesac\n"
    )
    made.chmod(0o755)
    return made


@PODMAN
def test_podman_runs_the_same_executable_in_a_store_of_its_own(bench: Bench) -> None:
    before = subprocess.run(["podman", "ps", "--all", "--quiet"], capture_output=True, text=True, check=False).stdout
    try:
        with container(bench.stage, HOST.processors[-1], "podman") as found:
            assert found.facts["by"] == "podman"
            assert found.call("null", {})["samples"]
            assert subprocess.run(["pgrep", "-f", "liebench-core place"], capture_output=True, check=False).stdout
    except NeedUnmet as error:
        pytest.skip(f"needs a podman that runs here: {error}")
    after = subprocess.run(["podman", "ps", "--all", "--quiet"], capture_output=True, text=True, check=False).stdout
    assert after == before


@PODMAN
def test_after_a_kill_podman_forgets_it(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from tests.helpers.live import Bench; "
        "from liebench.host import read_host; from liebench.contract import Touches; "
        "from liebench.stage.container import CONTAINERS, container\n"
        "found = Bench('container-vm', read_host(), Path(sys.argv[1])); "
        "found.stage.touches = (Touches(other=(CONTAINERS,)),)\n"
        "with container(found.stage, 0, 'podman') as place:\n"
        "    print(os.getpid(), place.call('null', {})['samples'] != {}, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    if "NeedUnmet" in done.stderr:
        pytest.skip(f"needs a podman that runs here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == -9, done.stderr
    child = done.stdout.split()[0]
    recover(tmp_path, "test")
    assert left_behind(tmp_path) == []
    left = [*Path("/sys/fs/cgroup").glob("*/libpod_parent*"), *Path("/sys/fs/cgroup").glob(f"*/liebench-{child}-*")]
    assert [*left, *Path("/var/tmp").glob(f"liebench-{child}-*")] == []
    until = time.monotonic() + 10  # what was killed may still be going
    while "liebench-" in (running := processes()) and time.monotonic() < until:
        time.sleep(0.1)
    assert "liebench-" not in running


def processes() -> str:
    found = subprocess.run(["pgrep", "-af", "conmon|podman run"], capture_output=True, text=True, check=False)
    return found.stdout


def test_dockers_image_is_imported_run_and_removed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = stand_in(tmp_path)
    monkeypatch.setattr("liebench.stage.engine.shutil.which", lambda name, path: str(docker))
    monkeypatch.setattr("liebench.stage.container.program", lambda host, name: name == "docker")
    with container(bench.stage, HOST.processors[-1], "docker") as found:
        assert found.call("null", {})["samples"]
    said = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    name = said[0][-1]
    assert [words[0] for words in said] == ["import", "run", "rm", "rmi"]
    assert "--network none" in " ".join(said[1])
    assert said[1][-3:] == [name, "/liebench-core", "place"]
    assert said[2][-1] == said[3][-1] == name


def test_a_docker_without_its_daemon_is_said_and_leaves_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = stand_in(tmp_path, works=False)
    monkeypatch.setattr("liebench.stage.engine.shutil.which", lambda name, path: str(docker))
    monkeypatch.setattr("liebench.stage.container.program", lambda host, name: name == "docker")
    with pytest.raises(NeedUnmet, match="Cannot connect"), container(bench.stage, 0, "docker"):
        raise AssertionError
    assert recover(bench.stage.journal.folder, "test") == []


def test_an_engine_is_never_taken_unasked() -> None:
    assert not set(ENGINES) & set(kinds(HOST))
