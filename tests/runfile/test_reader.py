"""The run file: grows, finishes, reads back, and is refused with one clear sentence where it is damaged."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import liebench
from liebench.errors import RunUnreadable, StorageFull
from liebench.judge.run import judge_run
from liebench.runfile import reader
from liebench.runfile.chunks import frames
from liebench.runfile.reader import read_run
from liebench.runfile.writer import RunWriter

from tests.helpers import fakes

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user or mount")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    session = fakes.session(tmp_path_factory.mktemp("run"), *fakes.plan(fakes.probe(fakes.World(1.5))))
    session.run()
    return session.writer.finish({"finished": "2026-01-01T00:01:00Z", "stopped": "done", "quiet": {}, "receipt": {}})


def test_a_growing_file_reads_as_a_killed_run_and_ends_as_the_same_document(tmp_path: Path) -> None:
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.5))))
    session.run()
    growing = read_run(session.writer.growing)
    assert growing["stopped"] == "killed"
    path = session.writer.finish({"finished": "x", "stopped": "done"})
    done = read_run(path)
    assert not session.writer.growing.exists()
    for key in ("probes", "blocks", "looks"):
        assert growing[key] == done[key]


def test_a_torn_last_frame_is_dropped_and_a_damaged_one_in_the_middle_is_named(tmp_path: Path) -> None:
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.5))))
    session.run()
    data = session.writer.growing.read_bytes()
    torn = tmp_path / "torn.lb.part"
    torn.write_bytes(data[:-40])
    assert len(read_run(torn)["looks"]) < len(read_run(session.writer.growing)["looks"])
    fourth = list(frames(data))[3]
    torn.write_bytes(data[: fourth.at + 20] + b"x" + data[fourth.at + 21 :])
    with pytest.raises(RunUnreadable, match=r"torn\.lb\.part: frame 4 at byte \d+ is damaged: its checksum is wrong"):
        read_run(torn)


def test_a_growing_file_of_before_is_read_line_by_line(tmp_path: Path) -> None:
    rows = [{"record": "header", "schema": "liebench.run/1", "id": "x", "started": "y", "controls": []},
            {"record": "look", "probe": "p"}, {"record": "block", "n": 0, "reps": {}}]  # fmt: skip
    path = tmp_path / "old.ndjson"
    path.write_text("\n".join(map(json.dumps, rows)) + '\n{"record": "blo')
    found = read_run(path)
    assert (found["stopped"], len(found["looks"]), len(found["blocks"])) == ("killed", 1, 1)
    path.write_text("\n".join(['{"record": "header"', *map(json.dumps, rows[1:])]) + "\n")
    with pytest.raises(RunUnreadable, match="line 1"):
        read_run(path)


def test_the_document_matches_its_published_schema(finished: Path) -> None:
    import jsonschema

    schema = json.loads((Path(liebench.__file__).parent / "schema" / "run-2.json").read_text())
    jsonschema.validate(read_run(finished), schema)
    broken = read_run(finished)
    del broken["blocks"][0]["reps"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "damaged"),
        ("{", "line 1"),
        ("[]", "an object"),
        ('{"schema": "liebench.run/3"}', "upgrade liebench"),
        ('{"schema": "other/1"}', "no run file"),
        ('{"schema": "liebench.run/1"}', "id must be text"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "NaN"),
        ("[" * 100_000, ""),
        ("\udcff", "not text"),
    ],
)
def test_a_damaged_file_gets_one_sentence_with_its_name(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "damaged.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunUnreadable) as caught:
        read_run(path)
    assert says in str(caught.value)
    assert "damaged.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_older_schema_is_upgraded_on_reading(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = read_run(finished)
    old |= {"schema": "liebench.run/0", "start": old.pop("started")}
    path = tmp_path / "old.json"
    path.write_text(json.dumps(old))
    with pytest.raises(RunUnreadable, match="older liebench"):
        read_run(path)
    monkeypatch.setitem(reader.UPGRADES, 0, lambda d: {**d, "schema": reader.SCHEMA, "started": d["start"]})
    assert read_run(path)["started"] == "2026-01-01T00:00:00Z"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise_anything_else(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.json"
    path.write_bytes(data)
    with pytest.raises(RunUnreadable):
        read_run(path)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JUNK = st.recursive(PLAIN, lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=5), c, max_size=3))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [p for k, v in items for p in places(v, (*path, k))]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_edited_run_file_is_judged_or_refused(finished: Path, tmp_path: Path, data: st.DataObject) -> None:
    doc = copy.deepcopy(read_run(finished))
    doc["blocks"] = doc["blocks"][:2]
    where = data.draw(st.sampled_from(places(doc)))
    target: Any = doc
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = data.draw(JUNK)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(doc))
    with contextlib.suppress(RunUnreadable):
        judge_run(read_run(path))


def test_a_full_disk_is_said_and_keeps_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    planned, chosen = fakes.plan(fakes.probe(fakes.World(1.5)))
    writer = RunWriter(tmp_path, fakes.header(chosen, planned))
    writer.probe("p", {"state": "measured"})

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self) -> int:
            return 0

    monkeypatch.setattr(writer, "_file", Full())
    with pytest.raises(StorageFull, match="disk is full"):
        writer.block({"n": 0})
    assert read_run(writer.growing)["probes"] == {"p": {"state": "measured"}}


@pytest.mark.machine
@NEEDS_ROOT
def test_a_really_full_file_system(tmp_path: Path) -> None:
    """A tmpfs of 64 KiB in a private mount namespace: the run ends with one sentence, the rest stays readable."""
    liebench = Path(sys.executable).parent / "liebench"
    script = (
        f"mount -t tmpfs -o size=64k none {tmp_path} || exit 77; "
        f"{liebench} run clock-read timer-wake --out {tmp_path} 2>{tmp_path}/../err; code=$?; "
        f"{liebench} report --text {tmp_path}/*.lb.part >{tmp_path}/../out || exit 78; exit $code"
    )
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode in (1, 77):
        pytest.skip(f"needs permission to mount in a private namespace: {done.stderr.strip()}")
    assert done.returncode == 70
    assert "the disk is full" in (tmp_path.parent / "err").read_text()
    assert "stopped early: killed" in (tmp_path.parent / "out").read_text()


@NEEDS_ROOT
def test_a_folder_that_may_not_be_written() -> None:
    code = (
        "import os; os.setgroups([]); os.setuid(65534)\n"
        "from pathlib import Path; from liebench.errors import StorageFull\n"
        "from liebench.runfile.writer import RunWriter\n"
        "try: RunWriter(Path('/proc/nowhere'), {'id': 'x'})\n"
        "except StorageFull as error: print(error)"
    )
    # imports happen first: the interpreter may lie where that user cannot look
    code = "import liebench.runfile.writer, pathlib\n" + code
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "cannot be written" in done.stdout, done.stderr
    assert "--out" in done.stdout
