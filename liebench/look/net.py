"""Networks: what the kernel, its TCP and the card's owner dropped or sent again, and what silence did to connections.

/proc/net/softnet_stat has 9, 10, 11, 13 or 15 columns (net/core/net-procfs.c, 2.6 to 6.x) and is frozen there; drops
and squeezes stand in the same two everywhere. /proc/net/snmp and netstat are of our own network namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from liebench.facts.reader import Reader
from liebench.facts.sockets import OWN_RATE, Connection
from liebench.facts.softnet import ours, softnet
from liebench.look.sign import OURS, Calm, Finding, Sign, Suspect, Unknown, Window, find_all, number, since

INITIAL = 10  # segments: RFC 6928
LOST_SHARE = 0.1
SOFTNET = ("processed", "dropped", "squeezed")
NETDATA = "netdata's alarm on softnet_stat"
SIGNS = (
    Sign(
        "retransmit", "TCP retransmissions", ("snmp.Tcp.RetransSegs",), 0.01, f"{OURS}: one in a hundred",
        "{amount} of TCP segments were sent again ({count})", "liebench run tcp-idle-restart",
        bottom=("snmp.Tcp.OutSegs",), least=3, percent=True,
    ),
    Sign(
        "lost-retransmit", "lost retransmissions", ("snmp.TcpExt.TCPLostRetransmit",), 1.0,
        f"{OURS}: each stalls a connection for a round trip or a timeout",
        "{count} segments were lost again when sent again ({amount})", "liebench run tcp-idle-restart",
    ),
    Sign(
        "listen-overflow", "accept queues", ("snmp.TcpExt.ListenOverflows",), 0.1,
        f"{OURS}: a client waits a second or more for each",
        "{count} connections found the accept queue full ({amount})", "ss -ltn (Recv-Q against Send-Q)",
    ),
    Sign(
        "tcp-backlog", "TCP backlogs", ("snmp.TcpExt.TCPBacklogDrop",), 1.0, f"{OURS}: each is sent again",
        "{count} segments were dropped because a socket's owner did not come ({amount})", "liebench run cpu-share",
    ),
    Sign(
        "tcp-memory", "TCP memory", ("snmp.TcpExt.TCPMemoryPressures", "snmp.TcpExt.PruneCalled",
        "snmp.TcpExt.TCPRcvQDrop"), 0.1, f"{OURS}: windows shrink at each",
        "TCP ran short of memory {count} times ({amount})", "liebench run tcp-window",
    ),
    Sign(
        "udp-buffer", "UDP receive buffers", ("snmp.Udp.RcvbufErrors",), 0.001, f"{OURS}: one in a thousand",
        "{amount} of UDP datagrams found their receiver's buffer full ({count})", "ss -uanm (skmem, d)",
        bottom=("snmp.Udp.InDatagrams", "snmp.Udp.RcvbufErrors"), percent=True,
    ),
    Sign(
        "backlog-drop", "packets dropped before the protocol", ("softnet.dropped",), 0.001,
        f"{OURS}: one in a thousand", "{amount} of packets were dropped, the backlog was full ({count})",
        "liebench run netdev-backlog", bottom=("softnet.processed", "softnet.dropped"), percent=True,
    ),
    Sign(
        "squeeze", "packet work cut short", ("softnet.squeezed",), 10.0, NETDATA,
        "packet work was cut short with packets still waiting: {amount}", "liebench run net-interrupt",
    ),
)  # fmt: skip
ALLOWANCE = Sign(
    "allowance", "allowances", ("nic.{name}",), 1.0, f"{OURS}: each is a packet queued or dropped by the provider",
    "the provider held back or dropped {count} packets ({name}, {amount})", "liebench run net-interrupt",
)  # fmt: skip


def read(reader: Reader) -> dict[str, float]:
    """Softnet per processor, and every counter of snmp and netstat by protocol and name."""
    found: dict[str, float] = {}
    for row in softnet(reader) or ():
        for kind in SOFTNET:
            count = number(getattr(row, kind))
            found |= {} if count is None else {f"softnet.{kind}.{row.cpu}": count}
    found["softnet.ours"] = float(ours(reader))
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        lines = (reader.text(path) or "").splitlines()
        for names, values in zip(lines[::2], lines[1::2], strict=False):
            protocol, _, rest = names.partition(":")
            cells = zip(rest.split(), values.partition(":")[2].split(), strict=False)
            found |= {f"snmp.{protocol}.{name}": n for name, value in cells if (n := number(value)) is not None}
    return found


def cards(stats: Mapping[str, Mapping[str, int]]) -> dict[str, float]:
    """Counters of allowances, by card and name."""
    return {f"nic.{card} {name}": float(value) for card, found in stats.items() for name, value in found.items()}


def find(window: Window) -> list[Finding]:
    found = find_all(SIGNS, _by_host(window))
    found += [f for name in window.names("nic.", "") if (f := ALLOWANCE.find(window, name)) is not None]
    idle = _idle(window)
    return [*found, idle] if idle else found


def _by_host(window: Window) -> Window:
    """Softnet summed over the processors that both snapshots know and that did not start over in between."""
    sums: dict[str, dict[str, float]] = {"before": {}, "after": {}}
    for kind in SOFTNET:
        for cpu in window.names(f"softnet.{kind}.", ""):
            key = f"softnet.{kind}.{cpu}"
            if window.moved(key) is None:
                continue
            for side, shot in (("before", window.before), ("after", window.after)):
                sums[side][f"softnet.{kind}"] = sums[side].get(f"softnet.{kind}", 0.0) + shot.counters[key]
    for side, shot in (("before", window.before), ("after", window.after)):
        if "softnet.dropped" in sums[side]:  # floods of ours are not the host's doing
            left = sums[side]["softnet.dropped"] - shot.counters.get("softnet.ours", 0.0)
            sums[side]["softnet.dropped"] = max(0.0, left)
    before = replace(window.before, counters={**window.before.counters, **sums["before"]})
    return Window(before, replace(window.after, counters={**window.after.counters, **sums["after"]}))


def _idle(window: Window) -> Finding | None:
    """Open connections whose congestion window silence has taken, where the kernel restarts after idle."""
    connections: Sequence[Connection] | None = window.state("connections")
    if window.state("restarts") is None:
        return None
    if connections is None:
        return Unknown("idle-restart", "open connections: `ss` does not answer; apt install iproute2")
    prone = [c for c in connections if c.congestion not in OWN_RATE]
    lost = [c for c in prone if c.decayed(INITIAL) < c.cwnd]
    if window.state("restarts") == 0 or not lost:
        return Calm("idle-restart", "windows after silence")
    score = len(lost) / len(connections) / LOST_SHARE
    if score < 1:
        return Calm("idle-restart", "windows after silence")
    worst = max(c.cwnd / c.decayed(INITIAL) for c in lost)
    return Suspect(
        "idle-restart",
        f"{len(lost)} of {len(connections)} open connections lost their window to silence; the worst begins with "
        f"1/{worst:.0f} of it",
        since(window, True),
        score,
        "liebench run tcp-idle-restart",
        f"{100 * LOST_SHARE:.0f} % ({OURS}: of the connections open at that moment)",
        {"open": len(connections), "lost": len(lost), "worst": worst},
    )
