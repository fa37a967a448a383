"""Ways to join two programs of one host: each builds its namespaces and links, and says how its ends are reached."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from liebench.contract import Need
from liebench.errors import CoreFailed, NeedUnmet
from liebench.host import program
from liebench.stage.core import watching
from liebench.stage.net import FAR, KERNEL, NEAR, RUNS_S, Lab, lab

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

MIDDLE, INNER_NEAR, INNER_FAR = "10.213.7.254", "10.213.8.1", "10.213.8.2"
OTHER_FAR, OTHER_MIDDLE = "10.213.9.2", "10.213.9.254"
PORT = 7399
NFT = Need("nft", lambda host: program(host, "nft"), "apt install nftables")
WG = Need("wg", lambda host: program(host, "wg"), "apt install wireguard-tools")
TUN = Need("/dev/net/tun", lambda host: host.writable("/dev/net/tun"), "modprobe tun; run as root")


@dataclass(frozen=True, slots=True)
class Wiring:
    """``ends``: arguments for a kernel; ``links``: what carries the bytes; ``hops``: processes on their way."""

    lab: Lab
    ends: Mapping[str, str | int]
    links: tuple[tuple[str, str], ...] = ()
    hops: str = ""


def _up(found: Lab, at: str, link: str, address: str) -> None:
    found.ip(at, f"address add {address}/24 dev {link}", f"link set {link} up")


def _needs(kind: str) -> str:
    return f"{kind}{KERNEL}"


def _loopback(found: Lab) -> Wiring:
    return Wiring(found, found.ends("near", "near", "127.0.0.1"), (("near", "lo"),))


def _veth(found: Lab) -> Wiring:
    found.pair("near", "e0", "far", "e0")
    _up(found, "near", "e0", NEAR)
    _up(found, "far", "e0", FAR)
    return Wiring(found, found.ends("near", "far", FAR), (("near", "e0"), ("far", "e0")))


def _bridge(found: Lab) -> Wiring:
    found.ip("middle", "link add br0 type bridge", "link set br0 up", what=_needs("a bridge"))
    for name, port, own in (("near", "p1", NEAR), ("far", "p2", FAR)):
        found.pair(name, "e0", "middle", port)
        found.ip("middle", f"link set {port} master br0")
        _up(found, name, "e0", own)
    return Wiring(found, found.ends("near", "far", FAR))


def _of_one_card(found: Lab, kind: str, mode: str) -> Wiring:
    """Two virtual cards of one card, here of one end of a pair of our own."""
    found.ip("middle", "link add p0 type veth peer name p1", "link set p0 up", "link set p1 up")
    for name, own in (("near", NEAR), ("far", FAR)):
        found.ip("middle", f"link add link p0 name {name} type {kind} mode {mode}", what=_needs(kind))
        found.ip("middle", f"link set {name} netns {found.nets[name]} name e0")
        _up(found, name, "e0", own)
    return Wiring(found, found.ends("near", "far", FAR))


def _macvlan(found: Lab) -> Wiring:
    return _of_one_card(found, "macvlan", "bridge")


def _ipvlan(found: Lab) -> Wiring:
    return _of_one_card(found, "ipvlan", "l2")


def _inside(found: Lab, kind: str, near: str, far: str) -> Wiring:
    """A tunnel device inside a pair, with addresses of its own."""
    _veth(found)
    for name, words, own in (("near", near, INNER_NEAR), ("far", far, INNER_FAR)):
        found.ip(name, f"link add t0 {words}", what=_needs(kind))
        _up(found, name, "t0", own)
    return Wiring(found, found.ends("near", "far", INNER_FAR), (("near", "e0"), ("far", "e0")))


def _vlan(found: Lab) -> Wiring:
    return _inside(found, "a VLAN", *("link e0 type vlan id 7",) * 2)


def _vxlan(found: Lab) -> Wiring:
    near, far = (f"type vxlan id 7 dev e0 local {a} remote {b} dstport 4789" for a, b in ((NEAR, FAR), (FAR, NEAR)))
    return _inside(found, "VXLAN", near, far)


def _wg(found: Lab, at: str, *words: str, text: str = "") -> str:
    done = found.inside(at, ["wg", *words], text)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[0]
        raise NeedUnmet(f"a tunnel configured by wg ({said})", WG.cure)
    return done.stdout.strip()


def _wireguard(found: Lab) -> Wiring:
    """A ciphered tunnel of the kernel's own. Its keys are made here, known to these two ends and gone with them."""
    plain = "type wireguard"
    wired = _inside(found, "WireGuard", plain, plain)
    keys = {name: _wg(found, name, "genkey") for name in ("near", "far")}
    for name, other, outer, inner in (("near", "far", FAR, INNER_FAR), ("far", "near", NEAR, INNER_NEAR)):
        public = _wg(found, other, "pubkey", text=keys[other] + "\n")
        said = f"[Interface]\nPrivateKey = {keys[name]}\nListenPort = {PORT}\n[Peer]\nPublicKey = {public}\n"
        said += f"Endpoint = {outer}:{PORT}\nAllowedIPs = {inner}/32\n"
        _wg(found, name, "setconf", "t0", "/dev/stdin", text=said)
    return wired


def _routed(found: Lab) -> Wiring:
    """Through a namespace in the middle that forwards, as hosts do for their containers."""
    found.pair("near", "e0", "middle", "m0")
    found.pair("far", "e0", "middle", "m1")
    _up(found, "near", "e0", NEAR)
    _up(found, "far", "e0", OTHER_FAR)
    _up(found, "middle", "m0", MIDDLE)
    _up(found, "middle", "m1", OTHER_MIDDLE)
    found.ip("near", f"route add default via {MIDDLE}")
    found.ip("far", f"route add default via {OTHER_MIDDLE}")
    done = found.inside("middle", ["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
    if done.returncode:
        raise NeedUnmet("a namespace that forwards", "run as root")
    return Wiring(found, found.ends("near", "far", OTHER_FAR))


NAT = f"""
add table ip liebench
add chain ip liebench pre {{ type nat hook prerouting priority dstnat; }}
add chain ip liebench post {{ type nat hook postrouting priority srcnat; }}
add rule ip liebench pre ip daddr {MIDDLE} tcp dport 1024-65535 dnat to {OTHER_FAR}
add rule ip liebench post oifname m1 masquerade
"""


def _translated(found: Lab) -> Wiring:
    """A published port: the near end knows the middle's address only."""
    routed = _routed(found)
    done = found.inside("middle", ["nft", "-f", "-"], NAT)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no word"])[0]
        raise NeedUnmet(f"address translation by nft ({said})", NFT.cure)
    return Wiring(found, {**routed.ends, "via": MIDDLE})


BUILDERS: Mapping[str, Callable[[Lab], Wiring]] = {
    "loopback": _loopback,
    "veth": _veth,
    "bridge": _bridge,
    "macvlan": _macvlan,
    "ipvlan": _ipvlan,
    "vlan": _vlan,
    "vxlan": _vxlan,
    "wireguard": _wireguard,
    "routed": _routed,
    "nat": _translated,
}


@contextlib.contextmanager
def _hops(stage: Stage, *kernels: tuple[str, Mapping[str, str | int]]) -> Iterator[str]:
    """Processes that bytes pass through; their ids, by commas. Raises NeedUnmet where one does not start."""
    place = {"cpu": stage.host.processors[-1], "limit_s": RUNS_S}  # where the near end works: no hop has to be woken
    with contextlib.ExitStack() as stack:
        pids = []
        for kernel, args in kernels:
            hop = stack.enter_context(watching(stage.core_path, kernel, {**args, **place}))
            try:
                pids.append(str(hop.tick()["pid"]))
            except CoreFailed as error:
                raise NeedUnmet(f"a hop in user space ({error})", TUN.cure) from error
        yield ",".join(pids)


@contextlib.contextmanager
def _proxied(found: Lab) -> Iterator[Wiring]:
    routed = _routed(found)
    args: dict[str, str | int] = {**found.ends("middle", to=OTHER_FAR), "own": MIDDLE, "port": PORT}
    with _hops(found.stage, ("net-proxy", args)) as pids:
        yield Wiring(found, {**routed.ends, "via": MIDDLE, "port": PORT}, hops=pids)


@contextlib.contextmanager
def _overlaid(found: Lab, spin_us: int) -> Iterator[Wiring]:
    """Two processes, each with a device of one end and a socket on the wire between them."""
    _veth(found)
    ends = (("near", NEAR, FAR, INNER_NEAR), ("far", FAR, NEAR, INNER_FAR))
    kernels: list[tuple[str, Mapping[str, str | int]]] = [
        ("net-overlay", {**found.ends(name, to=peer), "own": own, "link": "t0", "port": PORT, "spin_us": spin_us})
        for name, own, peer, _ in ends
    ]
    with _hops(found.stage, *kernels) as pids:
        for name, _, _, inner in ends:
            found.ip(name, "link set t0 mtu 1450")
            _up(found, name, "t0", inner)
        yield Wiring(found, found.ends("near", "far", INNER_FAR), hops=pids)


@contextlib.contextmanager
def wired(stage: Stage, kind: str, plain: bool = False, spin_us: int = 0) -> Iterator[Wiring]:
    """Two ends joined in this way. ``plain``: the wire's links without offloads, as packets meet a real one.

    Raises NeedUnmet where this kernel or its tools lack something.
    """
    with lab(stage, "near", "middle", "far") as found:
        if kind == "proxy":
            with _proxied(found) as made:
                yield made
        elif kind == "overlay":
            with _overlaid(found, spin_us) as made:
                yield made
        else:
            made = BUILDERS[kind](found)
            for at, link in made.links if plain else ():
                found.plain(at, link)
            yield made


def halting(root: Path) -> Mapping[str, str]:
    """What this host does with an idle processor: driver and governor, and how long a guest polls before it halts."""
    files = {
        "driver": "sys/devices/system/cpu/cpuidle/current_driver",
        "governor": "sys/devices/system/cpu/cpuidle/current_governor",
        "poll_ns": "sys/module/haltpoll/parameters/guest_halt_poll_ns",
    }
    found = {}
    for key, path in files.items():
        with contextlib.suppress(OSError):
            found[key] = (root / path).read_text().strip()
    return found
