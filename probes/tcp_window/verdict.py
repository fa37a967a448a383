"""What tcp-window's samples, the host's maxima and its own connections say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liebench.contract import Kind, Meaning, Proposal, Verdict, Word
from liebench.facts.sockets import Connection
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

LIMITED = 0.2  # of its sending time: from there on a window is what holds a connection back
RECEIVED, SENT = 0.5, 0.5  # of the maximum can be under way: rmem 0.6 with a fifth to spare, wmem one of two windows
SOCKETS = {
    "free": Meaning(Word.HONEST, "no open connection is held back by a window or a send buffer", "free"),
    "limited": Meaning(Word.COSTLY, "open connections are held back by their windows", "limited"),
    "none": Meaning(Word.INCONCLUSIVE, "no connection to another host was open", "none open"),
    "unknown": Meaning(Word.INCONCLUSIVE, "open connections cannot be read here", "cannot tell"),
}
REACH = {
    "far": Meaning(Word.HONEST, "autotuning may open windows wide enough for that path", "far enough"),
    "near": Meaning(Word.HARMLESS, "autotuning stops below what that path needs", "not so far"),
    "unknown": Meaning(Word.INCONCLUSIVE, "tcp_rmem and tcp_wmem cannot be read here", "cannot tell"),
}


def seen(found: Sequence[Connection] | None) -> Mapping[str, Any]:
    """The facts of ``sockets``."""
    if found is None:
        return {"value": "unknown"}
    held = [c for c in found if c.limited() > LIMITED]
    most = max((c.limited() for c in held), default=0.0)
    sender = sum(c.sndbuf_limited_ms > c.rwnd_limited_ms for c in held)
    value = "limited" if held else "free" if found else "none"
    return {"value": value, "open": len(found), "held": len(held), "most": most, "by_sender": sender}


def window(host: Host) -> int | None:
    """Bytes that one connection may have under way with the maxima in force."""
    net = host.facts.get("net", {})
    if not net.get("rmem_most") or not net.get("wmem_most"):
        return None
    return int(min(RECEIVED * net["rmem_most"], SENT * net["wmem_most"]))


def reach(host: Host, mbit: float, trip_ms: float) -> Mapping[str, Any]:
    """The facts of ``reach``: is the path's bandwidth-delay product within what autotuning may open?"""
    most = window(host)
    if most is None:
        return {"value": "unknown"}
    can = 8e-3 * most / trip_ms
    return {"value": "far" if can >= mbit else "near", "mbit": mbit, "trip_ms": trip_ms, "can_mbit": can}


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if evidence.case.kind is not Kind.FACT or not evidence.blocks:
        return verdict
    facts = evidence.blocks[-1]["reps"]["seen"]["facts"]
    if facts.get("value") in ("far", "near"):
        said = f"{facts['can_mbit']:.3g} of {facts['mbit']:g} Mbit/s over {facts['trip_ms']:g} ms"
        return replace(verdict, why=f"{verdict.why}: {said} for one connection")
    if facts.get("value") == "limited":
        share = f"{facts['held']} of {facts['open']}, up to {100 * facts['most']:.0f} % of their sending time"
        return replace(verdict, why=f"{verdict.why}: {share}")
    return verdict


def delivers(verdict: Verdict, host: Host) -> str:
    found = verdict.cases
    said = [found[name].why for name in ("reach", "sockets") if name in found and found[name].why]
    fixed = found.get("fixed")
    if fixed is not None and fixed.value and fixed.delivered:
        said.append(
            f"a program that sets its receive buffer to 64 KiB itself gets {fixed.delivered:.0f} of "
            f"{fixed.promised:.0f} Mbit/s over 10 ms"
        )
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """Maxima are raised to twice what is needed, only where connections here are held back, and never lowered."""
    sockets, far = verdict.cases.get("sockets"), verdict.cases.get("reach")
    if sockets is None or sockets.term != "limited":
        return []
    net, said = host.facts.get("net", {}), []
    if far is not None and far.term == "not so far":
        for change, key in (("receive-window", "rmem_most"), ("send-window", "wmem_most")):
            said.append(Proposal(change, str(2 * int(net[key])), f"{sockets.why}; {far.why}"))
    return said
