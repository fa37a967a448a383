"""The index says what the files say, whatever happened to files and index meanwhile."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liebench.compare.index import LAYOUT
from liebench.compare.store import INDEX, Stored, open_store
from liebench.errors import LiebenchError, UsageError
from liebench.judge.run import judge_run
from liebench.judge.table import run_table
from liebench.runfile.files import run_files
from liebench.runfile.reader import read_run

from tests.helpers import hostile
from tests.helpers.other_user import as_nobody

duckdb = pytest.importorskip("duckdb", reason="needs duckdb")


def _put(folder: Path, name: str, run: str = "", **hashes: str) -> Path:
    doc = hostile.run(
        id=run or f"20260101T000000Z-{name:>08}", hashes={"host": "hh", "kind": "kk", "config": "cc"} | hashes
    )
    path = folder / f"{name}.json"
    path.write_text(json.dumps(doc))
    return path


def _direct(folder: Path) -> dict[str, list[Any]]:
    """What one gets by reading every file oneself: run -> rows."""
    found: dict[str, list[Any]] = {}
    for path in run_files(folder, below=True):
        try:
            doc = read_run(path)
            rows = list(run_table(doc, judge_run(doc)).rows)
        except LiebenchError:
            continue
        found.setdefault(doc["id"], rows)
    return found


def _same(folder: Path) -> None:
    with open_store(folder) as opened:
        assert {r.run: opened.verdicts(r.run) for r in opened.runs()} == _direct(folder)


def test_runs_are_found_by_their_hashes_oldest_first(tmp_path: Path) -> None:
    _put(tmp_path, "2", host="x")
    _put(tmp_path, "1", kind="y")
    with open_store(tmp_path) as opened:
        assert [r.path for r in opened.runs()] == ["1.json", "2.json"]
        assert [r.path for r in opened.runs(host="x")] == ["2.json"]
        assert [r.path for r in opened.runs(kind="y", config="cc")] == ["1.json"]
        assert opened.runs(host="nobody") == []
        first = opened.runs()[0]
    assert first == Stored(
        run="20260101T000000Z-00000001",
        path="1.json",
        started="2026-01-01T00:00:00Z",
        finished="2026-01-01T00:01:00Z",
        stopped="done",
        host="hh",
        kind="y",
        config="cc",
        tool="0.1.0",
        profile="quick",
    )
    _same(tmp_path)


def test_a_query_sees_verdicts_of_all_runs(tmp_path: Path) -> None:
    for name in ("1", "2"):
        _put(tmp_path, name)
    with open_store(tmp_path) as opened:
        assert opened.query("SELECT probe, word, count(*) AS n FROM verdicts GROUP BY ALL") == [
            {"probe": "p", "word": "costly", "n": 2}
        ]
        assert opened.query('SELECT "limit" FROM verdicts LIMIT 1') == [{"limit": None}]


@pytest.mark.parametrize("sql", [
    "DROP TABLE runs", "DELETE FROM runs", "SELECT 1; SELECT 2", "SET threads = 1", "ATTACH '{0}/x.db'", "not sql",
    "COPY runs TO '{0}/x.csv'", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'",
    "INSTALL httpfs", "", "SELECT nothing FROM runs", "CREATE TABLE t (a INT)", "SELECT * FROM glob('/*')",
])  # fmt: skip
def test_the_sql_door_reads_and_nothing_else(tmp_path: Path, sql: str) -> None:
    _put(tmp_path, "1")
    with open_store(tmp_path) as opened:
        with pytest.raises(UsageError):
            opened.query(sql.format(tmp_path))
        assert len(opened.runs()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == [INDEX, "1.json"]


def test_a_damaged_file_is_listed_and_hides_no_other(tmp_path: Path) -> None:
    _put(tmp_path, "1")
    (tmp_path / "2.json").write_text('{"schema": "liebench.run/1", ')
    (tmp_path / "3.json").write_bytes(b"\xff\xfe")
    doc = hostile.run(id="4")
    del doc["probes"]["p"]["cases"]["c"]["arms"]
    (tmp_path / "4.json").write_text(json.dumps(doc))
    (tmp_path / "5.json").write_text(json.dumps(hostile.run(id="5", hashes=[])))
    doc = hostile.run(id="6")  # finite numbers whose sum is not
    doc["blocks"][0]["reps"]["a"]["samples"]["ns"] = [1.7e308] * 3
    (tmp_path / "6.json").write_text(json.dumps(doc))
    with open_store(tmp_path) as opened:
        assert [r.path for r in opened.runs()] == ["1.json"]
        assert sorted(opened.damaged) == ["2.json", "3.json", "4.json", "5.json", "6.json"]
        assert "samples.ns[0] should be a number up to" in opened.damaged["6.json"]
        assert "line 1, column" in opened.damaged["2.json"]
        assert "probes.p.cases.c.arms" in opened.damaged["4.json"]
    _put(tmp_path, "2")  # repaired
    with open_store(tmp_path) as opened:
        assert "2.json" not in opened.damaged
    (tmp_path / "6.json").unlink()
    _same(tmp_path)


def test_a_run_that_lies_there_twice_is_one_and_survives_the_loss_of_one(tmp_path: Path) -> None:
    first, second = _put(tmp_path, "1", run="r"), tmp_path / "deep" / "copy.json"
    second.parent.mkdir()
    shutil.copy(first, second)
    with open_store(tmp_path) as opened:
        assert [r.path for r in opened.runs()] == ["1.json"]
        assert opened.query("SELECT count(*) AS n FROM verdicts") == [{"n": 1}]
    first.unlink()
    with open_store(tmp_path) as opened:
        assert [r.path for r in opened.runs()] == ["deep/copy.json"]
    _same(tmp_path)


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [_put(tmp_path, str(i)) for i in range(3)]
    open_store(tmp_path).close()
    judged: list[str] = []

    def reading(path: Path) -> dict[str, Any]:
        judged.append(path.name)
        return read_run(path)

    def hashing(path: Path) -> str:
        raise AssertionError(f"{path} was read though nothing about it changed")

    monkeypatch.setattr("liebench.compare.index.read_run", reading)
    with monkeypatch.context() as patch:
        patch.setattr("liebench.compare.index.file_hash", hashing)
        open_store(tmp_path).close()
    assert judged == []
    os.utime(paths[0], ns=(1, 1))  # touched, with the same bytes
    _put(tmp_path, "1", run="another")
    _put(tmp_path, "9")
    paths[2].unlink()
    _same(tmp_path)
    assert judged == ["1.json", "9.json"]


@pytest.mark.parametrize("harm", ["delete", "garbage", "empty", "foreign", "folder"])
def test_the_index_is_disposable(tmp_path: Path, harm: str) -> None:
    _put(tmp_path, "1")
    _same(tmp_path)
    index = tmp_path / INDEX
    index.unlink()
    if harm == "garbage":
        index.write_bytes(b"garbage" * 1000)
    elif harm == "empty":
        index.touch()
    elif harm == "foreign":
        with duckdb.connect(str(index)) as other:
            other.execute("CREATE TABLE meta (judge VARCHAR)")
            other.execute("INSERT INTO meta VALUES ('an older judge')")
            other.execute("CREATE TABLE runs (a INTEGER)")
    elif harm == "folder":
        index.mkdir()
    _same(tmp_path)


def test_another_judge_judges_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _put(tmp_path, "1")
    open_store(tmp_path).close()
    with duckdb.connect(str(tmp_path / INDEX)) as index:
        index.execute("UPDATE verdicts SET word = 'honest'")
    with open_store(tmp_path) as opened:  # the same judge trusts its index
        assert opened.verdicts(opened.runs()[0].run)[0].word == "honest"
    monkeypatch.setattr("liebench.compare.index.LAYOUT", LAYOUT + 1)
    _same(tmp_path)


def test_an_index_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    _put(tmp_path, "1")
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / INDEX)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        _same(tmp_path)
        holder.communicate("")


def test_a_folder_that_cannot_be_written_is_read_all_the_same(tmp_path: Path) -> None:
    _put(tmp_path, "1")
    tmp_path.chmod(0o555)
    code = (
        "import os, sys; from pathlib import Path; from liebench.compare.store import open_store\n"
        "import liebench.compare.index, duckdb\n"
        "print(len(open_store(Path(sys.argv[1])).runs()))"
    )
    for folder in (tmp_path, *tmp_path.parents):  # another user must get there
        if folder.stat().st_uid == os.geteuid() and folder != Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o055)
    root = os.geteuid() == 0
    python = as_nobody(sys.executable, "-c", "import liebench, duckdb") if root else [sys.executable]
    done = subprocess.run([*python, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    tmp_path.chmod(0o755)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert not (tmp_path / INDEX).exists()


def test_without_duckdb_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UsageError, match=r"pip install 'liebench\[store\]'"):
        open_store(tmp_path)
    monkeypatch.undo()
    with pytest.raises(UsageError, match="no folder"):
        open_store(tmp_path / "nothing")


STEPS = st.lists(st.tuples(st.sampled_from(["put", "drop", "break", "copy", "forget"]), st.integers(0, 3)), max_size=8)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_after_any_history_the_index_is_what_the_files_are(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    for what, n in steps:
        path = folder / f"{n}.json"
        if what == "put":
            _put(folder, str(n), run=f"r{n % 2}")
        elif what == "copy" and path.exists():
            shutil.copy(path, folder / f"copy{n}.json")
        elif what == "break":
            path.write_text("{")
        elif what == "drop":
            path.unlink(missing_ok=True)
        elif what == "forget":
            (folder / INDEX).unlink(missing_ok=True)
        _same(folder)


@hostile.often
@given(hostile.hostile, hostile.hostile, hostile.hostile)
def test_hostile_names_stay_texts(tmp_path_factory: pytest.TempPathFactory, probe: str, case: str, run: str) -> None:
    folder = tmp_path_factory.mktemp("runs")
    doc = copy.deepcopy(hostile.run(id=run or "r"))
    doc["probes"] = {probe: {"state": "measured", "cases": {case: doc["probes"]["p"]["cases"]["c"]}}}
    for block in doc["blocks"]:
        block["probe"], block["case"] = probe, case
    (folder / "1.json").write_text(json.dumps(doc))
    with open_store(folder) as opened:
        assert opened.damaged == {}
        (found,) = opened.runs()
        (row,) = opened.verdicts(found.run)

    def plain(text: str) -> str:
        return text.encode("utf-8", "replace").decode()

    assert (found.run, row.probe, row.case) == (plain(run or "r"), plain(probe), plain(case))
