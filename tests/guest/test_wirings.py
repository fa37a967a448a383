"""Every wiring of net-virtual on a kernel that has all of them: it is what it is called, and carries what is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Arm, Turn
from liebench.errors import NeedUnmet
from liebench.host import read_host
from liebench.stage import wiring
from liebench.stage.net import Lab
from liebench.stage.stage import Stage
from liebench.stage.wiring import BUILDERS, INNER_FAR, Wiring, wired

from tests.helpers.live import Bench

pytestmark = pytest.mark.guest
KINDS = dict.fromkeys(("veth", "bridge", "macvlan", "ipvlan", "routed", "nat", "proxy"), "e0")
KINDS |= dict.fromkeys(("vlan", "vxlan", "wireguard", "overlay"), "t0")  # the near end's device
KINDS_SAID = {"bridge": "veth", "routed": "veth", "nat": "veth", "proxy": "veth", "overlay": "tun"}
# A tag travels beside its frame until a card sends it; WireGuard's device counts packets as they are when ciphered.
HEADERS = {"vlan": 0, "vxlan": 14 + 20 + 8 + 8, "wireguard": 14 + 20 + 8}
TRIPS, BYTES = 100, 64
X = Turn(Arm(id="x"), "x")


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr("liebench.stage.net.PATIENCE_S", 60)  # the first one loads the modules, emulated
    return Bench("net-virtual", read_host(), tmp_path).stage


def link(found: Lab, at: str, name: str) -> dict[str, Any]:
    (row,) = json.loads(found.inside(at, ["ip", "-d", "-s", "-j", "link", "show", name]).stdout)
    return dict(row)


def carried(found: Lab, at: str, name: str) -> tuple[int, int]:
    """(packets, bytes) that a device sent so far."""
    sent = link(found, at, name)["stats64"]["tx"]
    return sent["packets"], sent["bytes"]


def trips(stage: Stage, found: Wiring) -> None:
    assert len(stage.core("net-trip", X, samples=TRIPS, each=1, **found.ends).samples["us"]) == TRIPS


@pytest.mark.parametrize("way", [*BUILDERS, "proxy", "overlay"])
def test_every_wiring_is_what_it_is_called_and_carries_what_is_sent(stage: Stage, way: str) -> None:
    with wired(stage, way) as found:
        name = KINDS.get(way, "lo")
        before = carried(found.lab, "near", name)
        trips(stage, found)
        packets, sent = (now - then for now, then in zip(carried(found.lab, "near", name), before, strict=True))
        if way in KINDS:
            assert link(found.lab, "near", name)["linkinfo"]["info_kind"] == KINDS_SAID.get(way, way)
        if name != "lo" or way == "loopback":
            assert packets >= TRIPS
            assert sent >= TRIPS * (BYTES + 52)  # headers of IP and TCP with timestamps
        else:
            assert packets == 0
        hops = {"hops": found.hops} if found.hops else {}
        assert max(stage.core("net-bulk", X, samples=2, **found.ends, **hops).samples["mbit"]) > 0


@pytest.mark.parametrize("way", ["vlan", "vxlan", "wireguard"])
def test_a_tunnel_puts_its_packets_on_the_wire_below_it(stage: Stage, way: str) -> None:
    with wired(stage, way) as found:
        # the outer device is read first and last: what goes through between two readings counts on it alone
        outer_before, inner_before = (carried(found.lab, "near", name) for name in ("e0", "t0"))
        trips(stage, found)
        inner_after, outer_after = (carried(found.lab, "near", name) for name in ("t0", "e0"))
        inner, outer = (
            (after[0] - before[0], after[1] - before[1])
            for before, after in ((inner_before, inner_after), (outer_before, outer_after))
        )
        assert abs(outer[0] - inner[0]) <= 20  # the few of a tunnel itself, or that it lost as it came up
        assert outer[1] - inner[1] >= TRIPS * HEADERS[way]


def transfer(found: Lab, at: str) -> tuple[int, int]:
    """(received, sent) as wg(8) counts them."""
    _, received, sent = found.inside(at, ["wg", "show", "t0", "transfer"]).stdout.split()
    return int(received), int(sent)


def test_what_a_wireguard_tunnel_counts_is_what_was_sent_ciphered_and_padded(stage: Stage) -> None:
    """A message of N bytes takes 32 more, N in steps of 16 (wireguard.com/protocol); what one end sends the other gets.

    A round trip is two packets of one end at most: its message, and perhaps a bare acknowledgement.
    """
    with wired(stage, "wireguard") as found:
        trips(stage, found)
        near, far = transfer(found.lab, "near"), transfer(found.lab, "far")
        assert near == (far[1], far[0])
        message = -(-(BYTES + 52) // 16) * 16 + 32  # its headers of TCP, with timestamps, and IP
        bare = 64 + 32
        assert TRIPS * message <= near[1] <= TRIPS * (message + bare) + 10_000


def test_keys_that_do_not_belong_together_carry_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tunnel is no plain one: with another public key there is no handshake and no byte received."""
    told = wiring._wg

    def wrong(found: Lab, at: str, *words: str, text: str = "") -> str:
        return told(found, at, "genkey") if words == ("pubkey",) else told(found, at, *words, text=text)

    monkeypatch.setattr(wiring, "_wg", wrong)
    with wired(stage, "wireguard") as found:
        assert found.lab.inside("near", ["ping", "-c", "1", "-W", "1", INNER_FAR]).returncode != 0
        assert transfer(found.lab, "near")[0] == 0


def test_without_its_tool_a_tunnel_is_a_need(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = Lab.inside

    def none(found: Lab, at: str, command: list[str], text: str = "") -> object:
        return inside(found, at, ["no-such-wg", *command[1:]] if command[0] == "wg" else command, text)

    monkeypatch.setattr(Lab, "inside", none)
    with pytest.raises(NeedUnmet, match="no-such-wg") as lacks, wired(stage, "wireguard"):
        raise AssertionError
    assert "wireguard-tools" in lacks.value.cure
