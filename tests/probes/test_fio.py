"""fio beside our own reads of the same disk, and a fio that is missing, old, killed, or talks nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Arm, Turn
from liebench.errors import NeedUnmet, ToolFailed
from liebench.host import program, read_host
from liebench.stage.fio import fio, read_json, version

from tests.helpers.live import Bench, core

pytestmark = pytest.mark.machine

HOST = read_host()
FIO = pytest.mark.skipif(not program(HOST, "fio"), reason="needs fio")
TRIES = 5


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench("block-remote", HOST, tmp_path)


@FIO
def test_fio_reads_the_same_disk_as_we_do(bench: Bench, tmp_path: Path) -> None:
    """The oracle: fio's mean latency and ours, in turns, on the same file."""
    file = str(tmp_path / "file")
    core("block-io", file=file, build=32, samples=1)
    job: dict[str, str | int | float] = {
        "filename": file,
        "rw": "randread",
        "bs": "4k",
        "direct": 1,
        "size": "32m",
        "ioengine": "psync",
    }
    job["cpus_allowed"] = str(HOST.processors[-1])  # as ours is
    for _ in range(TRIES):
        pairs = []
        for _ in range(5):
            (theirs,) = fio(bench.stage, [{**job, "io_size": "4m"}], tmp_path)
            ours = bench.stage.core("block-io", Turn(Arm(id="x"), "x"), file=file, samples=1000)
            pairs.append(sum(ours.samples["us"]) / 1000 / theirs.samples["us"][0])
        middle = sorted(pairs)[2]
        if 0.85 < middle < 1.2:
            break
    assert 0.85 < middle < 1.2
    assert theirs.facts["reads"] == 1024
    assert theirs.facts["fio"] == version()
    assert theirs.facts["job"]["rw"] == "randread"


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """``impostor(script)`` puts a fio of ours first on the path."""
    version.cache_clear()

    def put(script: str) -> None:
        program = tmp_path / "fio"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr("liebench.stage.fio.ENVIRONMENT", {"PATH": f"{tmp_path}:/usr/bin:/bin"})

    yield put
    version.cache_clear()


VERSION = 'if [ "$1" = --version ]; then echo fio-3.33; exit; fi\n'


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (VERSION + "kill -9 $$", "killed by signal 9"),
        (VERSION + "echo no such file >&2; exit 1", "no such file"),
        (VERSION + 'for a; do case $a in --output=*) echo "{" > ${a#--output=};; esac; done', "not its JSON"),
        (VERSION + "exit 0", "no answer"),
    ],
)
def test_a_fio_that_fails_is_one_clear_error(
    bench: Bench, impostor: Any, tmp_path: Path, script: str, said: str
) -> None:
    impostor(script)
    with pytest.raises(ToolFailed, match=said):
        fio(bench.stage, [{"filename": "x"}], tmp_path)
    assert not (tmp_path / "fio.json").exists()


@pytest.mark.parametrize("words", ["fio-3.12", "fio-2.99", "what", "fio-3"])
def test_an_old_fio_is_a_need_with_its_cure(impostor: Any, words: str) -> None:
    impostor(f"echo {words}")
    with pytest.raises(NeedUnmet, match=r"3\.30 or newer") as found:
        version()
    assert "apt install fio" in found.value.cure


def test_no_fio_is_a_need(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    version.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NeedUnmet, match="fio"):
        version()
    version.cache_clear()


def test_what_an_engine_prints_before_the_json_is_passed_over() -> None:
    assert read_json('fio: connected to NBD server\n{"jobs": [{"read": {}}]}', "fio-3.33") == [{"read": {}}]
