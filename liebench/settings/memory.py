"""Memory: swap, writeback, huge pages."""

from __future__ import annotations

from liebench.settings.knob import Knob, Scope, Trial, one_of, whole

GIB = 1 << 30

KNOBS = (
    Knob(
        "swappiness",
        "vm.swappiness",
        "/proc/sys/vm/swappiness",
        Scope.HOST,
        whole(0, 200),
        "0 means never swap in a memory control group: then the killer; high values page out what is used after all",
        "60",
        "Documentation/admin-guide/sysctl/vm.rst",
        trial=Trial(
            "swap-cache", ("cold-to-spare", "contested"), Scope.CGROUP, "swappiness-60", {"swappiness": "{to}"}
        ),
    ),
    Knob(
        "dirty-background-bytes",
        "vm.dirty_background_bytes",
        "/proc/sys/vm/dirty_background_bytes",
        Scope.HOST,
        whole(4096, 64 * GIB),
        "writeback begins earlier and more often; the ratio beside it no longer counts",
        "0 (vm.dirty_background_ratio counts, 10 %)",
        "Documentation/admin-guide/sysctl/vm.rst",
    ),
    Knob(
        "dirty-bytes",
        "vm.dirty_bytes",
        "/proc/sys/vm/dirty_bytes",
        Scope.HOST,
        whole(2 * 4096, 64 * GIB),
        "writers wait for the disk once so much is dirty; the ratio beside it no longer counts",
        "0 (vm.dirty_ratio counts, 20 %)",
        "Documentation/admin-guide/sysctl/vm.rst",
    ),
    Knob(
        "huge-pages",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        Scope.HOST,
        one_of("always", "madvise", "never"),
        "more memory for sparse data; compaction can stall an allocation",
        "by the kernel's configuration: always or madvise",
        "Documentation/admin-guide/mm/transhuge.rst",
        bracketed=True,
        trial=Trial("nested-page", ("first-touch", "walk"), Scope.HOST, "*"),
    ),
    Knob(
        "zswap",
        "/sys/module/zswap/parameters/enabled",
        "/sys/module/zswap/parameters/enabled",
        Scope.HOST,
        one_of("Y", "N"),
        "processor time for each page that goes out and comes back; without swap it does nothing",
        "by the kernel's configuration: N or Y",
        "Documentation/admin-guide/mm/zswap.rst",
        trial=Trial("swap-cache", ("page",), Scope.HOST, "swap"),
    ),
)
