"""``liebench export`` end to end: every format of a real file, one clear error for bad input, no half file."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pandas
import pytest

from liebench.export import FORMATS
from liebench.export.tables import as_json
from liebench.runfile.reader import read_run

from tests.helpers import fakes, hostile

LIEBENCH = str(Path(sys.executable).parent / "liebench")


def export(*args: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    full = {"PATH": "/usr/bin:/bin", "HOME": str(cwd)} | env
    return subprocess.run(
        [LIEBENCH, "export", *map(str, args)], capture_output=True, cwd=cwd, env=full, check=False, timeout=120
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(hostile.run()))
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_a_run(run: Path, name: str) -> None:
    shown = export(run, "--to", name, cwd=run.parent)
    assert (shown.returncode, shown.stderr) == (0, b"")
    written = export(run, "--to", name, "--out", "made", cwd=run.parent)
    assert (written.returncode, written.stdout, written.stderr) == (0, b"", b"")
    assert (run.parent / "made").read_bytes() == shown.stdout
    assert shown.stdout


def test_verdicts_or_repetitions(run: Path) -> None:
    rows = [
        list(csv.DictReader(io.StringIO(export(run, "--to", "csv", "--what", what, cwd=run.parent).stdout.decode())))
        for what in ("verdicts", "repetitions")
    ]
    assert [len(r) for r in rows] == [1, 24]
    export(run, "--to", "parquet", "--what", "repetitions", "-o", "x.parquet", cwd=run.parent)
    assert len(pandas.read_parquet(run.parent / "x.parquet")) == 24


def test_the_whole_run_in_its_plain_form_is_what_the_schema_says_and_reads_back(tmp_path: Path) -> None:
    import jsonschema

    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.5))))
    session.run()
    binary = session.writer.finish({"finished": "2026-01-01T00:01:00Z", "stopped": "done", "quiet": {}, "receipt": {}})
    plain = export(binary, "--to", "json", "--what", "repetitions", cwd=tmp_path)
    assert (plain.returncode, plain.stderr) == (0, b"")
    doc = json.loads(plain.stdout)
    jsonschema.validate(doc, json.loads(resources.files("liebench").joinpath("schema/run-2.json").read_text()))
    again = tmp_path / "again.json"
    again.write_bytes(plain.stdout)
    assert read_run(again) == read_run(binary) == doc


def test_a_folder_is_its_runs_each_once_and_the_newest_run_is_the_default(run: Path) -> None:
    results = run.parent / "results"
    results.mkdir()
    for name in ("20260101T000000Z-00000001", "20260102T000000Z-00000002"):
        (results / f"{name}.json").write_text(json.dumps(hostile.run(id=name)))
    (results / "copy.json").write_text(json.dumps(hostile.run(id="20260101T000000Z-00000001")))
    tables = json.loads(export("results", cwd=run.parent).stdout)["tables"]
    assert [t["title"] for t in tables] == ["run 20260101T000000Z-00000001", "run 20260102T000000Z-00000002"]
    newest = json.loads(export(cwd=run.parent).stdout)
    assert newest["title"] == "run 20260102T000000Z-00000002"


def test_what_a_folder_cannot_give_is_said_and_hides_no_other(run: Path) -> None:
    (run.parent / "a.json").write_text("{")
    done = export(".", cwd=run.parent)
    assert json.loads(done.stdout)["title"] == "run 20260101T000000Z-00000000"
    assert done.stderr.decode().startswith("left out: a.json is damaged at line 1")
    run.unlink()
    assert export(".", cwd=run.parent).returncode == 2


def test_a_table_of_a_gate_is_exported_as_it_is(run: Path) -> None:
    table = hostile.table(hostile.row("worse"), exit=1)
    (run.parent / "gate.json").write_text(as_json([table]))
    assert b"<failure" in export("gate.json", "--to", "junit", cwd=run.parent).stdout
    assert export("gate.json", cwd=run.parent).stdout.decode() == as_json([table])
    refused = export("gate.json", "--to", "pyperf", cwd=run.parent)
    assert (refused.returncode, b"holds no samples" in refused.stderr) == (2, True)


def test_in_a_workflow_the_summary_and_the_outputs_are_appended(run: Path) -> None:
    files = {"GITHUB_STEP_SUMMARY": str(run.parent / "s"), "GITHUB_OUTPUT": str(run.parent / "o")}
    (run.parent / "s").write_text("before\n")
    done = export(run, "--to", "github", cwd=run.parent, **files)
    assert done.stdout.startswith(b"::warning title=p/c/b/lie/median::costly 1.")
    assert (run.parent / "s").read_text().startswith("before\n<!-- liebench:run -->")
    assert "\ncostly\n" in (run.parent / "o").read_text()


@pytest.mark.parametrize(("args", "code", "said"), [
    (("--to", "xml"), 2, "--to takes json, csv, parquet"),
    (("--to", "csv", "--what", "all"), 2, "verdicts or repetitions"),
    (("--to", "junit", "--what", "repetitions"), 2, "json and csv and parquet"),
    (("run.json", "other.json", "--to", "markdown"), 2, "name one file"),
    (("empty",), 2, "there is no run file in empty"),
    (("missing.json",), 4, "missing.json cannot be read"),
    (("damaged.json",), 4, "damaged.json is damaged at line 1, column 5"),
    (("foreign.json",), 4, "foreign.json: this is no run file"),
    (("shape.json",), 4, "probes.p.cases.c.arms"),
    (("shape.json", "--to", "csv", "--what", "repetitions"), 4, "shape.json: the run file cannot be judged"),
    (("samples.json",), 4, "samples.json: the run file cannot be judged: block 0.reps.b.samples.ns[0]"),
    (("samples.json", "--to", "gobench"), 4, "samples.json: the run file cannot be judged: block 0.reps.b"),
    (("table.json",), 4, "table.json: "),
    (("run.json", "--out", "no/such/file"), 2, "there is no folder"),
    (("run.json", "--out", "empty"), 2, "is a folder"),
])  # fmt: skip
def test_bad_input_is_one_line_that_names_the_place(run: Path, args: tuple[str, ...], code: int, said: str) -> None:
    folder = run.parent
    (folder / "empty").mkdir()
    (folder / "other.json").write_text(json.dumps(hostile.run(id="other")))
    (folder / "damaged.json").write_text('{"a"')
    (folder / "foreign.json").write_text("{}")
    (folder / "table.json").write_text('{"schema": "liebench.table/1", "rows": [1]}')
    shape = hostile.run()
    shape["probes"]["p"]["cases"]["c"]["arms"] = 3
    (folder / "shape.json").write_text(json.dumps(shape))
    samples = hostile.run()
    samples["blocks"][0]["reps"]["b"]["samples"]["ns"][0] = "fast"
    (folder / "samples.json").write_text(json.dumps(samples))
    given = args if args[0].endswith((".json", "empty")) else ("run.json", *args)
    before = sorted(folder.rglob("*"))
    done = export(*given, cwd=folder)
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1
    assert sorted(folder.rglob("*")) == before


def test_an_output_that_cannot_be_written_leaves_the_old_one(run: Path) -> None:
    done = export(run, "--out", "/dev/full", cwd=run.parent)  # a device is written as it is, never replaced
    assert (done.returncode, b"/dev/full cannot be written" in done.stderr) == (70, True)
    assert Path("/dev/full").is_char_device()
    target = run.parent / "real.json"
    target.write_text("old")
    (run.parent / "link.json").symlink_to(target)
    assert export(run, "--out", "link.json", cwd=run.parent).returncode == 0
    assert (run.parent / "link.json").is_symlink()
    assert json.loads(target.read_text())["schema"] == "liebench.table/1"


def test_what_does_not_fit_pyperf_is_said_on_standard_error(run: Path) -> None:
    doc = hostile.run()
    doc["blocks"][0]["reps"]["a"]["samples"]["ns"][0] = 0.0
    run.write_text(json.dumps(doc))
    done = export(run, "--to", "pyperf", cwd=run.parent)
    assert done.stderr == b"left out: p/c/a: pyperf takes only values above zero\n"
    assert json.loads(done.stdout)["version"] == "1.0"
