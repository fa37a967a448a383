"""The backlog of a processor: floods of ours that overflow it, and what the host's own counters say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.contract import Arm, Disturbs, Turn, Verdict, Word
from liebench.errors import StageRefused
from liebench.facts.reader import Reader
from liebench.facts.softnet import Softnet, softnet, steering
from liebench.host import read_host
from liebench.probes.netdev_backlog.verdict import advise, bracket, counted
from liebench.runner.track import rig_of
from liebench.stage.backlog import SIZE, TC, caused, flood, receiver
from liebench.stage.net import LAB

from tests.helpers.live import Bench, host_with, left_behind

pytestmark = pytest.mark.machine

HOST = read_host()
X = Turn(Arm(id="x"), "x")
TRIES, PACKETS = 6, 4000
ABLE = pytest.mark.skipif(
    not (LAB.met(HOST) and TC.met(HOST) and HOST.writable(SIZE) and len(HOST.processors) > 1),
    reason="needs root, two processors and iproute2",
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    before = Path(SIZE).read_text() if HOST.exists(SIZE) else ""
    yield Bench("netdev-backlog", HOST, tmp_path, consent=Disturbs.HOST)
    assert left_behind(tmp_path) == []
    assert not before or Path(SIZE).read_text() == before


@ABLE
def test_every_packet_is_processed_or_dropped_and_none_where_there_is_room(bench: Bench) -> None:
    with receiver(bench.stage, 1000) as found:
        for size in (100, 1000, PACKETS):
            for _ in range(TRIES):  # counters are the host's: whoever else sends is in them
                rep = flood(bench.stage, found, X, size, packets=PACKETS, samples=3)
                if all(c == pytest.approx(PACKETS, rel=0.005) for c in rep.samples["counted"]):
                    break
            assert rep.samples["counted"] == pytest.approx([PACKETS] * 3, rel=0.005)
            assert rep.facts["received"] + rep.facts["dropped"] == pytest.approx(3 * PACKETS, rel=0.005)
            if size == 100:
                assert min(rep.samples["lost"]) > 10
        assert rep.samples["lost"] == [0, 0, 0]


@ABLE
def test_without_steering_the_sender_empties_the_queue_itself(bench: Bench) -> None:
    with receiver(bench.stage, 100, steered=False) as found:
        assert flood(bench.stage, found, X, 10, packets=PACKETS, samples=3).samples["lost"] == [0, 0, 0]


@ABLE
def test_the_size_a_burst_needs_is_where_it_is_computed(bench: Bench) -> None:
    for _ in range(TRIES):
        found = bench.verdict("needed", 1)
        if found.term == "as computed":
            break
    assert found.term == "as computed"


@ABLE
def test_of_a_burst_arrives_what_the_queue_holds_and_what_is_served_meanwhile(bench: Bench) -> None:
    """What a trial of the backlog measures: between one and two queues, beside what the receiver takes meanwhile."""
    case = next(c for c in bench.part.cases if c.id == "burst")
    with rig_of(bench.part, bench.stage) as rig:
        for size in (250, 500, 1000, PACKETS):
            for _ in range(TRIES):
                rep = rig.once(case, [Turn(Arm(id="own", args={"size": str(size)}), "own")])["own"]
                share, served = rep.samples["delivered"][0] / 100, rep.facts["served"] / rep.facts["arrivals"]
                low, high = min(1, size / PACKETS + served), min(1, 2 * size / PACKETS + served)
                if 0.9 * low <= share <= 1.1 * high:
                    break
            assert 0.9 * low <= share <= 1.1 * high, (size, low, share, high)
        assert share == 1


@ABLE
def test_a_flood_of_ours_is_not_held_against_the_host(bench: Bench) -> None:
    def drops() -> int:
        return int(bench.document("drops", 1)["blocks"][0]["reps"]["seen"]["facts"]["dropped"])

    before, ours = drops(), caused(bench.stage)
    assert (bench.verdict("lost", 6).value or 0) > 5
    assert caused(bench.stage) > ours
    assert drops() == pytest.approx(before, abs=20)


def test_it_is_refused_without_consent(tmp_path: Path) -> None:
    stage = Bench("netdev-backlog", HOST, tmp_path).stage
    with pytest.raises(StageRefused, match="--disturb host"), receiver(stage):
        raise AssertionError


LAYOUTS = {  # kernel -> a row: 2.6 has nine columns, 4 and 5 eleven, 5.10 and later thirteen, 6 fifteen
    9: "0000000a 00000001 00000002 0 0 0 0 0 0",
    11: "0000000a 00000001 00000002 0 0 0 0 0 0 00000003 0",
    13: "0000000a 00000001 00000002 0 0 0 0 0 0 00000003 0 0 00000005",
    15: "0000000a 00000001 00000002 0 0 0 0 0 0 00000003 0 0 00000005 0 0",
}


@pytest.mark.parametrize(("columns", "cpu"), [(9, 0), (11, 0), (13, 5), (15, 5)])
def test_the_layout_is_known_by_its_length(tmp_path: Path, columns: int, cpu: int) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/softnet_stat").write_text(LAYOUTS[columns] + "\n")
    assert softnet(Reader(tmp_path)) == [Softnet(cpu, 10, 1, 2)]


@pytest.mark.parametrize("text", ["", "rubbish\n", "1 2 3\n", None])
def test_counters_that_cannot_be_read_are_unknown(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    if text is not None:
        (tmp_path / "proc/net/softnet_stat").write_text(text)
    assert softnet(Reader(tmp_path)) is None
    assert counted(None, [])["value"] == "unknown"


@pytest.mark.parametrize(("mask", "found"), [("0", []), ("00000000,00000000", []), ("00000000,00000002", ["eth0"])])
def test_cards_that_hand_packets_over(tmp_path: Path, mask: str, found: list[str]) -> None:
    queue = tmp_path / "sys/class/net/eth0/queues/rx-0"
    queue.mkdir(parents=True)
    (queue / "rps_cpus").write_text(mask + "\n")
    assert steering(Reader(tmp_path)) == found


@pytest.mark.parametrize(
    ("dropped", "ours", "value"), [(0, 0, "none"), (1, 0, "rare"), (90000, 0, "drops"), (90000, 90000, "none")]
)
def test_what_the_counters_say(dropped: int, ours: int, value: str) -> None:
    assert counted([Softnet(0, 10_000_000, dropped, 0)], [], ours)["value"] == value


def test_the_bracket() -> None:
    assert bracket(4000, 400_000, 100_000) == (1500, 3000)
    assert bracket(4000, 100_000, 400_000) == (0, 0)  # served faster than it comes


@pytest.mark.parametrize(("size", "to"), [(1000, "2000"), (6000, "10000"), (10000, None), (250000, None)])
def test_the_queue_is_only_raised_where_packets_were_dropped_and_never_beyond_what_helps(
    size: int, to: str | None
) -> None:
    host = host_with(net={"backlog": size})
    drops = Verdict(word=Word.COSTLY, cases={"drops": Verdict(word=Word.COSTLY, term="drops", why="dropped")})
    assert [p.to for p in advise(drops, host)] == ([to] if to else [])
    assert not advise(Verdict(word=Word.HONEST, cases={"drops": Verdict(word=Word.HONEST, term="none")}), host)
