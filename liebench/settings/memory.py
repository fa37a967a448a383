"""Memory: swap, writeback, huge pages."""

from __future__ import annotations

from liebench.settings.knob import Knob, Scope, Trial, one_of, whole

GIB = 1 << 30

KNOBS = (
    Knob(
        id="swappiness",
        key="vm.swappiness",
        path="/proc/sys/vm/swappiness",
        scope=Scope.HOST,
        valid=whole(0, 200),
        risk="0 means never swap in a memory control group: then the killer; high values page out what is "
        "used after all",
        default="60",
        source="Documentation/admin-guide/sysctl/vm.rst",
        trial=Trial(
            probe="swap-cache",
            cases=("cold-to-spare", "contested"),
            scope=Scope.CGROUP,
            arm="swappiness-60",
            args={"swappiness": "{to}"},
        ),
    ),
    Knob(
        id="dirty-background-bytes",
        key="vm.dirty_background_bytes",
        path="/proc/sys/vm/dirty_background_bytes",
        scope=Scope.HOST,
        valid=whole(4096, 64 * GIB),
        risk="writeback begins earlier and more often; the ratio beside it no longer counts",
        default="0 (vm.dirty_background_ratio counts, 10 %)",
        source="Documentation/admin-guide/sysctl/vm.rst",
    ),
    Knob(
        id="dirty-bytes",
        key="vm.dirty_bytes",
        path="/proc/sys/vm/dirty_bytes",
        scope=Scope.HOST,
        valid=whole(2 * 4096, 64 * GIB),
        risk="writers wait for the disk once so much is dirty; the ratio beside it no longer counts",
        default="0 (vm.dirty_ratio counts, 20 %)",
        source="Documentation/admin-guide/sysctl/vm.rst",
    ),
    Knob(
        id="huge-pages",
        key="/sys/kernel/mm/transparent_hugepage/enabled",
        path="/sys/kernel/mm/transparent_hugepage/enabled",
        scope=Scope.HOST,
        valid=one_of("always", "madvise", "never"),
        risk="more memory for sparse data; compaction can stall an allocation",
        default="by the kernel's configuration: always or madvise",
        source="Documentation/admin-guide/mm/transhuge.rst",
        bracketed=True,
        trial=Trial(probe="nested-page", cases=("first-touch", "walk"), scope=Scope.HOST, arm="*"),
    ),
    Knob(
        id="zswap",
        key="/sys/module/zswap/parameters/enabled",
        path="/sys/module/zswap/parameters/enabled",
        scope=Scope.HOST,
        valid=one_of("Y", "N"),
        risk="processor time for each page that goes out and comes back; without swap it does nothing",
        default="by the kernel's configuration: N or Y",
        source="Documentation/admin-guide/mm/zswap.rst",
        trial=Trial(probe="swap-cache", cases=("page",), scope=Scope.HOST, arm="swap"),
    ),
)
