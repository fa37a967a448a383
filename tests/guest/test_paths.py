"""A path of known delay and rate where the kernel makes it, by netem: what is configured, and what the window does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Arm, Turn
from liebench.host import read_host
from liebench.stage.net import Wire, path, route
from liebench.stage.stage import Stage

from tests.helpers.live import Bench

pytestmark = pytest.mark.guest
TRIP_MS = 60  # an emulated machine sends a whole round of a burst in less
X = Turn(Arm(id="x"), "x")


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Bench("tcp-idle-restart", read_host(), tmp_path).stage


def netem(wire: Wire, at: str) -> dict[str, Any]:
    """What tc(8) says of the queue of one end."""
    rows = json.loads(wire.lab.inside(at, ["tc", "-s", "-j", "qdisc", "show", "dev", "wire0"]).stdout)
    (row,) = (row for row in rows if row["kind"] == "netem")
    return dict(row)


def test_both_ends_delay_by_half_of_the_trip_at_the_rate_that_was_told(stage: Stage) -> None:
    with path(stage, 30, 100) as wire:
        assert (wire.made_by, wire.relay, wire.trip_us) == ("netem", None, 30_000)
        rep = wire.verified(lambda: stage.core("tcp-burst", X, bytes=100_000, congestion="cubic", **wire.ends))
        assert rep.facts["trip_us"] >= 30_000
        for end in ("near", "far"):
            found = netem(wire, end)
            options = found["options"]
            assert options["delay"]["delay"] == pytest.approx(0.015)
            assert options["rate"]["rate"] == 100e6 / 8
            assert found["drops"] == 0
        assert netem(wire, "near")["bytes"] > 100_000


def test_a_path_without_a_rate_has_a_delay_only(stage: Stage) -> None:
    with path(stage, 10, 0) as wire:
        assert wire.made_by == "netem"
        assert netem(wire, "near")["options"].get("rate", {"rate": 0})["rate"] == 0


def test_without_netem_it_is_a_relay(stage: Stage) -> None:
    with path(stage, 10, netem=False) as wire:
        assert wire.made_by == "relay"


@pytest.mark.parametrize("silence", [0, 1.5, 8.5])
def test_the_window_after_silence_is_what_the_kernel_computes(stage: Stage, silence: float) -> None:
    """In packets, as the connection has it when the burst begins, beside what the kernel's formula lets expect."""
    with path(stage, TRIP_MS) as wire:
        route(wire.lab, "near", rto_min="20ms")
        rep = stage.core("tcp-burst", X, congestion="cubic", silence=silence, **wire.ends)
        assert rep.samples["window"] == rep.samples["said"]
        window = rep.samples["window"][0]
        assert window == 10 if silence > 8 else window > 10
        kept = stage.core("tcp-burst", X, congestion="cubic", silence=silence, restart=0, restarts=0, **wire.ends)
        assert kept.samples["window"] == kept.samples["said"]
        assert kept.samples["window"][0] > 100


def test_bbr_keeps_its_window_through_silence(stage: Stage) -> None:
    subprocess.run(["modprobe", "tcp_bbr"], check=True)
    with path(stage, TRIP_MS) as wire:
        route(wire.lab, "near", rto_min="20ms")
        rep = stage.core("tcp-burst", X, congestion="bbr", silence=8.5, restarts=0, **wire.ends)
    assert rep.samples["window"] == rep.samples["said"]
    assert rep.samples["window"][0] > 20
