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
        "idle-restart",
        "net.ipv4.tcp_slow_start_after_idle",
        f"{TCP}/tcp_slow_start_after_idle",
        Scope.NAMESPACE,
        one_of("0", "1"),
        "a window learnt before the silence is sent at once into a path that may have changed: watch retransmissions",
        "1",
        SYSCTL,
        network=True,
        trial=Trial(
            "tcp-idle-restart",
            ("own",),
            Scope.NAMESPACE,
            "delivered",
            {"restart": "{to}"},
            {"congestion": CONTROL, **BURST},
        ),
    ),
    Knob(
        "receive-window",
        "net.ipv4.tcp_rmem (largest)",
        f"{TCP}/tcp_rmem",
        Scope.NAMESPACE,
        whole(4096, 2 * GIB - 1),
        BUFFERS,
        "32 MiB from kernel 6.16 on, 6 MiB before, less on small hosts",
        SYSCTL,
        field=2,
        raises=True,
        network=True,
        trial=Trial("tcp-window", ("fixed",), Scope.NAMESPACE, "autotuning", {"rmem": "{to}", **PATH}, OF_PATH),
    ),
    Knob(
        "send-window",
        "net.ipv4.tcp_wmem (largest)",
        f"{TCP}/tcp_wmem",
        Scope.NAMESPACE,
        whole(4096, 2 * GIB - 1),
        BUFFERS,
        "4 MiB, less on small hosts",
        SYSCTL,
        field=2,
        raises=True,
        network=True,
        trial=Trial("tcp-window", ("fixed",), Scope.NAMESPACE, "autotuning", {"wmem": "{to}", **PATH}, OF_PATH),
    ),
    Knob(
        "rmem-max",
        "net.core.rmem_max",
        f"{CORE}/rmem_max",
        Scope.HOST,
        whole(4096, 2 * GIB - 1),
        "only programs that set SO_RCVBUF themselves, and UDP, may take more",
        "4 MiB from kernel 6.18 on, 212992 before",
        ADMIN,
        raises=True,
        network=True,
    ),
    Knob(
        "wmem-max",
        "net.core.wmem_max",
        f"{CORE}/wmem_max",
        Scope.HOST,
        whole(4096, 2 * GIB - 1),
        "only programs that set SO_SNDBUF themselves, and UDP, may take more",
        "4 MiB from kernel 6.18 on, 212992 before",
        ADMIN,
        raises=True,
        network=True,
    ),
    Knob(
        "backlog",
        "net.core.netdev_max_backlog",
        f"{CORE}/netdev_max_backlog",
        Scope.HOST,
        whole(1000, 10_000_000),
        "packets wait longer where they were dropped before: the queue's length over the rate at which it is emptied",
        "1000",
        ADMIN,
        raises=True,
        network=True,
        trial=Trial("netdev-backlog", ("burst",), Scope.HOST, "own", {"size": "{to}"}, most=4000),
    ),
    Knob(
        "budget",
        "net.core.netdev_budget",
        f"{CORE}/netdev_budget",
        Scope.HOST,
        whole(300, 1_000_000),
        "softirqs keep a processor for longer; it counts only where five or more queues are busy on one",
        "300",
        ADMIN,
        raises=True,
        network=True,
    ),
    Knob(
        "congestion",
        "net.ipv4.tcp_congestion_control",
        f"{TCP}/tcp_congestion_control",
        Scope.NAMESPACE,
        CONTROL,
        "another share of a crowded path than its neighbours take",
        "cubic",
        SYSCTL,
        network=True,
        trial=Trial("tcp-idle-restart", ("own",), Scope.NAMESPACE, "*", {"congestion": "{to}"}, BURST),
    ),
    Knob(
        "steer-packets",
        "/sys/class/net/*/queues/rx-0/rps_cpus",
        "/sys/class/net/*/queues/rx-0/rps_cpus",
        Scope.HOST,
        named(r"[0-9a-f]{1,8}(,[0-9a-f]{8})*", "a mask of processors in hexadecimal digits"),
        "an interrupt between processors for each batch; caches of two processors hold the connection",
        "0",
        "Documentation/networking/scaling.rst",
        network=True,
    ),
)
