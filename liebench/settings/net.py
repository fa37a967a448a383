"""Connections and queues."""

from __future__ import annotations

from liebench.settings.knob import Knob, Scope, Trial, named, one_of, whole

GIB = 1 << 30
TCP, CORE = "/proc/sys/net/ipv4", "/proc/sys/net/core"
SYSCTL = "Documentation/networking/ip-sysctl.rst"
ADMIN = "Documentation/admin-guide/sysctl/net.rst"
CONTROL = named(r"[a-z0-9_]{1,15}", "the name of a congestion control")
BURST = {"bytes": whole(1, GIB)}
OF_PATH = {"congestion": CONTROL, "trip_ms": whole(1, 600), "rate_mbit": whole(1, 10_000)}  # to a satellite; a card's
PATH = {"trip_ms": "100", "congestion": "host"}  # a continent away; at the rate of our paths it needs 2.5 MB
BUFFERS = "each connection may take that much memory, up to tcp_mem in all"

KNOBS = (
    Knob(
        id="idle-restart",
        key="net.ipv4.tcp_slow_start_after_idle",
        path=f"{TCP}/tcp_slow_start_after_idle",
        scope=Scope.NAMESPACE,
        valid=one_of("0", "1"),
        risk="a window learnt before the silence is sent at once into a path that may have changed: watch "
        "retransmissions",
        default="1",
        source=SYSCTL,
        network=True,
        trial=Trial(
            probe="tcp-idle-restart",
            cases=("own",),
            scope=Scope.NAMESPACE,
            arm="delivered",
            args={"restart": "{to}"},
            more={"congestion": CONTROL, **BURST},
        ),
    ),
    Knob(
        id="receive-window",
        key="net.ipv4.tcp_rmem (largest)",
        path=f"{TCP}/tcp_rmem",
        scope=Scope.NAMESPACE,
        valid=whole(4096, 2 * GIB - 1),
        risk=BUFFERS,
        default="32 MiB from kernel 6.16 on, 6 MiB before, less on small hosts",
        source=SYSCTL,
        field=2,
        raises=True,
        network=True,
        trial=Trial(
            probe="tcp-window",
            cases=("fixed",),
            scope=Scope.NAMESPACE,
            arm="autotuning",
            args={"rmem": "{to}", **PATH},
            more=OF_PATH,
        ),
    ),
    Knob(
        id="send-window",
        key="net.ipv4.tcp_wmem (largest)",
        path=f"{TCP}/tcp_wmem",
        scope=Scope.NAMESPACE,
        valid=whole(4096, 2 * GIB - 1),
        risk=BUFFERS,
        default="4 MiB, less on small hosts",
        source=SYSCTL,
        field=2,
        raises=True,
        network=True,
        trial=Trial(
            probe="tcp-window",
            cases=("fixed",),
            scope=Scope.NAMESPACE,
            arm="autotuning",
            args={"wmem": "{to}", **PATH},
            more=OF_PATH,
        ),
    ),
    Knob(
        id="rmem-max",
        key="net.core.rmem_max",
        path=f"{CORE}/rmem_max",
        scope=Scope.HOST,
        valid=whole(4096, 2 * GIB - 1),
        risk="only programs that set SO_RCVBUF themselves, and UDP, may take more",
        default="4 MiB from kernel 6.18 on, 212992 before",
        source=ADMIN,
        raises=True,
        network=True,
    ),
    Knob(
        id="wmem-max",
        key="net.core.wmem_max",
        path=f"{CORE}/wmem_max",
        scope=Scope.HOST,
        valid=whole(4096, 2 * GIB - 1),
        risk="only programs that set SO_SNDBUF themselves, and UDP, may take more",
        default="4 MiB from kernel 6.18 on, 212992 before",
        source=ADMIN,
        raises=True,
        network=True,
    ),
    Knob(
        id="backlog",
        key="net.core.netdev_max_backlog",
        path=f"{CORE}/netdev_max_backlog",
        scope=Scope.HOST,
        valid=whole(1000, 10_000_000),
        risk="packets wait longer where they were dropped before: the queue's length over the rate at "
        "which it is emptied",
        default="1000",
        source=ADMIN,
        raises=True,
        network=True,
        trial=Trial(
            probe="netdev-backlog", cases=("burst",), scope=Scope.HOST, arm="own", args={"size": "{to}"}, most=4000
        ),
    ),
    Knob(
        id="budget",
        key="net.core.netdev_budget",
        path=f"{CORE}/netdev_budget",
        scope=Scope.HOST,
        valid=whole(300, 1_000_000),
        risk="softirqs keep a processor for longer; it counts only where five or more queues are busy on one",
        default="300",
        source=ADMIN,
        raises=True,
        network=True,
    ),
    Knob(
        id="congestion",
        key="net.ipv4.tcp_congestion_control",
        path=f"{TCP}/tcp_congestion_control",
        scope=Scope.NAMESPACE,
        valid=CONTROL,
        risk="another share of a crowded path than its neighbours take",
        default="cubic",
        source=SYSCTL,
        network=True,
        trial=Trial(
            probe="tcp-idle-restart",
            cases=("own",),
            scope=Scope.NAMESPACE,
            arm="*",
            args={"congestion": "{to}"},
            more=BURST,
        ),
    ),
    Knob(
        id="steer-packets",
        key="/sys/class/net/*/queues/rx-0/rps_cpus",
        path="/sys/class/net/*/queues/rx-0/rps_cpus",
        scope=Scope.HOST,
        valid=named(r"[0-9a-f]{1,8}(,[0-9a-f]{8})*", "a mask of processors in hexadecimal digits"),
        risk="an interrupt between processors for each batch; caches of two processors hold the connection",
        default="0",
        source="Documentation/networking/scaling.rst",
        network=True,
    ),
)
