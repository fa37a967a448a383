"""What net-virtual's numbers say in sentences, and what they advise. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from liebench.contract import Proposal, Verdict, Word
from liebench.host import Host

NAMES = {
    "veth": "a pair of virtual cards",
    "bridge": "a bridge",
    "vxlan": "VXLAN",
    "wireguard": "WireGuard",
    "routed": "a forwarding namespace",
    "nat": "a translated address",
    "proxy": "a proxy in user space",
    "overlay": "an overlay in user space",
}


def _more(found: Mapping[str, Verdict], prefix: str) -> list[str]:
    rows = [(name, found[f"{prefix}-{name}"]) for name in NAMES if f"{prefix}-{name}" in found]
    return [f"{NAMES[name]} {v.value:.2g}" for name, v in rows if v.value]


def delivers(verdict: Verdict, host: Host) -> str:
    found, said = verdict.cases, []
    apart, veth = found.get("apart"), found.get("trip-veth")
    if veth is not None and veth.promised:
        said.append(f"a round trip through loopback takes {veth.promised:.1f} us on one processor")
    trips = _more(found, "trip")
    if trips:
        said.append(f"times as long it takes through {', '.join(trips)}")
    if apart is not None and apart.value and apart.delivered:
        said.append(
            f"with its ends on two idle processors it takes {apart.delivered:.0f} us: "
            f"waking a processor costs more than any of the kernel's own networks"
            if apart.word is Word.COSTLY
            else f"with the ends on two processors it takes {apart.delivered:.0f} us"
        )
    plain = found.get("segments-veth")
    if plain is not None and plain.value:
        said.append(f"a byte costs {plain.value:.2g} times as much once packets are as short as on a wire")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    found, said = verdict.cases, []
    apart = found.get("apart")
    if host.facts["virt"].get("halt_poll") and apart is not None and apart.word is Word.COSTLY and apart.value:
        why = f"a round trip takes {apart.value:.2g} times as long where the other processor must be woken"
        said.append(Proposal("halt-poll", "50000", why))
    byte, tunnels = found.get("byte-overlay"), host.facts.get("net", {}).get("tunnels")
    if tunnels and byte is not None and byte.value:
        why = (
            f"{tunnels} devices of this host are carried by a process; through one of ours a byte costs "
            f"{byte.value:.2g} times as much as through loopback"
        )
        said.append(
            Proposal("cheaper-wiring", "the host's network, or VXLAN, WireGuard and bridges of the kernel", why)
        )
    return said
