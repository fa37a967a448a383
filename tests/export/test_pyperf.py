"""pyperf itself reads the suite: the same values in seconds, and its commands work on it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pyperf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liebench.errors import UsageError
from liebench.export.suite import as_suite

from tests.helpers import hostile
from tests.helpers import run_documents as docs


def _pyperf(*args: str) -> str:
    done = subprocess.run([sys.executable, "-m", "pyperf", *args], capture_output=True, text=True, check=True)
    return done.stdout


def _written(folder: Path, name: str, dear: float) -> str:
    blocks = docs.pairs(12, {"a": 100.0, "b": 100.0 * dear}, seed=int(10 * dear))
    path = folder / f"{name}.json"
    path.write_text(as_suite(hostile.run() | {"blocks": blocks})[0])
    return str(path)


def test_values_are_seconds_and_blocks_are_runs() -> None:
    doc = hostile.run()
    suite = pyperf.BenchmarkSuite.loads(as_suite(doc)[0])
    assert suite.get_benchmark_names() == ["p/c/a", "p/c/b"]
    runs = suite.get_benchmark("p/c/b").get_runs()
    assert len(runs) == 12
    for run, block in zip(runs, doc["blocks"], strict=True):
        assert list(run.values) == [v * 1e-9 for v in block["reps"]["b"]["samples"]["ns"]]
    about = suite.get_benchmark("p/c/b").get_metadata()
    assert (about["liebench_host"], about["liebench_version"], about["cpu_count"]) == ("hh", "0.1.0", 2)
    assert suite.get_benchmark("p/c/b").get_unit() == "second"


def test_its_commands_work_on_it(tmp_path: Path) -> None:
    before, after = _written(tmp_path, "before", 1.0), _written(tmp_path, "after", 1.3)
    said = _pyperf("compare_to", before, after)
    assert "p/c/b" in said
    assert "1.30x slower" in said
    stats = _pyperf("stats", before)
    assert "Number of values: 240" in stats.replace("Total number", "Number")
    assert "p/c/a" in _pyperf("show", before)


@pytest.mark.parametrize(("unit", "theirs", "factor"), [("us", "second", 1e-6), ("MiB", "byte", 2**20),
                                                        ("cycles", "integer", 1.0)])  # fmt: skip
def test_units_are_mapped(unit: str, theirs: str, factor: float) -> None:
    doc = hostile.run()
    doc["probes"]["p"]["cases"]["c"]["unit"] = unit
    bench = pyperf.BenchmarkSuite.loads(as_suite(doc)[0]).get_benchmark("p/c/a")
    assert bench.get_unit() == theirs
    assert math.isclose(bench.median(), 100 * factor, rel_tol=0.05)


def test_what_does_not_fit_is_named_and_left_out() -> None:
    doc = hostile.run()
    doc["probes"]["p"]["cases"] |= {"fast": docs.case(better="higher"), "share": docs.case(unit="%")}
    for name in ("fast", "share"):
        doc["blocks"] += docs.pairs(2, {"a": 1.0, "b": 1.0}, name=name, start=50)
    doc["blocks"][0]["reps"]["a"]["samples"]["ns"][0] = 0.0
    text, left = as_suite(doc)
    assert pyperf.BenchmarkSuite.loads(text).get_benchmark_names() == ["p/c/b"]
    assert left == [
        "p/c/a: pyperf takes only values above zero",
        *[f"p/fast/{arm}: pyperf takes lower for better" for arm in "ab"],
        *[f"p/share/{arm}: pyperf has no unit for '%'" for arm in "ab"],
    ]
    doc["probes"]["p"]["state"] = "failed"
    with pytest.raises(UsageError, match="it holds no samples"):
        as_suite(doc)


def test_controls_and_void_repetitions_are_left_out() -> None:
    more = docs.controls()
    doc = hostile.run()
    doc["controls"], doc["blocks"] = more["controls"], [*doc["blocks"], *more["blocks"]]
    doc["blocks"][0]["reps"]["b"]["flags"] = ["void"]
    suite = pyperf.BenchmarkSuite.loads(as_suite(doc)[0])
    assert [len(suite.get_benchmark(f"p/c/{arm}").get_runs()) for arm in "ab"] == [12, 11]


def test_names_that_look_alike_afterwards_stay_apart() -> None:
    doc = hostile.run()
    doc["probes"]["p"]["cases"]["c"]["arms"] = [docs.arm("a b", promised=True), docs.arm("a\nb")]
    doc["blocks"] = [docs.block(0, {"a b": docs.rep({"ns": [1.0]}), "a\nb": docs.rep({"ns": [2.0]})})]
    suite = pyperf.BenchmarkSuite.loads(as_suite(doc)[0])
    assert [(b.get_name(), b.get_values()) for b in suite] == [("p/c/a b", (1e-9,)), ("p/c/a b #2", (2e-9,))]


@hostile.often
@given(hostile.hostile, hostile.hostile, hostile.hostile, st.floats(1e-300, 1e150))
def test_whatever_the_names_hold_the_numbers_read_back(probe: str, case: str, arm: str, value: float) -> None:
    doc = json.loads(json.dumps(hostile.run(id=case, started=arm)).replace('"b"', '"bb"'))
    stored = docs.case(arms=[docs.arm("a", promised=True), docs.arm("a" + arm)], quantity="q", unit="s")
    reps = {"a": docs.rep({"q": [value]}), "a" + arm: docs.rep({"q": [value]})}
    doc["probes"] = {probe: {"state": "measured", "cases": {case: stored}}}
    doc["blocks"] = [docs.block(0, reps, name=case) | {"probe": probe}]
    suite = pyperf.BenchmarkSuite.loads(as_suite(doc)[0])
    values = [v for bench in suite for run in bench.get_runs() for v in run.values]
    assert values == [value] * len(values)
    assert len(values) == (2 if arm else 1 + len(suite) - 1)
    assert all(hostile.shows_nothing(name) for name in suite.get_benchmark_names())
