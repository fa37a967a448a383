"""The parts of `make test`: every test runs in exactly one, a failure in any fails all, and CI's skips hold in each."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from ci import run_tests
from ci.run_tests import BEHIND, PARTS, Part, counted, report

ROOT = Path(__file__).parents[1]
MARKS = ("machine", "alone", *BEHIND)
ALL = [marks for n in range(4) for marks in itertools.combinations(MARKS, n)]
SETS = [marks for marks in ALL if "alone" not in marks or "machine" in marks]  # tests/probes/conftest.py


def chosen(marks: str, of: tuple[str, ...]) -> bool:
    """Whether pytest's -m takes a test with these marks: and, or, not and brackets mean there what they mean here."""
    return bool(eval(marks, {"__builtins__": {}}, {mark: mark in of for mark in MARKS}))


@pytest.mark.parametrize(
    "of",
    [m for n in range(4) for m in itertools.combinations(MARKS, n) if "alone" not in m or "machine" in m],
    ids=" ".join,
)
def test_every_test_runs_in_exactly_one_part(of: tuple[str, ...]) -> None:
    assert sum(chosen(part.marks, of) for part in PARTS) == 1


def test_check_runs_the_pure_part() -> None:
    assert f'-m "{PARTS[0].marks}"' in (ROOT / "Makefile").read_text()


def test_a_part_that_ended_without_its_report_has_failed(tmp_path: Path) -> None:
    (tmp_path / "cut.xml").write_text("<testsuites><testsuite")
    assert counted(tmp_path / "none.xml") == counted(tmp_path / "cut.xml") == {"failed": 1}


SUITE = """
import pytest
def test_fine(): pass
def test_wrong(): assert 0
@pytest.mark.machine
def test_of_the_machine(): pass
@pytest.mark.machine
@pytest.mark.alone
def test_that_measures(): pass
@pytest.mark.slow
def test_allowed(): pytest.skip("needs benchstat on the path")
@pytest.mark.slow
def test_not_allowed(): pytest.skip("needs a second moon")
@pytest.fixture
def broken(): raise ValueError
@pytest.mark.slow
def test_whose_set_up_breaks(broken): pass
"""


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "failed"), [("true", 3), ("", 2)])
def test_what_became_of_each_part_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, failed: int
) -> None:
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE)
    monkeypatch.setenv("CI", ci)
    more = (
        str(suite),
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.conftest",
        f"--rootdir={ROOT}",
        f"-c{ROOT / 'pyproject.toml'}",
    )
    pure, machine, alone, _, behind = PARTS
    parts = (pure, machine, alone, Part(behind.name, behind.marks, 0, ("-n", "1"), behind=True))
    codes = run_tests.run(parts, tmp_path, more)
    assert {name: bool(code) for name, code in codes.items()} == {
        "pure": True,
        "machine": False,
        "alone": False,
        "behind": True,
    }
    total = Counter[str]()
    for part in parts:
        total.update(counted(report(part, tmp_path)))
    assert (total["passed"], total["failed"], total["skipped"]) == (3, failed, 4 - failed)
