"""Networks of ours, and the probes of connections on them."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Arm, Turn, Verdict, Word
from liebench.errors import NeedUnmet
from liebench.facts.sockets import Connection, parse
from liebench.host import read_host
from liebench.probes.net_virtual.verdict import advise as advise_virtual
from liebench.probes.tcp_idle_restart.verdict import seen
from liebench.stage.net import FAR, LATE, lab, path, route
from liebench.stage.wiring import BUILDERS, NFT, TUN, WG, wired

from tests.helpers.live import NET, SS, Bench, host_with, networks_gone, planted, settled

pytestmark = pytest.mark.machine

HOST = read_host()
TRIES = 5
X = Turn(Arm(id="x"), "x")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with networks_gone():
        yield Bench("tcp-idle-restart", HOST, tmp_path)


@NET
@pytest.mark.parametrize("trip_ms", [4, 20, 40])
def test_a_path_has_the_round_trip_it_was_given(bench: Bench, trip_ms: int) -> None:
    with path(bench.stage, trip_ms) as wire:
        for _ in range(TRIES):
            rep = wire.verified(lambda: bench.stage.core("tcp-burst", X, bytes=1000, congestion="cubic", **wire.ends))
            if LATE not in rep.flags and rep.facts["trip_us"] < 1000 * trip_ms + 300:
                break
        assert 1000 * trip_ms <= rep.facts["trip_us"] < 1000 * trip_ms + 300
        assert rep.facts["relay"]["dropped"] == 0


@NET
@pytest.mark.parametrize("mbit", [20, 100])
def test_a_path_has_the_rate_it_was_given(bench: Bench, mbit: int) -> None:
    """A burst of 1 MB after others of its size: frames of 1514 bytes at that rate, and a trip for the answer."""
    frames, trip_us = 1_000_000 / 1448, 4000
    with path(bench.stage, trip_us / 1000, mbit) as wire:
        for _ in range(TRIES):
            rep = bench.stage.core("tcp-burst", X, bytes=1_000_000, congestion="cubic", **wire.ends)
            expected = frames * 1514 * 8 / mbit + trip_us
            if abs(rep.samples["us"][0] / expected - 1) < 0.05:
                break
    assert rep.samples["us"][0] == pytest.approx(expected, rel=0.05)


@NET
@pytest.mark.parametrize("silence", [0, 0.5, 1.5, 2.5, 3.5, 8.5])
def test_the_window_after_silence_is_what_the_kernel_computes(bench: Bench, silence: float) -> None:
    with path(bench.stage, 10) as wire:
        route(wire.lab, "near", rto_min="20ms")
        rep = bench.stage.core("tcp-burst", X, congestion="cubic", silence=silence, **wire.ends)
        window, said = rep.samples["window"][0], rep.samples["said"][0]
        assert window == said >= 10
        if silence > 8:
            assert window == 10
        kept = bench.stage.core("tcp-burst", X, congestion="cubic", silence=silence, restart=0, restarts=0, **wire.ends)
        assert kept.samples["window"] == kept.samples["said"]
        assert kept.samples["window"][0] > 20  # how far it grew before the silence is this machine's affair


@NET
@pytest.mark.parametrize("initial", [10, 32])
def test_the_route_says_what_a_new_connection_begins_with(bench: Bench, initial: int) -> None:
    with path(bench.stage, 4) as wire:
        route(wire.lab, "near", initcwnd=initial)
        rep = bench.stage.core("tcp-burst", X, congestion="cubic", warm=0, **wire.ends)
        assert rep.samples["window"] == [initial]


def apart(bench: Bench, case: str) -> float:
    """Delivered over promised, of all repetitions: far apart, however late the relay was."""
    found = bench.verdict(case, 8)
    return (found.delivered or 0) / (found.promised or 1)


@NET
def test_the_burst_after_silence_takes_the_round_trips_that_follow(bench: Bench) -> None:
    assert settled(bench, "time", pytest.approx(1, abs=0.1)) == pytest.approx(1, abs=0.1)
    assert apart(bench, "cubic") > 1.7
    assert apart(bench, "setting-0") < 0.7
    about = pytest.approx(0.5, abs=0.04)
    assert planted(bench, "silence=3.5", about, (6, 12, 24)).value == about


@NET
def test_where_the_congestion_control_sets_its_own_rate_silence_costs_nothing(bench: Bench) -> None:
    if "bbr" not in (HOST.read("/proc/sys/net/ipv4/tcp_allowed_congestion_control") or ""):
        pytest.skip("needs bbr, allowed to everybody")
    with path(bench.stage, 10) as wire:
        route(wire.lab, "near", rto_min="20ms")
        rep = bench.stage.core("tcp-burst", X, congestion="bbr", silence=8.5, restarts=0, **wire.ends)
    assert rep.samples["window"] == rep.samples["said"]
    assert rep.samples["window"][0] > 20


def test_what_ss_says_of_connections_to_others() -> None:
    found = parse(SS)
    assert [c.congestion for c in found] == ["cubic", "bbr", "reno"]
    assert found[0] == Connection(
        congestion="cubic",
        cwnd=140,
        rto_ms=204,
        rtt_ms=3.2,
        silent_ms=1000,
        busy_ms=500,
        rwnd_limited_ms=250,
        sndbuf_limited_ms=0,
    )
    assert found[0].limited() == 0.5
    assert found[0].decayed(10) == 10  # four timeouts: 140, 70, 35, 17, and 8 is less than the initial window
    assert dataclasses.replace(found[0], silent_ms=300).decayed(10) == 70
    assert dataclasses.replace(found[0], silent_ms=204).decayed(10) == 140
    assert found[2].silent_ms is None
    assert parse("") == parse("rubbish") == []


@pytest.mark.parametrize(
    ("net", "text", "value"),
    [
        ({"restarts": 1, "congestion": "cubic"}, SS, "loses"),
        ({"restarts": 1, "congestion": "bbr"}, "", "no effect"),
        ({"restarts": 1, "congestion": "cubic"}, "", "none"),
        ({"restarts": 0, "congestion": "cubic"}, SS, "off"),
        ({"restarts": 1, "congestion": "cubic"}, SS.replace("lastsnd:1000", "lastsnd:10"), "spared"),
        ({"restarts": None, "congestion": None}, SS, "unknown"),
    ],
)
def test_what_silence_costs_this_hosts_connections(net: dict[str, Any], text: str, value: str) -> None:
    assert seen(host_with(net=net), parse(text))["value"] == value


def test_connections_that_cannot_be_asked_for_are_unknown() -> None:
    assert seen(HOST, None)["value"] == "unknown"


@NET
def test_a_command_that_a_namespace_refuses_is_a_need_with_its_words(bench: Bench) -> None:
    with lab(bench.stage, "one") as found, pytest.raises(NeedUnmet, match=r"does not exist|Cannot find"):
        found.ip("one", f"address add {FAR}/24 dev none")


@NET
def test_no_namespaces_at_all_is_a_need(bench: Bench, tmp_path: Path) -> None:
    script = tmp_path / "core"
    script.write_text("#!/bin/sh\necho no namespaces here >&2\nexit 1\n")
    script.chmod(0o755)
    bench.stage.core_path = script
    with pytest.raises(NeedUnmet, match="network namespaces"), lab(bench.stage, "one"):
        raise AssertionError


@pytest.fixture
def virtual(tmp_path: Path) -> Bench:
    return Bench("net-virtual", HOST, tmp_path)


def has(way: str) -> bool:
    """Whether this kernel has what a wiring is made of, as another tool sees it."""
    if way == "overlay":
        return TUN.met(HOST)
    if way == "nat":
        return NFT.met(HOST)
    if way not in ("ipvlan", "vlan", "vxlan", "macvlan", "bridge", "wireguard"):
        return True
    asked = f"ip link add x type {way} 2>&1"
    said = subprocess.run(["unshare", "-rn", "sh", "-c", asked], capture_output=True, text=True).stdout
    return "Unknown device type" not in said and (way != "wireguard" or WG.met(HOST))


@NET
@pytest.mark.parametrize("way", [*BUILDERS, "proxy", "overlay"])
def test_every_wiring_that_this_kernel_has_carries_messages(bench: Bench, way: str) -> None:
    with contextlib.ExitStack() as stack:
        if not has(way):
            with pytest.raises(NeedUnmet, match=r"\(.+\)") as lacks:  # in the kernel's or the tool's own words
                stack.enter_context(wired(bench.stage, way))
            assert "modprobe" in lacks.value.cure or "apt install" in lacks.value.cure
            return
        found = stack.enter_context(wired(bench.stage, way))
        rep = bench.stage.core("net-trip", X, samples=5, **found.ends)
        assert len(rep.samples["us"]) == 5
        bulk = bench.stage.core("net-bulk", X, samples=3, **found.ends, **({"hops": found.hops} if found.hops else {}))
        assert min(bulk.samples["mbit"]) > 1


@NET
def test_a_pair_of_virtual_cards_is_there_wherever_namespaces_are(bench: Bench) -> None:
    with wired(bench.stage, "veth") as found:
        assert bench.stage.core("net-trip", X, samples=5, **found.ends).samples["us"]


@NET
def test_a_hop_that_keeps_frames_makes_every_trip_that_much_longer(bench: Bench) -> None:
    """Two hops each way of 300 us: 1200 us. What else runs here only adds: the least of several."""
    if not TUN.met(HOST):
        pytest.skip("needs /dev/net/tun")
    with wired(bench.stage, "overlay") as swift, wired(bench.stage, "overlay", spin_us=300) as slow:
        for _ in range(TRIES):
            least = [min(bench.stage.core("net-trip", X, each=4, **w.ends).samples["us"]) for w in (swift, slow)]
            if least[1] - least[0] == pytest.approx(1200, rel=0.15):
                break
    assert least[1] - least[0] == pytest.approx(1200, rel=0.15)


@NET
def test_half_as_many_trips_again_are_found(virtual: Bench) -> None:
    about = pytest.approx(1.5, abs=0.05)
    assert planted(virtual, "plant_extra=0.5", about).value == about


@NET
def test_a_process_on_the_way_costs_more_than_the_kernel(virtual: Bench) -> None:
    kernel, process = virtual.verdict("byte-veth", 12), virtual.verdict("byte-overlay", 12)
    assert kernel.value is not None
    assert process.value is not None
    assert process.value > 3 * kernel.value
    assert process.word is Word.COSTLY


@NET
def test_packets_cost_more_than_segments(virtual: Bench) -> None:
    found = virtual.verdict("segments-veth", 12)
    assert found.value is not None
    assert found.value > 1.3


def test_an_overlay_is_advised_against_only_where_the_host_has_one() -> None:
    cases = {"byte-overlay": Verdict(word=Word.COSTLY, value=50.0)}
    assert not advise_virtual(Verdict(word=Word.HONEST, cases=cases), host_with(net={"tunnels": 0}))
    said = advise_virtual(Verdict(word=Word.HONEST, cases=cases), host_with(net={"tunnels": 2}))
    assert [p.change for p in said] == ["cheaper-wiring"]
