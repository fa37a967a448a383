"""Networks: what the kernel, its TCP and the card's owner dropped or sent again, and what silence did to connections.

/proc/net/softnet_stat has 9, 10, 11, 13 or 15 columns (net/core/net-procfs.c, 2.6 to 6.x) and is frozen there; drops
and squeezes stand in the same two everywhere. /proc/net/snmp and netstat are of our own network namespace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from liebench.facts.reader import Reader
from liebench.facts.sockets import OWN_RATE, Connection
from liebench.facts.softnet import softnet
from liebench.look.sign import OURS, Calm, Finding, Sign, Suspect, Unknown, Window, find_all, number, since

INITIAL = 10  # segments: RFC 6928
LOST_SHARE = 0.1
SOFTNET = ("processed", "dropped", "squeezed")
NETDATA = "netdata's alarm on softnet_stat"
PLAIN = (
    Sign(
        id="retransmit",
        what="TCP retransmissions",
        top=("snmp.Tcp.RetransSegs",),
        bottom=("snmp.Tcp.OutSegs",),
        least=3,
        percent=True,
        limit=0.01,
        source=f"{OURS}: one in a hundred",
        says="{amount} of TCP segments were sent again ({count})",
        settle="liebench run tcp-idle-restart",
    ),
    Sign(
        id="lost-retransmit",
        what="lost retransmissions",
        top=("snmp.TcpExt.TCPLostRetransmit",),
        limit=1.0,
        source=f"{OURS}: each stalls a connection for a round trip or a timeout",
        says="{count} segments were lost again when sent again ({amount})",
        settle="liebench run tcp-idle-restart",
    ),
    Sign(
        id="listen-overflow",
        what="accept queues",
        top=("snmp.TcpExt.ListenOverflows",),
        limit=0.1,
        source=f"{OURS}: a client waits a second or more for each",
        says="{count} connections found the accept queue full ({amount})",
        settle="ss -ltn (Recv-Q against Send-Q)",
    ),
    Sign(
        id="tcp-backlog",
        what="TCP backlogs",
        top=("snmp.TcpExt.TCPBacklogDrop",),
        limit=1.0,
        source=f"{OURS}: each is sent again",
        says="{count} segments were dropped because a socket's owner did not come ({amount})",
        settle="liebench run cpu-share",
    ),
    Sign(
        id="tcp-memory",
        what="TCP memory",
        top=("snmp.TcpExt.TCPMemoryPressures", "snmp.TcpExt.PruneCalled", "snmp.TcpExt.TCPRcvQDrop"),
        limit=0.1,
        source=f"{OURS}: windows shrink at each",
        says="TCP ran short of memory {count} times ({amount})",
        settle="liebench run tcp-window",
    ),
    Sign(
        id="udp-buffer",
        what="UDP receive buffers",
        top=("snmp.Udp.RcvbufErrors",),
        bottom=("snmp.Udp.InDatagrams", "snmp.Udp.RcvbufErrors"),
        percent=True,
        limit=0.001,
        source=f"{OURS}: one in a thousand",
        says="{amount} of UDP datagrams found their receiver's buffer full ({count})",
        settle="ss -uanm (skmem, d)",
    ),
    Sign(
        id="backlog-drop",
        what="packets dropped before the protocol",
        top=("softnet.dropped",),
        bottom=("softnet.processed", "softnet.dropped"),
        percent=True,
        limit=0.001,
        source=f"{OURS}: one in a thousand",
        says="{amount} of packets were dropped, the backlog was full ({count})",
        settle="liebench run netdev-backlog",
    ),
    Sign(
        id="squeeze",
        what="packet work cut short",
        top=("softnet.squeezed",),
        limit=10.0,
        source=NETDATA,
        says="packet work was cut short with packets still waiting: {amount}",
        settle="liebench run net-interrupt",
    ),
)
ALLOWANCE = Sign(
    id="allowance",
    what="allowances",
    top=("nic.{name}",),
    limit=1.0,
    source=f"{OURS}: each is a packet queued or dropped by the provider",
    says="the provider held back or dropped {count} packets ({name}, {amount})",
    settle="liebench run net-interrupt",
)
SIGNS = (*PLAIN, ALLOWANCE)


def read(reader: Reader) -> dict[str, float]:
    """Softnet per processor, and every counter of snmp and netstat by protocol and name."""
    found: dict[str, float] = {}
    for row in softnet(reader) or ():
        for kind in SOFTNET:
            count = number(getattr(row, kind))
            found |= {} if count is None else {f"softnet.{kind}.{row.cpu}": count}
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
    found = find_all(PLAIN, _by_host(window))
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
        id="idle-restart",
        says=f"{len(lost)} of {len(connections)} open connections lost their window to silence; the worst begins with "
        f"1/{worst:.0f} of it",
        since=since(window, True),
        score=score,
        settle="liebench run tcp-idle-restart",
        limit=f"{100 * LOST_SHARE:.0f} % ({OURS}: of the connections open at that moment)",
        values={"open": len(connections), "lost": len(lost), "worst": worst},
    )
