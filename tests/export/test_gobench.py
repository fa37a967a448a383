"""A strict reader of Go's benchmark format (golang.org/design/14313-benchmark-format) finds the numbers; benchstat too.

The reader follows the document: configuration lines, benchmark lines of an even number of fields, and nothing else
but comments and blank lines; and ``Unit`` lines of golang.org/x/perf/benchfmt.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liebench.export.gobench import as_gobench

from tests.helpers import hostile
from tests.helpers import run_documents as docs


@dataclass
class Read:
    results: list[tuple[str, int, float, str, dict[str, str]]] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)


def read(text: str) -> Read:
    """Every line is one of the four kinds, or the text is refused."""
    found = Read()
    config: dict[str, str] = {}
    assert text.endswith("\n")
    for line in text.split("\n"):
        assert line.splitlines() in ([line], [])  # no other character ends a line
        fields = line.split()
        if not fields or line.startswith("#"):
            continue
        if line.startswith("Unit "):
            name, *pairs = fields[1:]
            assert all(re.fullmatch(r"better=(lower|higher)", p) for p in pairs)
            found.units[name] = pairs[0].removeprefix("better=")
        elif line.startswith("Benchmark"):
            assert len(fields) == 4
            assert re.fullmatch(r"Benchmark[A-Z0-9][A-Za-z0-9]*(/[a-z]+=[^\s/=]+)+-[0-9]+", fields[0])
            found.results.append((fields[0], int(fields[1]), float(fields[2]), fields[3], dict(config)))
        else:
            key, colon, value = line.partition(":")
            assert colon
            assert re.fullmatch(r"[a-z][^\sA-Z]*", key)
            assert value == "" or value.startswith(" ")
            config[key] = value.strip()
    return found


def test_a_line_per_repetition_with_its_median() -> None:
    doc = hostile.run()
    found = read(as_gobench([doc]))
    assert len(found.results) == 24
    name, count, value, unit, config = found.results[12]
    assert (name, count, unit) == ("BenchmarkP/case=c/arm=b-2", 20, "ns/op")
    assert value == median(doc["blocks"][0]["reps"]["b"]["samples"]["ns"])
    assert config == {"host": "hh", "host-kind": "kk"}
    assert found.units == {"ns/op": "lower"}


def test_each_run_has_its_own_configuration_and_a_missing_one_is_taken_away() -> None:
    found = read(as_gobench([hostile.run(), hostile.run(id="two", hashes={})]))
    assert [r[4]["host"] for r in found.results[::24]] == ["hh", ""]


def test_the_direction_of_a_unit_is_said_where_it_has_one() -> None:
    doc = hostile.run()
    doc["probes"]["p"]["cases"] |= {"f": docs.case(better="higher", unit="MB/s"), "t": docs.case(better="target")}
    for name in ("f", "t"):
        doc["blocks"] += docs.pairs(1, {"a": 1.0, "b": 1.0}, name=name, start=50)
    assert read(as_gobench([doc])).units == {"MB_s": "higher"}  # ns is better lower, and a target too


def test_times_are_nanoseconds() -> None:
    doc = hostile.run()
    doc["probes"]["p"]["cases"]["c"]["unit"] = "ms"
    assert read(as_gobench([doc])).results[0][2:4] == (
        median(doc["blocks"][0]["reps"]["a"]["samples"]["ns"]) * 1e6,
        "ns/op",
    )


def test_claims_and_facts_are_no_measurements() -> None:
    doc = hostile.run()
    doc["probes"]["p"]["cases"] = {"c": docs.reading()}
    doc["blocks"] = docs.windows([0.1, 0.2])
    found = read(as_gobench([doc]))
    assert [(r[0], r[2]) for r in found.results] == [
        ("BenchmarkP/case=c/arm=measured-2", 0.1), ("BenchmarkP/case=c/arm=measured-2", 0.2)
    ]  # fmt: skip


@hostile.often
@given(hostile.hostile, hostile.hostile, hostile.hostile, hostile.hostile, hostile.sizes)
def test_whatever_the_names_hold_it_is_read(probe: str, case: str, arm: str, unit: str, value: float) -> None:
    doc = hostile.run(id=unit, started=arm, tool={"version": case}, hashes={"host": "!" + arm, "kind": unit})
    stored = docs.case(arms=[docs.arm("a", promised=True), docs.arm("a" + arm + "!")], quantity="q", unit=unit)
    reps = {"a": docs.rep({"q": [value]}), "a" + arm + "!": docs.rep({"q": [value]})}
    doc["probes"] = {probe: {"state": "measured", "cases": {case: stored}}}
    doc["blocks"] = [docs.block(0, reps, name=case) | {"probe": probe}]
    found = read(as_gobench([doc]))
    assert [r[2] for r in found.results] == [value, value]
    assert len({r[0] for r in found.results}) == 2


@given(st.lists(st.sampled_from(["a b", "a/b", "a=b", "a_b"]), min_size=2, max_size=4, unique=True))
def test_names_that_look_alike_afterwards_stay_apart(arms: list[str]) -> None:
    doc = hostile.run()
    doc["probes"]["p"]["cases"]["c"]["arms"] = [docs.arm(a, promised=i == 0) for i, a in enumerate(arms)]
    doc["blocks"] = [docs.block(0, {a: docs.rep({"ns": [1.0]}) for a in arms})]
    assert len({r[0] for r in read(as_gobench([doc])).results}) == len(arms)


@pytest.mark.skipif(shutil.which("benchstat") is None, reason="needs benchstat on the path")
def test_benchstat_reads_it(tmp_path: Path) -> None:
    after = hostile.run(id="later", started="2026-01-02T00:00:00Z")
    after["blocks"] = docs.pairs(12, {"a": 200.0, "b": 300.0}, seed=5)
    for name, doc in (("before", hostile.run()), ("after", after)):
        (tmp_path / name).write_text(as_gobench([doc]))

    def said(*args: str) -> str:
        return subprocess.run(["benchstat", *args], capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    assert re.search(r"\+(49|50|51)\.\d+%", said("-col", "/arm", "before"))
    assert len(re.findall(r"\+(?:99|100|101)\.\d+%", said("before", "after"))) == 3  # both arms and the geomean
