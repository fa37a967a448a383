"""A package of somebody else beside the wheel of liebench: found, measured with its own executable, undone."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liebench.runfile.reader import read_run
from liebench.state.journal import pending

from tests.helpers.wheels import clean, install

THEIRS = Path(__file__).with_name("third_party")
pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


class Installed:
    """An environment that holds liebench by its wheel and, unless it is taken away, the other package."""

    def __init__(self, place: Path, python: Path) -> None:
        self.place, self.python = place, python
        self.env = clean() | {"LIEBENCH_STATE": str(place / "state")}

    def command(self, *words: str) -> list[str]:
        return [str(self.place / "env/bin/liebench"), *words]

    def __call__(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(self.command(*words), cwd=self.place, env=self.env, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def run(self, *words: str) -> tuple[str, dict[str, Any]]:
        """What a run says, and its run file."""
        said = self("run", "their-getpid", "--quick", "--out", str(self.place / "results"), *words)
        newest = max((self.place / "results").glob("*Z-????????.lb"), key=lambda p: p.stat().st_mtime_ns)
        return said, read_run(newest)

    @property
    def site(self) -> Path:
        (site,) = (self.place / "env/lib").glob("python*/site-packages")
        return site


@pytest.fixture(scope="module")
def theirs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Their wheel is built against the installed wheel of liebench: nothing of this checkout is seen."""
    place = tmp_path_factory.mktemp("theirs")
    python = install(sys.executable, wheel, place / "env")
    found = Installed(place, python)
    # what liebench and the build need is this interpreter's; its .pth files, and so its own liebench, do not count
    needed = dict.fromkeys([sysconfig.get_path("purelib"), *filter(lambda p: "site-packages" in p, sys.path)])
    (found.site / "needed.pth").write_text("\n".join(needed))
    source = shutil.copytree(THEIRS, place / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    code = f"from setuptools import build_meta; print(build_meta.build_wheel({str(place)!r}))"
    done = subprocess.run([python, "-c", code], cwd=source, capture_output=True, text=True, env=clean())
    assert done.returncode == 0, done.stderr
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(place / done.stdout.splitlines()[-1])], check=True, env=clean())
    return found


def test_it_is_listed_and_its_change_and_setting_are_explained(theirs: Installed) -> None:
    assert "asking who one is" in next(line for line in theirs("list").splitlines() if "their-getpid" in line)
    assert "a child after fork(2) must ask again" in theirs("explain", "their-cached-pid")
    assert "the next process gets the number after it" in theirs("explain", "kernel.ns_last_pid")
    assert "their-getpid" in theirs("doctor")
    assert "was not built from these sources" not in theirs("doctor")


@pytest.mark.parametrize("start", [("-m", "liebench"), ("-c", "from liebench.cli import main; main()")])
def test_the_wheel_starts_as_a_module_as_well(theirs: Installed, start: tuple[str, str]) -> None:
    command = [str(theirs.python), *start, "list"]
    done = subprocess.run(command, cwd=theirs.place, env=theirs.env, capture_output=True, text=True, check=True)
    assert "their-getpid" in done.stdout


def test_it_is_measured_with_its_own_executable_whose_place_no_file_holds(theirs: Installed) -> None:
    marker = theirs.place / "marker"
    said, doc = theirs.run("--set", f"their-getpid.marker={marker}")
    row = doc["probes"]["their-getpid"]
    assert row["state"] == "measured", row
    core = row["facts"]["core"]
    assert (core["version"], core["build"], len(core["sha256"])) == ("1.0", "theirs-1", 64)
    assert doc["tool"]["core"] != "theirs-1"
    assert str(theirs.site) not in json.dumps(doc)
    assert {r["samples"]["ns"][0] > 0 for b in doc["blocks"] for r in b["reps"].values()} == {True}
    assert not marker.exists()
    assert "a variable" in said  # its advice


def test_the_report_of_such_a_run_can_be_made(theirs: Installed) -> None:
    theirs.run()
    newest = max((theirs.place / "results").glob("*Z-????????.lb"), key=lambda p: p.stat().st_mtime_ns)
    theirs("report", str(newest))


@pytest.mark.parametrize("harm", ["missing", "mute", "plain"])
def test_an_executable_that_cannot_be_used_is_one_clear_error(theirs: Installed, harm: str) -> None:
    core = theirs.site / "their_getpid/their-core"
    kept = core.rename(core.with_suffix(".kept"))
    try:
        if harm != "missing":
            core.write_text("#!/bin/sh\nexit 0\n")
            core.chmod(0o755 if harm == "mute" else 0o644)
        _, doc = theirs.run("--set", f"their-getpid.marker={theirs.place / 'marker'}")
        error = doc["probes"]["their-getpid"]["error"]
        why = "does not speak the protocol" if harm == "mute" else "is missing, or this user may not execute it"
        assert f"the executable their-core that this probe brings {why}" in error
        assert "install the probe's package again" in error
        assert str(theirs.site) not in json.dumps(doc)
        assert str(core) in theirs("doctor")
    finally:
        kept.replace(core)


@pytest.fixture
def killed(theirs: Installed) -> Iterator[Path]:
    """The marker that a run left which was killed with SIGKILL while its rig stood."""
    marker = theirs.place / "left-behind"
    words = theirs.command("run", "their-getpid", "--set", f"their-getpid.marker={marker}")
    process = subprocess.Popen(words, cwd=theirs.place, env=theirs.env, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not marker.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert marker.exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    yield marker
    marker.unlink(missing_ok=True)


def test_its_act_is_taken_back_by_the_next_start(theirs: Installed, killed: Path) -> None:
    assert f"the marker {killed} was removed" in theirs("doctor")
    assert not killed.exists()
    assert list((theirs.place / "state/journal").glob("*")) == []


def test_without_the_package_its_act_stays_noted_until_it_is_back(theirs: Installed, killed: Path) -> None:
    (info,) = theirs.site.glob("their_getpid-*.dist-info")
    away = info.rename(info.with_suffix(".away"))
    try:
        said = theirs("doctor")
        assert f"{killed} is still changed: the package their-getpid brought 'their-getpid:marker'" in said
        assert "install their-getpid again" in said
        (journal,) = (theirs.place / "state/journal").glob("*.jsonl")
        assert [entry["what"] for entry in pending(journal)] == [str(killed)]
    finally:
        away.rename(info)
    assert f"the marker {killed} was removed" in theirs("doctor")
    assert not killed.exists()
