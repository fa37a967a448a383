"""Many hosts: the costly lies and the odd hosts come first, each host counts once, and one host changes no other."""

import math
from dataclasses import replace

import numpy as np
import pytest

from liebench.compare.fleet import frame_of, summarise
from liebench.compare.metrics import LIE, RunMetrics
from liebench.errors import NotComparable

from tests.helpers.many_runs import LIE_KEY, key, run, runs
from tests.helpers.run_documents import built, reading

COSTLY = key(LIE, name="d", arm="b")


def fleet(n: int = 40) -> list[RunMetrics]:
    """Host h7 is 40 % worse than its peers in one lie; the other lie costs 50 % everywhere."""
    rng = np.random.default_rng(1)
    values = [(float(rng.normal(0.02, 0.01)), float(rng.normal(math.log(1.5), 0.02))) for _ in range(n)]
    return [
        run(i, {LIE_KEY: a + (0.4 if i == 7 else 0.0), COSTLY: b, key(): 5.0}, host=f"h{i}")
        for i, (a, b) in enumerate(values)
    ]


def test_costly_lies_and_odd_hosts_first() -> None:
    found = summarise(frame_of(fleet()))
    assert found.lies["case"].tolist() == ["d", "c"]
    assert found.lies["costly"].tolist() == [40, 1]
    assert found.lies["median"][0] == pytest.approx(1.5, rel=0.02)
    first = found.hosts.iloc[0]
    assert (first["host"], first["odd"], first["worst"]) == ("h7", 1, "p/c/b")
    assert found.hosts["odd"].tolist()[1:] == [0] * 39


def test_neither_order_nor_doubles_matter_and_the_newest_run_counts() -> None:
    hosts = fleet()
    found, again = summarise(frame_of(hosts)), summarise(frame_of([*hosts[::-1], *hosts]))
    assert found.hosts["host"].tolist() == again.hosts["host"].tolist()
    assert found.lies.drop(columns="unit").equals(again.lies.drop(columns="unit"))
    healed = replace(hosts[7], id="z", started="2027", values=hosts[8].values)
    assert summarise(frame_of([*hosts, healed])).hosts["odd"].sum() == 0


def test_hosts_that_agree_make_no_odd_one_of_a_small_difference() -> None:
    same = [run(i, {LIE_KEY: 0.1 if i else 0.13}, host=f"h{i}") for i in range(20)]
    assert summarise(frame_of(same)).hosts["odd"].sum() == 0


def test_readings_stay_in_their_unit() -> None:
    which = key(LIE, name="r", arm="measured")
    cases = {("p", "r"): built(reading(), "r")}
    made = [run(i, {which: 20.0 + i}, host=f"h{i}", cases=cases) for i in range(5)]
    row = summarise(frame_of(made)).lies.iloc[0]
    assert (row["unit"], row["median"], row["high"], row["costly"]) == ("ppm", 22.0, 24.0, 5)


def test_without_a_lie_there_is_nothing_to_say() -> None:
    with pytest.raises(NotComparable, match="hold no lie"):
        frame_of(runs([1.0], key()))
    with pytest.raises(NotComparable):
        frame_of([])
