"""What tcp-idle-restart's samples and the host's own connections say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from liebench.contract import Kind, Meaning, Proposal, Verdict, Word
from liebench.facts.sockets import OWN_RATE, Connection
from liebench.host import Host
from liebench.judge.verdicts import Evidence, case_verdict

INITIAL = 10  # segments: RFC 6928, and this kernel's default where the route says nothing else
SOCKETS = {
    "off": Meaning(Word.HONEST, "tcp_slow_start_after_idle is 0: silence costs a connection nothing", "off"),
    "no effect": Meaning(
        Word.HONEST,
        "no effect here: the congestion control in force sets its own rate, and silence does not touch its window",
        "no effect",
    ),
    "none": Meaning(
        Word.INCONCLUSIVE,
        "the setting is in force, and no connection to another host was open to suffer from it",
        "none open",
    ),
    "spared": Meaning(
        Word.HARMLESS, "the setting is in force, and no open connection had anything to lose at that moment", "spared"
    ),
    "loses": Meaning(Word.COSTLY, "open connections have lost their window to silence", "loses"),
    "unknown": Meaning(Word.INCONCLUSIVE, "the setting or the connections cannot be read here", "cannot tell"),
}


def seen(host: Host, found: Sequence[Connection] | None) -> Mapping[str, Any]:
    """The facts of ``sockets``: the setting, and what the next burst of each connection begins with."""
    net = host.facts.get("net", {})
    restarts, control = net.get("restarts"), net.get("congestion")
    if restarts is None or found is None:
        return {"value": "unknown"}
    prone = [c for c in found if c.congestion not in OWN_RATE]
    lost = [c for c in prone if c.decayed(INITIAL) < c.cwnd]
    worst = max((c.cwnd / c.decayed(INITIAL) for c in lost), default=1.0)
    known = {"open": len(found), "prone": len(prone), "lost": len(lost), "worst": worst, "congestion": control}
    if restarts == 0:
        return {"value": "off", **known}
    if lost or prone:
        return {"value": "loses" if lost else "spared", **known}
    return {"value": "no effect" if control in OWN_RATE else "none", **known}


def judge(evidence: Evidence) -> Verdict:
    verdict = case_verdict(evidence)
    if evidence.case.kind is not Kind.FACT or not evidence.blocks:
        return verdict
    facts = evidence.blocks[-1]["reps"]["seen"]["facts"]
    if facts.get("value") == "no effect":
        return replace(verdict, why=f"{verdict.why} ({facts['congestion']}, {facts['open']} connections open)")
    if facts.get("value") == "loses":
        many = f"{facts['lost']} of {facts['open']}"
        return replace(verdict, why=f"{verdict.why}: {many}, the worst begins with 1/{facts['worst']:.0f} of it")
    return verdict


def _times(found: Mapping[str, Verdict], name: str) -> float | None:
    verdict = found.get(name)
    return verdict.value if verdict else None


def delivers(verdict: Verdict, host: Host) -> str:
    found, said = verdict.cases, []
    sockets = found.get("sockets")
    if sockets is not None and sockets.why:
        said.append(sockets.why)
    own, cubic, off = (_times(found, name) for name in ("own", "cubic", "setting-0"))
    if own and cubic:
        control = host.facts.get("net", {}).get("congestion") or "the host's own congestion control"
        said.append(
            f"a burst of 200 kB takes {cubic:.2g} times as long after silence with cubic, {own:.2g} with {control}"
        )
    if off:
        said.append(f"with the setting at 0 it takes {off:.2g} of that")
    window = found.get("window")
    if window is not None and window.value:
        said.append(f"the window after silence is {window.value:.3g} of what the formula says")
    text = "; ".join(said)
    return text[:1].upper() + text[1:] + "." if said else "Not enough was measured."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    """Only where connections of this host lose something, and where it helped on our path."""
    sockets, off = verdict.cases.get("sockets"), verdict.cases.get("setting-0")
    if sockets is None or sockets.term != "loses" or (off is not None and off.word is not Word.HELPFUL):
        return []
    return [Proposal("idle-restart", "0", sockets.why)]
