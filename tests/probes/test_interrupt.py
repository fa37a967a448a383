"""Cards, their interrupts and counters; packets taken by one processor or by two."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Arm, Turn, Verdict, Word
from liebench.errors import UsageError
from liebench.facts.cards import Card, allowances, cards, softirqs
from liebench.facts.reader import Reader
from liebench.facts.softnet import softnet
from liebench.host import read_host
from liebench.probes.net_interrupt.verdict import advise, allowance, pause, spread
from liebench.stage.backlog import steer
from liebench.stage.ethtool import rings, statistics_of
from liebench.stage.net import LAB
from liebench.stage.wiring import wired

from tests.helpers.live import PROBES, Bench, planted

pytestmark = pytest.mark.machine

HOST = read_host()
TWO_CPUS = pytest.mark.skipif(not LAB.met(HOST) or len(HOST.processors) < 2, reason="needs iproute2 and two processors")
X = Turn(Arm(id="x"), "x")
TRIES, PACKETS = 6, 4000


def taken(work: Any) -> Mapping[int, int]:
    """How many packets each processor worked on meanwhile."""
    before = {row.cpu: row.processed for row in softnet(Reader()) or []}
    work()
    return {row.cpu: row.processed - before[row.cpu] for row in softnet(Reader()) or []}


@TWO_CPUS
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("which", [0, 1])
def test_packets_steered_to_one_processor_are_taken_there_and_nowhere_else(tmp_path: Path, which: int) -> None:
    bench = Bench("net-interrupt", HOST, tmp_path)
    here, there = (HOST.processors[i] for i in (which, 1 - which))
    with wired(bench.stage, "veth") as found:
        steer(found, (here,))

        def flood() -> None:
            bench.stage.core("net-flood", X, cpu=there, far_cpu=here, packets=PACKETS, **found.ends)

        for _ in range(TRIES):  # others send too
            counts = taken(flood)
            if counts[here] == pytest.approx(PACKETS, rel=0.02) and counts[there] < PACKETS / 50:
                break
        assert counts[here] == pytest.approx(PACKETS, rel=0.02)
        assert counts[there] < PACKETS / 50


@TWO_CPUS
def test_half_as_much_work_again_is_found(tmp_path: Path) -> None:
    bench = Bench("net-interrupt", HOST, tmp_path)
    about = pytest.approx(1.5, abs=0.03)
    assert planted(bench, "plant_extra=0.5", about).value == about


@TWO_CPUS
def test_packets_take_something(tmp_path: Path) -> None:
    bench = Bench("net-interrupt", HOST, tmp_path)
    for blocks in (12, 24, 48):
        found = bench.verdict("taking", blocks).value
        if found is not None and found > 1:
            break
    assert found is not None
    assert 1 < found < 2


INTERRUPTS = """\
           CPU0       CPU1
 26:      10000         10  PCI-MSI 1-edge      virtio3-input.0
 27:       5000       5000  PCI-MSI 2-edge      virtio3-output.0
 28:      99999      99999  PCI-MSI 3-edge      virtio4-req.0
 40:        300      90000  PCI-MSI 4-edge      eth1-Tx-Rx-0
 41:        300        100  PCI-MSI 5-edge      mlx5_comp0@pci:0000:00:06.0
 50:          1          1  IO-APIC 9-edge      acpi
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A paravirtual card, one with a row per queue, one that is known by its interrupts' numbers, and a bridge."""
    for name, driver, device in (
        ("eth0", "virtio_net", "virtio3"),
        ("eth1", "ena", "0000:00:05.0"),
        ("eth2", "mlx5_core", "0000:00:06.0"),
    ):
        real = tmp_path / "sys/devices" / device
        (real / "msi_irqs").mkdir(parents=True)
        (tmp_path / "sys/bus/drivers" / driver).mkdir(parents=True)
        (real / "driver").symlink_to(tmp_path / "sys/bus/drivers" / driver)
        card = tmp_path / "sys/class/net" / name
        (card / "queues/rx-0").mkdir(parents=True)
        (card / "queues/rx-0/rps_cpus").write_text("0\n")
        (card / "device").symlink_to(real)
    (tmp_path / "sys/devices/0000:00:06.0/msi_irqs/41").touch()
    (tmp_path / "sys/class/net/eth2/queues/rx-0/rps_cpus").write_text("3\n")
    (tmp_path / "sys/class/net/br0/queues/rx-0").mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/interrupts").write_text(INTERRUPTS)
    return tmp_path


def test_whose_interrupts_are_whose(tree: Path) -> None:
    found = {card.name: card for card in cards(Reader(tree))}
    assert found["eth0"] == Card("eth0", "virtio_net", 1, 0, (10000, 10))
    assert found["eth1"] == Card("eth1", "ena", 1, 0, (300, 90000))
    assert found["eth2"] == Card("eth2", "mlx5_core", 1, 1, (300, 100))
    assert "br0" not in found


def test_files_that_are_missing_or_rubbish_are_no_cards(tree: Path) -> None:
    (tree / "proc/interrupts").write_text("rubbish")
    assert all(sum(card.taken) == 0 for card in cards(Reader(tree)))
    assert cards(Reader(tree / "nowhere")) == []
    assert softirqs(Reader(tree)) == ()


@pytest.mark.parametrize(
    ("taken", "steered", "processors", "value"),
    [
        ((9000, 1000), 0, 2, "one"),
        ((9000, 1000), 1, 2, "spread"),
        ((5000, 5000), 0, 2, "spread"),
        ((90, 10), 0, 2, "few"),
        ((9000,), 0, 1, "single"),
    ],
)
def test_who_takes_the_interrupts(taken: tuple[int, ...], steered: int, processors: int, value: str) -> None:
    assert spread([Card("eth0", "ena", 1, steered, taken)], processors)["value"] == value
    assert spread([], processors)["value"] == "none"


def test_a_card_confesses() -> None:
    stats = {"rx_packets": 5, "bw_in_allowance_exceeded": 0, "pps_allowance_exceeded": 17}
    assert allowances(stats) == {"bw_in_allowance_exceeded": 0, "pps_allowance_exceeded": 17}
    assert allowance(allowances(stats)) == {"value": "exceeded", "worst": "pps_allowance_exceeded", "times": 17}
    assert allowance({"bw_in_allowance_exceeded": 0})["value"] == "kept"
    assert allowance({})["value"] == "none"


@pytest.mark.parametrize(
    ("ms", "ring", "value"), [(2.0, 256, "fits"), (4.0, 256, "overflows"), (4.0, None, "unknown"), (4.0, 0, "unknown")]
)
def test_what_waits_while_a_processor_is_away(ms: float, ring: int | None, value: str) -> None:
    assert pause(ms, ring, 100_000)["value"] == value


def test_the_kernels_own_counters_of_a_card_are_read_by_name(tmp_path: Path) -> None:
    """Those of this machine's cards, against the names that the same request gives to anybody."""
    assert statistics_of("none-such") == {}
    assert rings("none-such") is None
    for card in cards(Reader()):
        found = statistics_of(card.name)
        assert all(name and name.isprintable() for name in found)
        ring = rings(card.name)
        assert ring is None or 0 < ring.receive <= ring.receive_most


def test_advice_needs_a_reason() -> None:
    honest = {"spread": Verdict(word=Word.HONEST, term="spread"), "allowance": Verdict(word=Word.HONEST, term="kept")}
    assert not advise(Verdict(word=Word.HONEST, cases=honest), HOST)
    bad = {
        "spread": Verdict(word=Word.HARMLESS, term="on one", why="one"),
        "allowance": Verdict(word=Word.COSTLY, term="exceeded", why="more"),
    }
    assert [p.change for p in advise(Verdict(word=Word.COSTLY, cases=bad), HOST)] == ["spread-packets", "ask-provider"]


@pytest.mark.parametrize("value", ["0", "many", "-5"])
def test_a_rate_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match=r"net-interrupt\.rate"):
        PROBES["net-interrupt"].probe.cases(HOST, {"rate": value})
