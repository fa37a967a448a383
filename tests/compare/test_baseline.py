"""Baselines: promoted by somebody, with an anchor that stays; what is stored is read back or refused by its place."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from liebench.compare.baseline import Baseline, days_of, promote, read_baseline, usable, write_baseline
from liebench.compare.metrics import FACT, Key, Value
from liebench.errors import NotComparable, RunUnreadable, UsageError

from tests.helpers.many_runs import LIE_KEY, key, run, runs

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MONTH = timedelta(days=30)


def made() -> Baseline:
    values: dict[Key, float | Value] = {
        LIE_KEY: Value(0.1, math.inf, 3),
        key(): 4.0,
        Key("p", "c", "", FACT): Value(math.nan, math.nan, 1, "kvm"),
    }
    return promote(None, "b", [run(1, values), run(2, values)], NOW, MONTH, anchor=False)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path, before = tmp_path / "deep" / "b.json", made()
    write_baseline(path, before)
    assert str(read_baseline(path)) == str(before)
    assert [p.name for p in path.parent.iterdir()] == ["b.json"]


def test_the_anchor_stays_until_somebody_moves_it() -> None:
    first = made()
    second = promote(first, "b", runs([1.0], start=10), NOW, MONTH, anchor=False)
    assert [m.id for m in second.anchor] == [m.id for m in first.runs]
    third = promote(second, "b", runs([2.0], start=20), NOW, MONTH, anchor=True)
    assert third.anchor == third.runs
    bare = Baseline("b", first.runs, [], NOW, NOW)
    assert promote(bare, "b", runs([1.0]), NOW, MONTH, anchor=False).anchor, "none is no anchor to keep"


def test_one_host_only() -> None:
    with pytest.raises(NotComparable, match="these are of 2"):
        promote(None, "b", [*runs([1.0]), *runs([1.0], start=2, host="x")], NOW, MONTH, False)
    with pytest.raises(NotComparable, match="the anchor is of another host"):
        promote(made(), "b", runs([1.0], host="x"), NOW, MONTH, False)
    assert promote(made(), "b", runs([1.0], host="x"), NOW, MONTH, True).anchor[0].host == "x"


def test_it_expires() -> None:
    assert usable(made(), NOW + MONTH - timedelta(seconds=1))
    with pytest.raises(NotComparable, match="expired on 2026-02-01T03:04:05Z"):
        usable(made(), NOW + MONTH)


@pytest.mark.parametrize(("said", "means"), [("30d", timedelta(days=30)), ("12h", timedelta(hours=12))])
def test_days(said: str, means: timedelta) -> None:
    assert days_of(said) == means


@pytest.mark.parametrize("said", ["", "d", "30", "0d", "-1d", "1.5d", "30m", "9999d", "9" * 5000 + "d", "³d"])
def test_no_days(said: str) -> None:
    with pytest.raises(UsageError, match="30d or 12h"):
        days_of(said)


def stored(tmp_path: Path) -> dict[str, Any]:
    write_baseline(tmp_path / "b.json", made())
    loaded: dict[str, Any] = json.loads((tmp_path / "b.json").read_text())
    return loaded


DAMAGE: list[tuple[tuple[str | int, ...], object, str]] = [
    (("schema",), "liebench.baseline/2", "this liebench reads liebench.baseline/1"),
    (("runs",), None, "runs should be a list"),
    (("runs", 0), 5, r"runs\[0\] should be an object"),
    (("runs", 0, "host"), None, r"runs\[0\].host should be a text"),
    (("runs", 0, "cases", 0, "kind"), "x", r"runs\[0\].cases\[0\].kind"),
    (("runs", 1, "values", 0, "value"), "x", r"runs\[1\].values\[0\] should be a number"),
    (("runs", 1, "values", 0, "value"), None, r"runs\[1\].values\[0\] should hold a word where it is a fact"),
    (("runs", 1, "values", 0, "word"), "x", r"runs\[1\].values\[0\] should hold a word where it is a fact"),
    (("runs", 1, "values", 0, "case"), "x", "a case that the baseline does not hold"),
    (("anchor", 0, "values"), {}, r"anchor\[0\].values should be a list"),
    (("expires",), "soon", "is damaged"),
    (("expires",), 5, "expires should be a text"),
]


@pytest.mark.parametrize(("path", "value", "says"), DAMAGE)
def test_damage_is_named(tmp_path: Path, path: tuple[str | int, ...], value: object, says: str) -> None:
    doc = target = stored(tmp_path)
    for step in path[:-1]:
        target = target[step]  # type: ignore[index]
    target[path[-1]] = value  # type: ignore[index]
    file = tmp_path / "b.json"
    file.write_text(json.dumps(doc))
    with pytest.raises(RunUnreadable, match=says) as caught:
        read_baseline(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"NaN", b'{"schema": 1}'])
def test_what_is_no_baseline(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "b.json"
    file.write_bytes(raw)
    with pytest.raises(RunUnreadable):
        read_baseline(file)
    assert file.read_bytes() == raw
    with pytest.raises(NotComparable, match="liebench baseline promote"):
        read_baseline(tmp_path / "none.json")
