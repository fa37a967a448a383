"""Programs that are asked what they believe to have, also ones that misbehave."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from liebench.errors import ToolFailed
from liebench.host import Host, read_host
from liebench.stage import believers
from liebench.stage.believers import BELIEVERS, CPUS, HEAP, MEMORY, Believer, Question, ask, said
from liebench.stage.cgroup import Limits, nested
from liebench.stage.core import ENVIRONMENT

from tests.helpers.live import CPU_GROUP, MEMORY_GROUP, TWO, Bench, here

pytestmark = pytest.mark.machine

HOST = read_host()
MIB = 1 << 20


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench("container-facts", HOST, tmp_path)


def counted(name: str, **more: Any) -> dict[str, int]:
    return {b.says: b.number for b in ask(HOST, BELIEVERS[name], **more)}


@pytest.mark.parametrize("name", BELIEVERS)
def test_every_believer_of_this_host_answers_with_plausible_numbers(name: str) -> None:
    here(name)
    online = HOST.facts["cpu"]["online"]
    for belief in ask(HOST, BELIEVERS[name]):
        most = online if belief.of == CPUS else 2 << 50
        assert 1 <= belief.number <= most
        assert belief.of == CPUS or belief.number > 64 * MIB


@TWO
@pytest.mark.parametrize(
    ("name", "says", "obeys"),
    [
        ("nproc", "nproc", True),
        ("sysconf", "sysconf(_SC_NPROCESSORS_ONLN)", False),  # glibc: online; musl counts the affinity
        ("python", "Python's os.cpu_count()", False),
        ("java", "the JVM", True),
        ("node", "Node's os.availableParallelism()", True),
        ("node", "Node's os.cpus()", False),
        ("go", "Go's GOMAXPROCS", True),
    ],
)
def test_who_counts_the_affinity_and_who_does_not(name: str, says: str, obeys: bool) -> None:
    here(name)
    found = {b.says: b.number for b in ask(HOST, BELIEVERS[name], (), HOST.processors[:1]) if b.of == CPUS}
    if says not in found or (name == "sysconf" and found[says] == 1):
        pytest.skip("needs a version of it that makes the difference")
    assert found[says] == (1 if obeys else HOST.facts["cpu"]["online"])


@CPU_GROUP
@MEMORY_GROUP
def test_the_jvm_reads_the_quota_of_its_own_group(bench: Bench) -> None:
    here("java")
    with nested(bench.stage, Limits(), Limits(1.0, 256)) as made:
        found = {b.of: b.number for b in ask(HOST, BELIEVERS["java"], made)}
    assert (found[CPUS], found[MEMORY]) == (1, 256 * MIB)
    assert found[HEAP] < 256 * MIB


def scripted(folder: Path, text: str, mode: int = 0o755) -> Host:
    """A host whose only program is ours, by the name of nproc."""
    script = folder / "usr/bin/nproc"
    script.parent.mkdir(parents=True)
    script.write_text(text)
    script.chmod(mode)
    return Host(HOST.facts, folder)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/bin/sh\necho what\n", "nothing that can be read: 'what"),
        ("#!/bin/sh\necho 0\n", "nothing that can be read"),
        ("#!/bin/sh\necho -3\n", "nothing that can be read"),
        ("#!/bin/sh\nprintf '\\377\\376\\000'\n", "nothing that can be read"),
        ("#!/bin/sh\n", "nothing that can be read: ''"),
        ("#!/bin/sh\necho 4; echo no memory >&2; exit 3\n", "status 3: no memory"),
        ("#!/bin/sh\nkill -9 $$\n", "status -9"),
        ("#!/bin/sh\nexec yes 4\n", "status -25"),
        ("no program at all", "cannot be started"),
        ("#!/does/not/exist\n", "cannot be started"),
    ],
)
def test_a_program_that_does_not_answer_is_unknown(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ToolFailed, match=why):
        ask(scripted(tmp_path, text), BELIEVERS["nproc"])


def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(believers, "PATIENCE_S", 0.5)
    host = scripted(tmp_path, f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid; echo 4; wait\n")
    began = time.monotonic()
    with pytest.raises(ToolFailed, match=r"did not end within 0\.5 s"):
        ask(host, BELIEVERS["nproc"])
    assert time.monotonic() - began < 10
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_child_that_outlives_its_program_is_ended_too(tmp_path: Path) -> None:
    host = scripted(tmp_path, f"#!/bin/sh\nsleep 1000 & echo $! > {tmp_path}/pid\necho 4\n")
    assert [b.number for b in ask(host, BELIEVERS["nproc"])] == [4]
    assert is_gone(int((tmp_path / "pid").read_text()))


def is_gone(pid: int) -> bool:
    """Ended, though perhaps not yet waited for by whoever inherited it."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_where_one_way_to_ask_is_silent_the_next_is_tried(tmp_path: Path) -> None:
    host = scripted(tmp_path, "#!/bin/sh\necho 5 $1\n")
    ways = (("missing",), ("nproc", "silent"), ("nproc", "CPUs"))
    found = ask(host, Believer("x", ways, (Question("x", CPUS, r"(\d+) CPUs"),), ""))
    assert [b.number for b in found] == [5]
    with pytest.raises(ToolFailed, match="not in the usual folders"):
        ask(host, BELIEVERS["java"])


def test_a_believer_gets_the_settings_of_runtimes_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOMAXPROCS", "3")
    monkeypatch.setenv("LIEBENCH_SECRET", "hunter2")
    host = scripted(tmp_path, "#!/bin/sh\nexec env\n")
    names = {line.partition("=")[0] for line in said([str(host.root / "usr/bin/nproc")], {}, ()).splitlines()}
    assert "GOMAXPROCS" in names
    assert names <= {*ENVIRONMENT, *believers.SETTINGS, "PWD", "SHLVL", "_", "OLDPWD"}


def test_a_runtime_that_was_told_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    here("nproc")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert counted("nproc") == {"nproc": 1}
