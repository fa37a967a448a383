"""What Linux sets by itself, by version, each with its source. Upstream's values; a distribution's kernel may differ.

A value holds from its version on, until the next; before the first one it is not known to us. ``GONE``: the kernel has
no such key any more. What depends on memory, processors or the build is a rule in ``defaults_computed.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

GONE = "gone"
OLDEST = "3.10"  # older kernels were not looked up


@dataclass(frozen=True, slots=True)
class Known:
    """One key. ``limit``: a smaller value than the kernel's own takes something away."""

    key: str
    values: tuple[tuple[str, str], ...]
    source: str
    limit: bool = False


def _same(prefix: str, source: str, limit: bool = False, **values: str) -> tuple[Known, ...]:
    """Keys whose value has not changed since ``OLDEST``."""
    return tuple(Known(f"{prefix}.{key}", ((OLDEST, value),), source, limit) for key, value in values.items())


VM = (
    *_same("vm", "mm/vmscan.c, Documentation/admin-guide/sysctl/vm.rst", swappiness="60"),
    *_same(
        "vm",
        "mm/page-writeback.c",
        dirty_ratio="20",
        dirty_background_ratio="10",
        dirty_bytes="0",
        dirty_background_bytes="0",
        dirty_expire_centisecs="3000",
        dirty_writeback_centisecs="500",
    ),
    *_same("vm", "mm/util.c", overcommit_memory="0", overcommit_ratio="50"),
    *_same("vm", "fs/dcache.c", vfs_cache_pressure="100"),
    *_same("vm", "mm/vmstat.c", stat_interval="1"),
    *_same("vm", "include/linux/mm.h: DEFAULT_MAX_MAP_COUNT", limit=True, max_map_count="65530"),
    Known("vm.page-cluster", ((OLDEST, "3"),), "mm/swap.c: swap_setup, with 16 MiB of memory or more"),
    Known("vm.zone_reclaim_mode", (("3.16", "0"),), "commit 4f9b16a64753"),
    Known("vm.watermark_scale_factor", (("4.6", "10"),), "commit 795ae7a0de6b"),
    Known("vm.watermark_boost_factor", (("5.0", "15000"),), "commit 1c30844d2dfe"),
    Known("vm.compaction_proactiveness", (("5.9", "20"),), "commit facdaa917c4d"),
)

MOVED = "commit 8a99b6833c88: moved to /sys/kernel/debug/sched in 5.13"
KERNEL = (
    *_same("kernel", "kernel/sched/rt.c", sched_rt_runtime_us="950000", sched_rt_period_us="1000000"),
    *_same("kernel", "kernel/time/timer.c", timer_migration="1"),
    *_same("kernel", "kernel/watchdog.c", watchdog_thresh="10"),
    Known("kernel.perf_event_paranoid", ((OLDEST, "1"), ("4.6", "2")), "commit 0161028b7c8a; Debian adds 3 and 4"),
    *(
        Known(f"kernel.sched_{name}", (("5.13", GONE),), MOVED)
        for name in (
            "latency_ns",
            "min_granularity_ns",
            "wakeup_granularity_ns",
            "migration_cost_ns",
            "nr_migrate",
            "tunable_scaling",
        )
    ),
)

BUFFERS = "include/net/sock.h: SKB_TRUESIZE(256) * 256, on 64 bits; commit a6d4f25888b8 (6.18)"
CORE = (
    Known("net.core.somaxconn", ((OLDEST, "128"), ("5.4", "4096")), "commit 19f92a030ca6, listen(2)", limit=True),
    Known("net.core.netdev_max_backlog", ((OLDEST, "1000"),), "net/core/hotdata.c, before that dev.c", limit=True),
    Known("net.core.netdev_budget", ((OLDEST, "300"),), "net/core/hotdata.c, before that dev.c", limit=True),
    Known("net.core.dev_weight", ((OLDEST, "64"),), "net/core/dev.c"),
    Known("net.core.rmem_default", ((OLDEST, "212992"),), BUFFERS, limit=True),
    Known("net.core.wmem_default", ((OLDEST, "212992"),), BUFFERS, limit=True),
    Known("net.core.rmem_max", ((OLDEST, "212992"), ("6.18", "4194304")), BUFFERS, limit=True),
    Known("net.core.wmem_max", ((OLDEST, "212992"), ("6.18", "4194304")), BUFFERS, limit=True),
    Known(
        "net.core.optmem_max",
        ((OLDEST, "20480"), ("6.8", "131072")),
        "net/core/sock.c, commit 4944566706b2",
        limit=True,
    ),
    *_same("net.core", "net/core/sock.c", busy_read="0", busy_poll="0"),
)

TCP_C = "net/ipv4/tcp_ipv4.c: tcp_sk_init"
IPV4 = (
    *_same(
        "net.ipv4",
        TCP_C,
        tcp_slow_start_after_idle="1",
        tcp_sack="1",
        tcp_window_scaling="1",
        tcp_timestamps="1",
        tcp_moderate_rcvbuf="1",
        tcp_fin_timeout="60",
        tcp_keepalive_time="7200",
        tcp_keepalive_intvl="75",
        tcp_keepalive_probes="9",
        tcp_syncookies="1",
        tcp_retries2="15",
        tcp_syn_retries="6",
        tcp_synack_retries="5",
        tcp_mtu_probing="0",
        tcp_no_metrics_save="0",
        tcp_adv_win_scale="1",
        tcp_low_latency="0",
    ),
    Known("net.ipv4.tcp_tw_reuse", ((OLDEST, "0"), ("4.19", "2")), "commit 79e9fed46038"),
    Known("net.ipv4.tcp_fastopen", (("3.13", "1"),), f"{TCP_C}: TFO_CLIENT_ENABLE"),
    Known("net.ipv4.tcp_autocorking", (("3.14", "1"),), TCP_C),
    Known("net.ipv4.tcp_notsent_lowat", (("3.12", "4294967295"),), f"{TCP_C}: UINT_MAX"),
    Known("net.ipv4.tcp_limit_output_bytes", (("5.4", "1048576"), ("6.16", "4194304")), TCP_C, limit=True),
    Known("net.ipv4.tcp_tw_recycle", ((OLDEST, "0"), ("4.12", GONE)), "commit 4396e46187ca"),
    Known("net.ipv4.tcp_fack", (("5.4", "0"),), "Documentation/networking/ip-sysctl.rst: a legacy option"),
    Known("net.ipv4.ip_local_port_range", ((OLDEST, "32768 61000"), ("4.2", "32768 60999")), "commit 07f4c90062f8"),
)

FS = (
    Known("fs.nr_open", ((OLDEST, "1048576"),), "fs/file.c", limit=True),
    Known("fs.aio-max-nr", ((OLDEST, "65536"),), "fs/aio.c", limit=True),
)

TABLE = {known.key: known for known in (*VM, *KERNEL, *CORE, *IPV4, *FS)}
