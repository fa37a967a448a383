"""Own traces: what was noted is what is taken out, and what cannot be told is not made up."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from liebench.state import traces
from liebench.state.traces import ASIDE, FILE, NOTHING, Own, Traces, own_traces


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A boot-time clock that stands where it is put."""
    at = [0.0]
    monkeypatch.setattr(traces, "now_s", lambda: at[0])
    return at


def measured(state: Path, clock: list[float], begin: float, end: float, boot: str = "b", **gained: int) -> None:
    noted = Traces(state, boot)
    clock[0] = begin
    noted.begin()
    clock[0] = end
    noted.end(gained)


def test_spans_and_shares_add_up(tmp_path: Path, clock: list[float]) -> None:
    measured(tmp_path, clock, 10, 40, flushes=7, forks=3)
    measured(tmp_path, clock, 100, 101.5, flushes=1)
    Traces(tmp_path, "b").share({"oom_kill": 2})
    Traces(tmp_path, "b").share({"oom_kill": 1, "dropped": 13646})
    found = own_traces([tmp_path], "b")
    assert found == Own(31.5, {"flushes": 8, "forks": 3}, {"oom_kill": 3, "dropped": 13646})


def test_rare_events_are_told_by_their_shares_alone() -> None:
    """A kill in the time of a measurement may have been somebody else's."""
    found = Own(9.0, {"vmstat.oom_kill": 3, "irq.LOC": 50}, {"vmstat.oom_kill": 2})
    assert found.ours() == {"vmstat.oom_kill": (2, 2), "irq.LOC": (50, 50)}
    assert Own(unknown="why").ours() is None


def test_users_add_up_and_a_folder_without_traces_adds_nothing(tmp_path: Path, clock: list[float]) -> None:
    measured(tmp_path / "root", clock, 0, 5, forks=1)
    measured(tmp_path / "user", clock, 7, 8, forks=1)
    found = own_traces([tmp_path / "root", tmp_path / "user", tmp_path / "nobody", tmp_path / "root"], "b")
    assert found == Own(6.0, {"forks": 2})


def test_another_boot_counts_as_zero_and_is_set_aside(tmp_path: Path, clock: list[float]) -> None:
    measured(tmp_path, clock, 1, 2, "old", forks=9)
    assert own_traces([tmp_path], "new") == NOTHING
    measured(tmp_path, clock, 1, 3, "new", forks=1)
    assert own_traces([tmp_path], "new") == Own(2.0, {"forks": 1})
    assert own_traces([tmp_path], "old") == NOTHING
    assert (tmp_path / ASIDE).exists()


def test_a_measurement_that_goes_on_or_was_killed_makes_counts_since_boot_unknown(tmp_path: Path) -> None:
    Traces(tmp_path, "b").begin()
    assert "goes on, or was killed" in own_traces([tmp_path], "b").unknown
    assert own_traces([tmp_path], "c").unknown == ""  # a boot later nobody asks


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"boot": "b", "span": "x", "end_s": 3, "gained": {}}',  # an end without a beginning
        '{"boot": "b", "shares": {"oom_kill": -1}}',
        '{"boot": "b", "shares": {"oom_kill": 1.5}}',
        '{"boot": "b", "shares": [1]}',
        '{"boot": "b"}',
    ],
)
def test_a_damaged_file_makes_them_unknown_and_loses_nothing(tmp_path: Path, line: str) -> None:
    Traces(tmp_path, "b").share({"oom_kill": 1})
    with (tmp_path / FILE).open("a") as file:
        file.write(line + "\n")
    found = own_traces([tmp_path], "b")
    assert found.unknown
    assert found.shares == {"oom_kill": 1}


def test_a_span_that_ends_before_it_begins_is_none(tmp_path: Path, clock: list[float]) -> None:
    measured(tmp_path, clock, 10, 3, forks=1)
    assert "a span of -7 s" in own_traces([tmp_path], "b").unknown


def test_without_a_boot_nothing_is_noted(tmp_path: Path) -> None:
    Traces(tmp_path, None).share({"oom_kill": 1})
    assert not (tmp_path / FILE).exists()
    assert "which boot" in own_traces([tmp_path], None).unknown


def test_where_nothing_can_be_written_a_measurement_goes_on(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    Traces(tmp_path / "state", "b").share({"oom_kill": 1})


def test_all_may_read_and_numbers_are_all_there_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Traces(tmp_path, "b").share({"oom_kill": 1})
    finally:
        os.umask(before)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o644
    assert set(json.loads((tmp_path / FILE).read_text())) == {"boot", "shares", "at_s"}
