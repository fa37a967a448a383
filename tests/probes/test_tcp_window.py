"""What a connection delivers on a path, by its windows and by the largest that the kernel lets it have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from liebench.contract import Arm, Turn, Verdict, Word
from liebench.errors import UsageError
from liebench.facts.sockets import parse
from liebench.host import read_host
from liebench.probes.tcp_window.verdict import advise, reach
from liebench.probes.tcp_window.verdict import seen as held
from liebench.runner.track import rig_of

from tests.helpers.live import NET, PROBES, SS, Bench, host_with, networks_gone, planted, settled

pytestmark = pytest.mark.machine

HOST = read_host()


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Bench]:
    with networks_gone():
        yield Bench("tcp-window", HOST, tmp_path)


@NET
@pytest.mark.parametrize("case", ["rate", "receive", "receive-large", "send"])
def test_what_arrives_is_what_the_window_lets_expect(window: Bench, case: str) -> None:
    assert settled(window, case, pytest.approx(1, abs=0.1)) == pytest.approx(1, abs=0.1)


def _arrives(window: Bench, limit: str, sizes: tuple[int, int], expected: float) -> float:
    """How many times as much arrives with the larger of two limits, 40 ms away; the median of some pairs.

    By cubic: BBR paces itself below a tight send buffer.
    """
    case = next(c for c in window.part.cases if c.id == "fixed")
    args = {"trip_ms": "40", "congestion": "cubic"}
    turns = [Turn(Arm(id=str(size), args={limit: str(size), **args}), str(size)) for size in sizes]
    ratios: list[float] = []
    with rig_of(window.part, window.stage) as rig:
        while len(ratios) < 15 and (len(ratios) < 3 or abs(median(ratios) / expected - 1) > 0.05):
            reps = rig.once(case, turns)
            less, more = (median(reps[str(size)].samples["mbit"]) for size in sizes)
            ratios.append(more / less)
    return median(ratios)


@NET
@pytest.mark.parametrize("limit", ["wmem", "rmem"])
def test_twice_the_largest_buffer_lets_twice_as_much_through(window: Bench, limit: str) -> None:
    """What a trial of tcp_wmem or tcp_rmem does: no more than a window in a round trip, and windows follow them."""
    before = [Path(f"/proc/sys/net/ipv4/tcp_{which}").read_text() for which in ("rmem", "wmem")]
    found = _arrives(window, limit, (1 << 17, 1 << 18), 2)
    assert found == pytest.approx(2, rel=0.1)
    assert [Path(f"/proc/sys/net/ipv4/tcp_{which}").read_text() for which in ("rmem", "wmem")] == before


@NET
def test_a_limit_above_what_the_path_needs_lets_no_more_through(window: Bench) -> None:
    assert _arrives(window, "wmem", (1 << 22, 1 << 23), 1) == pytest.approx(1, rel=0.1)


@NET
def test_half_of_it_is_found_missing(window: Bench) -> None:
    about = pytest.approx(2, abs=0.06)
    assert planted(window, "plant_less=0.5", about, (6, 12, 24)).value == about


@pytest.mark.parametrize(
    ("net", "mbit", "trip_ms", "value"),
    [
        ({"rmem_most": 33554432, "wmem_most": 4194304}, 1000, 100, "near"),  # 2 MiB under way
        ({"rmem_most": 33554432, "wmem_most": 4194304}, 160, 100, "far"),
        ({"rmem_most": 6291456, "wmem_most": 67108864}, 1000, 30, "near"),  # now the receiver's 3 MiB
        ({"rmem_most": 6291456, "wmem_most": 67108864}, 1000, 25, "far"),
        ({"rmem_most": None, "wmem_most": None}, 1000, 25, "unknown"),
    ],
)
def test_how_far_the_maxima_reach(net: dict[str, Any], mbit: float, trip_ms: float, value: str) -> None:
    assert reach(host_with(net=net), mbit, trip_ms)["value"] == value


def test_maxima_are_raised_only_where_connections_are_held_back() -> None:
    host = host_with(net={"rmem_most": 6291456, "wmem_most": 4194304})
    limited = Verdict(word=Word.COSTLY, term="limited", why="held")
    near, far = (
        Verdict(word=Word.HARMLESS, term="not so far", why="short"),
        Verdict(word=Word.HONEST, term="far enough"),
    )
    assert not advise(
        Verdict(word=Word.HONEST, cases={"sockets": Verdict(word=Word.HONEST, term="free"), "reach": near}), host
    )
    assert not advise(Verdict(word=Word.COSTLY, cases={"sockets": limited, "reach": far}), host)
    said = advise(Verdict(word=Word.COSTLY, cases={"sockets": limited, "reach": near}), host)
    assert [(p.change, p.to) for p in said] == [("receive-window", "12582912"), ("send-window", "8388608")]


def test_connections_held_back_by_a_window_are_told() -> None:
    assert held(parse(SS)) | {"most": 0.5} == {"value": "limited", "open": 3, "held": 1, "most": 0.5, "by_sender": 0}
    assert held(parse(SS.replace("rwnd_limited:250ms(50.0%)", "")))["value"] == "free"
    assert held([])["value"] == "none"
    assert held(None)["value"] == "unknown"


@pytest.mark.parametrize("value", ["0", "-1", "fast", ""])
def test_a_path_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"tcp-window\.rate"):
        PROBES["tcp-window"].probe.cases(HOST, {"rate": value, "trip": "10"})
