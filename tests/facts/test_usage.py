"""Usage of fixture hosts: what is counted where, what is unknown, and what is not counted as the host's."""

from __future__ import annotations

from pathlib import Path

import pytest

from liebench.facts.reader import Reader
from liebench.facts.usage import connections, counters, live
from liebench.facts.usage.counters import Count
from liebench.facts.usage.observe import observe
from liebench.facts.usage.outside import Audit, Connection, Link, Outside
from liebench.facts.usage.values import Rate, Usage

from tests.helpers.usage_tree import INITIAL, KERNEL_THREAD, Proc, UsageTree, tree

HOSTS = sorted(p for p in (Path(__file__).parents[1] / "fixtures" / "hosts").iterdir() if (p / "proc").is_dir())
INTERRUPTS = """\
            CPU0       CPU1
  24:          1          2  PCI-MSIX-0000:00:01.0   4-edge      virtio0-reporting_vq
  25:         10         20  IO-APIC   4-edge      ttyS0
 LOC:        100        200   Local timer interrupts
 TLB: {tlb:10d} 4294967290   TLB shootdowns
 ERR:          0
"""
IDS = {"docker": "a" * 64, "crio": "b" * 64}


@pytest.fixture
def host(tmp_path: Path) -> UsageTree:
    return tree(tmp_path)


def settings_of(usage: Usage, *names: str) -> tuple[str | int | None, ...]:
    return tuple(usage.settings[name] for name in names)


def processes_of(usage: Usage, *names: str) -> tuple[int | None, ...]:
    return tuple(usage.processes[name] for name in names)


def test_where_nothing_can_be_read_nothing_is_zero(host: UsageTree) -> None:
    usage = host.usage()
    assert {(rate.boot, rate.window) for rate in usage.rates.values()} == {(None, None)}
    assert set(usage.processes.values()) == {None}
    assert {name for name, value in usage.settings.items() if value is not None} == {"guests.by", "xfs.reflinked"}
    assert (usage.limits.groups, usage.limits.quotas, usage.sockets, usage.links) == (None,) * 4
    assert (usage.uptime_s, usage.overlays, usage.copy_ups, usage.disks) == (None, None, None, ())
    assert not usage.seen.whole
    assert (usage.seen.real_cgroup_root, usage.seen.hidepid, usage.seen.first_pid_namespace) == (None, None, None)


@pytest.mark.parametrize("root", HOSTS, ids=lambda root: root.name)
def test_every_fixture_host_can_be_asked(root: Path) -> None:
    usage = observe(Reader(root), Outside(sleep=lambda _: None), 0)
    assert usage.uptime_s == 1000.0
    assert usage.settings["cpu.online"] is not None
    assert all(rate.source for rate in usage.rates.values())
    assert usage.settings["cpu.hypervisor"] == (None if root.name == "arm64" else int("metal" not in root.name)) or (
        root.name in ("one-cpu", "jumped")
    )


def test_an_empty_file_is_masked_and_not_zero(host: UsageTree) -> None:
    host.write("/proc/interrupts", "")
    host.write("/proc/softirqs", "          CPU0  CPU1\n   TIMER:  3  4\n  NET_RX:  5  6\n")
    host.write("/proc/stat", "cpu  1 2 3 4 5 6 7 8 9 10\nintr 77 1 2\nctxt 88\n")
    usage = host.usage()
    assert usage.seen.masked == ("/proc/interrupts",)
    assert (usage.rates["irq.LOC"].boot, usage.rates["irq.devices"].boot) == (None, None)
    assert (usage.rates["softirq.TIMER"].boot, usage.rates["stat.intr"].boot, usage.rates["stat.ctxt"].boot) == (
        7,
        77,
        88,
    )
    assert usage.rates["stat.steal_ticks"].boot == 8


def test_rows_of_interrupts_and_what_wraps(host: UsageTree) -> None:
    host.write("/proc/interrupts", INTERRUPTS.format(tlb=5))
    host.write("/proc/vmstat", "pgfault 100\noom_kill 3\n")

    def window() -> None:
        host.write("/proc/interrupts", INTERRUPTS.format(tlb=12).replace("4294967290", "         2"))
        host.write("/proc/vmstat", "pgfault 90\noom_kill 4\n")

    usage = host.usage(window)
    rates = usage.rates
    assert (rates["irq.LOC"].boot, rates["irq.devices"].boot, rates["irq.reporting_vq"].boot) == (300, 33, 3)
    assert (rates["irq.TLB"].window, rates["irq.TLB"].bits) == (7 + 8, 32)  # one of them wrapped
    assert (rates["irq.CAL"].boot, rates["irq.CAL"].window) == (None, None)  # no such row on this processor
    assert (rates["vmstat.pgfault"].window, rates["vmstat.oom_kill"].window) == (None, 1)  # what fell is not known
    assert usage.in_window("vmstat.oom_kill") == 1.0


def test_rows_of_arm64(host: UsageTree) -> None:
    rows = (
        "      CPU0  CPU1",
        " 11:  7  8  GICv3  27 Level  arch_timer",
        " 12:  1  1  GICv3  30 Level  eth0",
        "IPI0:  5  6  Rescheduling interrupts",
        "IPI1:  1  2  Function call interrupts",
    )
    host.write("/proc/interrupts", "\n".join(rows) + "\n")
    rates = host.usage().rates
    assert [rates[f"irq.{name}"].boot for name in ("LOC", "RES", "CAL", "devices", "TLB")] == [15, 11, 3, 2, None]


def test_own_traces_are_taken_out() -> None:
    assert Rate(10, 0, (3, 3)).theirs() == (7, 7)
    assert Rate(10, 0, (3, 12)).theirs() == (0, 7)
    assert Rate(10, 0, (11, 12)).theirs() is None  # more than there is: another boot's, or it wrapped
    assert Rate(10, 0, None).theirs() is Rate(None, 0, (0, 0)).theirs() is None
    before = {name: Count(5, "x") for name in "abc"}
    found = counters.rates(before, before, {"a": (2, 3), "b": None})
    assert [found[name].ours for name in "abc"] == [(2, 3), None, (0, 0)]
    assert counters.rates(before, before, None)["c"].ours is None


def test_a_rate_is_the_larger_of_boot_and_window(host: UsageTree) -> None:
    host.write("/proc/vmstat", "pgfault 1000\npgmajfault 1000\noom_kill 5\n")
    host.write("/proc/interrupts", INTERRUPTS.format(tlb=0))

    def window() -> None:
        host.write("/proc/vmstat", "pgfault 1000\npgmajfault 1030\noom_kill 5\n")
        host.write("/proc/interrupts", INTERRUPTS.format(tlb=50_000_000))

    ours = {"vmstat.pgfault": (100, 300), "vmstat.oom_kill": (5, 5)}
    usage = host.usage(window, ours, uptime_s=lambda: 100.0)
    faults, majors, kills = (usage.per_second(f"vmstat.{name}") for name in ("pgfault", "pgmajfault", "oom_kill"))
    assert faults is not None
    assert (faults.low, faults.high, faults.since) == (7.0, 9.0, "boot")
    assert majors is not None
    assert (majors.high, majors.since) == (30.0, "window")
    assert kills is not None
    assert (kills.low, kills.high) == (0.0, 0.0)
    assert usage.since_boot("irq.TLB") is None  # at this rate a row of 32 bits has wrapped since boot
    assert usage.per_second("vmstat.nothing") is None


def test_what_lxcfs_answers_is_no_fact_about_the_host(host: UsageTree) -> None:
    host.mount("0:5", "/proc", "proc", "proc")
    for name in ("swaps", "loadavg"):
        host.mount("0:50", f"/proc/{name}", "fuse.lxcfs", "lxcfs")
    host.write("/proc/swaps", "Filename Type Size Used Priority\n")
    host.write("/proc/loadavg", "0.0 0.0 0.0 1/1 1\n")
    host.process(1, Proc())
    usage = host.usage()
    assert usage.seen.lxcfs == ("/proc/loadavg", "/proc/swaps")
    assert settings_of(usage, "swap.areas", "swap.used_kib") == (None, None)
    assert usage.seen.threads_of_kernel is None
    assert not usage.seen.whole
    assert usage.mounts == {"fuse": 2, "proc": 1}


@pytest.mark.parametrize(
    ("kernel", "namespace", "whole"),
    [("1/5", INITIAL, True), ("1/13", INITIAL, True), ("1/93", INITIAL, False), ("1/5", "pid:[4026532000]", False)],
)
def test_hidden_processes_are_proved_by_the_kernels_count(
    host: UsageTree, kernel: str, namespace: str, whole: bool
) -> None:
    host.mount("0:5", "/proc", "proc", "proc")
    host.write("/proc/self/mountinfo", "22 1 0:5 / /proc rw - proc proc rw,hidepid=invisible\n")
    host.write("/proc/loadavg", f"0.1 0.1 0.1 {kernel} 99\n")
    host.own(pid=namespace)
    host.process(1, Proc(threads=3))
    host.process(2, Proc(comm="kthreadd", flags=KERNEL_THREAD, threads=2))
    usage = host.usage()
    assert (usage.seen.threads, usage.seen.processes, usage.processes["user"]) == (5, 2, 1)
    assert usage.seen.hidepid == "hidepid=invisible"
    assert usage.seen.whole is whole


def test_processes_by_mechanism(host: UsageTree) -> None:
    host.own()
    host.process(1, Proc(comm="init"))
    host.process(10, Proc(status={"Seccomp": "2", "Seccomp_filters": "3"}))
    host.process(11, Proc(status={"Seccomp": "1"}))
    host.process(12, Proc(status={"TracerPid": "10", "VmSwap": "12 kB"}))
    host.process(13, Proc(comm="qemu-system-x86"))
    host.process(14, Proc(comm="a) b (docker-proxy"))
    host.process(15, Proc(comm="docker-proxy", ticks=5))
    host.process(16, Proc(network="other"))
    host.process(17, Proc(comm="runsc-sandbox"))
    (host.root / "proc/18").mkdir()  # it ended while it was read
    usage = host.usage(lambda: host.move(15, Proc(comm="docker-proxy", ticks=6, majors=1)))
    assert processes_of(usage, "filter", "filters", "strict", "traced") == (1, 3, 1, 1)
    assert processes_of(usage, "swap", "swap_kib", "guests", "gvisor") == (1, 12, 1, 1)
    assert processes_of(usage, "proxies", "proxies_busy", "faulting") == (1, 1, 1)
    assert processes_of(usage, "notify", "contained", "containers") == (None, 0, 0)  # notify: only root may look
    assert (usage.seen.net_namespaces, usage.processes["other_networks"], usage.seen.vanished) == (2, 1, 1)
    assert (usage.seen.mount_namespaces, usage.seen.exact_mounts, usage.settings["guests.by"]) == (1, True, "names")


def test_sleepers_that_woke_in_the_window(host: UsageTree) -> None:
    for pid in (1, 2, 3):
        host.process(pid, Proc(state="R" if pid == 3 else "S"))

    def window() -> None:
        for pid in (1, 3):
            status = host.root / f"proc/{pid}/status"
            status.write_text(status.read_text().replace("switches:\t10", "switches:\t11"))

    assert host.usage(window).processes["woken"] == 1


def test_open_files_tell_root_of_guests_and_of_supervisors(host: UsageTree) -> None:
    host.own(root=True)
    host.process(1, Proc(comm="vmm-of-nobody-known"))
    host.process(2, Proc(comm="supervisor"))
    for pid, to in ((1, "anon_inode:kvm-vm"), (2, "anon_inode:seccomp notify")):
        (host.root / f"proc/{pid}/fd").mkdir()
        (host.root / f"proc/{pid}/fd/7").symlink_to(to)
    usage = host.usage()
    assert processes_of(usage, "guests", "notify") == (1, 1)
    assert usage.settings["guests.by"] == "open files"


def test_liebench_itself_is_left_out(host: UsageTree) -> None:
    host.process(1, Proc(comm="init"))
    host.process(50, Proc(comm="python", status={"Seccomp": "2"}))
    host.process(51, Proc(comm="child", parent=50, status={"Seccomp": "2"}))
    host.process(52, Proc(comm="grandchild", parent=51, status={"Seccomp": "2"}))
    host.process(60, Proc(comm="left", cgroup="3:cpu:/\n0::/liebench-1a2b", status={"Seccomp": "2"}))
    usage = host.usage(own_pid=lambda: 50)
    assert processes_of(usage, "user", "filter") == (1, 0)
    assert usage.seen.threads == 5  # they are threads of the kernel none the less
    assert host.usage().processes["filter"] == 3


@pytest.mark.parametrize(
    ("cgroup", "containers"),
    [
        (f"0::/system.slice/docker-{IDS['docker']}.scope", 1),
        (f"4:memory:/docker/{IDS['docker']}\n3:cpu:/", 1),
        (f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{IDS['docker']}.scope", 1),
        (f"0::/machine.slice/libpod-{IDS['crio']}.scope/container", 1),
        (f"0::/machine.slice/libpod-conmon-{IDS['crio']}.scope", 1),  # below machine.slice all is a machine's
        ("0::/machine.slice/machine-qemu\\x2d1.scope", 0),
        ("0::/lxc.payload.web/init.scope", 1),
        ("0::/system.slice/docker.service", 0),
        ("0::/user.slice/user-1000.slice", 0),
    ],
)
def test_containers_by_the_groups_of_their_runtimes(host: UsageTree, cgroup: str, containers: int) -> None:
    host.process(1, Proc())
    for pid in (5, 6):
        host.process(pid, Proc(cgroup=cgroup))
    usage = host.usage()
    assert processes_of(usage, "contained", "containers") == (2 * containers, containers)


def test_walls_of_what_is_contained(host: UsageTree) -> None:
    host.own()
    host.write("/proc/sys/kernel/cap_last_cap", "40\n")
    host.process(1, Proc())
    strict = {"Seccomp": "2", "NoNewPrivs": "1"}
    host.process(5, Proc(numbers="5\t1", network="box", status=strict, uid_map="0 100000 65536"))
    host.process(6, Proc(numbers="6\t2", status={"CapEff": "000001ffffffffff"}))
    usage = host.usage()
    assert processes_of(usage, "contained", "containers", "pid_namespaces") == (2, 0, 1)
    walls = {n.partition(".")[2]: v for n, v in usage.processes.items() if n.startswith("walls.")}
    assert walls == {
        "all_capabilities": 1, "no_filter": 1, "new_privileges": 1, "host_users": 1, "host_network": 1, "host_pids": 0,
    }  # fmt: skip


def test_overlays_of_every_mount_namespace(host: UsageTree) -> None:
    host.own()
    over = "90 80 0:60 / / rw - overlay overlay rw,lowerdir=/l/a:/l/b\\:c:/l/d,upperdir=/u,workdir=/w"
    host.process(1, Proc())
    host.process(2, Proc(mounts=("30 1 254:0 /overlay /overlay rw - ext4 /dev/vda1 rw",), space="chroot"))
    for pid in (3, 4):
        host.process(pid, Proc(mounts=(over,), space="box"))
    host.mount("254:0", "/")
    usage = host.usage()
    assert (usage.overlays, usage.processes["on_overlay"], usage.seen.mount_namespaces) == ((3,), 2, 3)
    assert usage.copy_ups is None  # only root may read the mark


def test_groups_of_version_2(host: UsageTree) -> None:
    host.write("/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    host.own(cgroup="0::/me")
    host.group("", cpu_stat="usage_usec 1", memory_stat="anon 1", cgroup_procs="")
    busy, stat = "populated 1\nfrozen 0", "nr_periods 100\nnr_throttled {}\nthrottled_usec 5000"
    box = f"/system.slice/docker-{IDS['docker']}.scope"
    host.group("/me", cgroup_events=busy, memory_max=str(1 << 30), memory_events="max 7\nhigh 0")
    host.group(box, cgroup_events=busy, cpu_max="50000 100000", cpu_stat=stat.format(9), memory_high="1048576")
    host.write(f"/sys/fs/cgroup{box}/memory.events.local", "low 0\nhigh 4\nmax 0\noom 0\n")
    host.group("/kubepods", cgroup_events=busy, memory_max="1048576")
    host.group("/empty", cgroup_events="populated 0", cpu_max="10000 100000", cpu_stat=stat.format(50))
    host.group("/free", cgroup_events=busy, cpu_max="max 100000", memory_max="max", memory_high="max")
    host.group("/liebench-1", cgroup_events=busy, cpu_max="10000 100000", cpu_stat=stat.format(70))
    usage = host.usage(lambda: host.group(box, cpu_stat=stat.format(12)))
    limits = usage.limits
    assert (limits.memory, limits.cpus, limits.groups, limits.cut) == (1 << 30, None, 6, False)
    assert (limits.quotas, limits.memory_limits, limits.highs) == (1, 1, 1)
    assert (limits.contained_quotas, limits.contained_memory_limits) == (1, 1)
    assert (usage.rates["group.throttled"].boot, usage.rates["group.throttled"].window) == (12, 3)
    assert (usage.rates["group.memory_high"].boot, usage.rates["group.memory_max"].boot) == (4, 7)
    assert usage.seen.real_cgroup_root is True
    host.group("", cgroup_type="domain")
    assert host.usage().seen.real_cgroup_root is False


def test_groups_of_version_1(host: UsageTree) -> None:
    lines = [f"3{i} 31 0:{i} / /sys/fs/cgroup/{n} rw - cgroup cgroup rw,{n}" for i, n in enumerate(("cpu", "memory"))]
    host.write("/proc/self/mountinfo", "\n".join(lines) + "\n")
    host.own(cgroup="4:cpu:/\n3:memory:/")
    group = "/sys/fs/cgroup/{}/docker/" + IDS["docker"]
    host.write(f"{group.format('cpu')}/cpu.cfs_quota_us", "20000\n")
    host.write(f"{group.format('cpu')}/cpu.stat", "nr_periods 10\nnr_throttled 10\nthrottled_time 5000000\n")
    host.write(f"{group.format('cpu')}/cgroup.procs", "")
    host.write(f"{group.format('cpu')}/child/cgroup.procs", "77\n")
    host.write(f"{group.format('cpu')}/child/cpu.cfs_quota_us", "-1\n")
    host.write(f"{group.format('memory')}/memory.limit_in_bytes", f"{64 << 20}\n")
    host.write(f"{group.format('memory')}/cgroup.procs", "")
    host.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    host.write("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes", "9223372036854771712\n")
    usage = host.usage()
    assert (usage.limits.quotas, usage.limits.contained_quotas, usage.limits.groups) == (1, 1, 3)
    assert usage.limits.memory_limits == 0  # nobody is in it
    assert usage.limits.swap_forbidden is False
    assert [usage.rates[f"group.{n}"].boot for n in ("periods", "throttled", "throttled_us")] == [10, 10, 5000]


def test_memory_settings(host: UsageTree) -> None:
    """A mechanism that is off may still hold what it held; a device without a size holds nothing."""
    host.write("/proc/meminfo", "MemTotal: 1000 kB\nCommitted_AS: 3000 kB\nCommitLimit: 500 kB\nZswapped: 16 kB\n")
    host.write("/proc/swaps", "Filename Type Size Used Priority\n/dev/zram0 partition 100 7 -2\n/swap file 50 0 -3\n")
    host.write("/proc/vmstat", "nr_balloon_pages 9\n")
    ksm = "/sys/kernel/mm/ksm"
    host.write(f"{ksm}/run", "0\n")
    host.write(f"{ksm}/pages_sharing", "12\n")
    host.write(f"{ksm}/pages_shared", "3\n")
    host.write("/sys/module/zswap/parameters/enabled", "N\n")
    for name, size in (("zram0", 4096), ("zram1", 0)):
        host.write(f"/sys/block/{name}/disksize", str(size))
    host.write("/sys/block/zram0/mm_stat", "8192 100 0 0 0 0 0 0 0\n")
    device = "/sys/bus/virtio/devices/virtio0"
    host.write(f"{device}/device", "0x0005\n")
    host.write(f"{device}/features", "01100100" + "0" * 56)
    usage = host.usage()
    assert settings_of(usage, "memory.committed_kib", "memory.commit_limit_kib") == (3000, 500)
    assert settings_of(usage, "swap.areas", "swap.size_kib", "swap.used_kib") == (2, 150, 7)
    assert settings_of(usage, "ksm.built", "ksm.run", "ksm.pages_sharing", "ksm.pages_shared") == (1, 0, 12, 3)
    assert settings_of(usage, "zswap.enabled", "zswap.stored_kib") == (0, 16)
    assert settings_of(usage, "zram.sized", "zram.stored_bytes") == (1, 8192)
    names = ("driver", "stats", "deflate_on_oom", "hinting", "reporting", "pages")
    balloon = settings_of(usage, *(f"balloon.{name}" for name in names))
    assert balloon == ("virtio", 1, 1, 0, 1, 9)
    host.write("/proc/swaps", "Filename Type Size Used Priority\n")
    assert host.usage().settings["swap.areas"] == 0


def test_what_the_kernel_is_asked_beside_its_files(host: UsageTree) -> None:
    host.write("/proc/cmdline", "root=/dev/vda audit=0 vdso=0\n")
    usage = host.usage(
        clock=lambda: (5, 0x40),
        suspended_ms=lambda: 1500,
        audit=lambda: Audit(1, 2),
        watch_steps=lambda: lambda: 1,
        address_space=lambda: 4096,
        nat_chains=lambda: 2,
    )
    assert usage.settings["nat.chains"] == 2
    assert settings_of(usage, "clock.state", "clock.unsynchronised", "clock.suspended_ms") == (5, 1, 1500)
    assert settings_of(usage, "clock.vdso_off", "audit.off_at_boot", "audit.enabled", "audit.lost") == (1, 1, 1, 2)
    assert (usage.rates["clock.steps"].window, usage.rates["clock.steps"].boot) == (1, None)
    assert usage.limits.address_space == 4096


def test_waiting_on_run_queues_where_the_kernel_keeps_no_pressure(host: UsageTree) -> None:
    host.process(1, Proc())
    host.write("/proc/1/schedstat", "1 1000 1\n")
    usage = host.usage(lambda: host.write("/proc/1/schedstat", "1 1700 1\n"))
    assert (usage.rates["pressure.cpu_some_us"].boot, usage.rates["tasks.wait_ns"].window) == (None, 700)
    host.write("/proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=123\n")
    usage = host.usage()
    assert (usage.rates["pressure.cpu_some_us"].boot, usage.rates["tasks.wait_ns"].window) == (123, None)


def test_disks_below_mounts_and_arrays(host: UsageTree) -> None:
    row = "254 {} {} 10 0 80 0 20 0 160 0 0 0 0 0 0 0 0 {} 0\n"
    names = ("sda", "sdb", "sdc", "sdd")
    for name in names:
        host.disk(name, files={"queue/read_ahead_kb": "128", "queue/write_cache": "write back", "size": "2048"})
    part = host.disk("sda1", below="sda")
    host.disk("md0", files={"md/level": "raid1", "md/degraded": "1", "slaves/sda1/x": "", "slaves/sdb/x": ""})
    crypt = host.disk("dm-0", files={"dm/uuid": "CRYPT-LUKS2-0-root", "slaves/md0/x": ""})
    cached = host.disk("dm-1", files={"dm/uuid": "LVM-aaaa-cdata", "slaves/sdc/x": "", "slaves/sdd/x": ""})
    loop = host.disk("loop0", files={"loop/backing_file": "/srv/image"})
    assert part
    host.mount(crypt, "/")
    host.mount(cached, "/srv")
    host.mount(loop, "/image")
    host.mount("0:44", "/pool", "zfs", "tank/data")
    host.mount("0:45", "/tmp", "tmpfs", "tmpfs")
    host.mount("0:46", "/far", "nfs4", "server:/x")
    host.write("/proc/diskstats", "".join(row.format(i, n, 5 + i) for i, n in enumerate(names)))
    usage = host.usage()
    assert [d.name for d in usage.disks] == list(names)
    first = usage.disks[0]
    assert (first.read_ahead_kb, first.size_bytes, first.write_cache) == (128, 1 << 20, "write back")
    stacks = {name for name, count in usage.stacks.items() if count}
    assert stacks == {
        "md", "md_present", "md_degraded", "dm_crypt", "dm_cache", "dm_cache_present", "dm_present", "dm_many", "loop",
        "zfs_pools", "untold",
    }  # fmt: skip
    assert usage.stacks["dm_present"] == 2
    assert (usage.rates["disk.flushes"].boot, usage.rates["disk.sdb.flushes"].boot) == (5 + 6 + 7 + 8, 6)
    assert (usage.rates["disk.ios"].boot, usage.rates["disk.sda.written_sectors"].boot) == (4 * 30, 160)
    assert usage.mounts == {"ext4": 3, "nfs4": 1, "tmpfs": 1, "zfs": 1}


def test_a_btrfs_lies_on_all_its_disks(host: UsageTree) -> None:
    for name in ("vda", "vdb"):
        host.disk(name)
        host.write(f"/sys/fs/btrfs/1234-ab/devices/{name}/x", "")
    host.mount("0:39", "/", "btrfs", "/dev/vda")
    usage = host.usage()
    assert ([d.name for d in usage.disks], usage.stacks["btrfs_many"]) == (["vda", "vdb"], 1)


def test_memory_only_is_certain_where_every_mount_ends_in_memory(host: UsageTree) -> None:
    host.mount("0:1", "/", "rootfs", "rootfs")
    host.mount("0:2", "/tmp", "tmpfs", "tmpfs")
    usage = host.usage()
    assert (usage.disks, usage.stacks["untold"], set(usage.mounts)) == ((), 0, {"rootfs", "tmpfs"})


def test_links_by_kind_and_owners_of_bridges(host: UsageTree) -> None:
    host.link("/sys/class/net/eth0/device/subsystem", "/sys/bus/pci")
    host.write("/sys/bus/pci/x", "")
    found = [
        Link("lo", 1, "", True, None, None, 10),
        Link("eth0", 2, "", False, None, None, 20),
        Link("br0", 3, "bridge", False, None, None, 30),
        Link("a", 4, "veth", False, 3, 7, 1),
        Link("b", 5, "veth", False, 3, 8, 2),
        Link("c", 6, "veth", False, 3, 8, None),
        Link("odd0", 7, "", False, None, None, 0),
    ]
    usage = host.usage(links=lambda: found)
    assert usage.links is not None
    assert usage.links.kinds == {"bridge": 1, "card": 1, "loopback": 1, "other": 1, "veth": 3}
    assert (usage.links.ports, usage.links.owners) == ((3,), (2,))
    assert (usage.rates["link.card.packets"].boot, usage.rates["link.veth.packets"].boot) == (20, None)


def connection(cookie: int, silent: int | None, ca: str = "cubic", limited: int | None = 0) -> Connection:
    return Connection(cookie, ca, 200_000, silent, 1000, limited, 0)


def test_a_restart_is_a_rest_before_and_data_since() -> None:
    other = (connection(2, 900, "bbr"), connection(3, 100), connection(4, 900), connection(5, None))
    later = (connection(2, 50, "bbr"), connection(3, 50), connection(4, 3900), connection(6, 1))
    before, after = [connection(1, 900), *other], [connection(1, 50, limited=7), *later]
    found = connections.summary(before, after, 1, 4)
    assert found is not None
    assert (found.open, found.elsewhere, found.own_rate, found.resting, found.restarted) == (5, 4, 1, 1, 1)
    assert (found.limited, found.rwnd_limited_us, found.window_rwnd_limited_us, found.busy_us) == (1, 7, 7, 5000)
    off, unset = connections.summary(before, after, 0, None), connections.summary(before, after, None, None)
    assert off is not None
    assert unset is not None
    assert (off.restarted, unset.restarted) == (0, None)
    old = connections.summary([], [connection(1, 1)._replace(busy_us=None, rwnd_limited_us=None)], 1, 0)
    assert old is not None
    assert (old.busy_us, old.limited) == (None, None)  # a kernel before 4.10


def test_lines_of_connections_are_counted_where_the_kernel_cannot_be_asked(host: UsageTree) -> None:
    head = "  sl  local_address rem_address   st\n"
    rows = (
        "0: 0100007F:0016 0100007F:9000 01",  # loopback
        "1: 0A00000A:0016 0B00000A:9000 01",  # another host
        "2: 0A00000A:0016 0B00000A:9001 0A",  # not established
        "3: 0A00000A:0017 0A00000A:9002 01",  # both its ends are here
        "4: 0A00000A:9002 0A00000A:0017 01",
    )
    host.own()
    host.write("/proc/self/net/tcp", head + "\n".join(rows) + "\n")
    host.write("/proc/self/net/tcp6", head + f"0: {'0' * 32}:0016 0000000000000000FFFF00000B00000A:9000 01\n")
    host.process(1, Proc())
    host.process(9, Proc(network="box"))
    usage = host.usage()
    assert usage.sockets is not None
    assert (usage.sockets.open, usage.sockets.elsewhere, usage.sockets.resting) == (2, None, None)
    host.write("/proc/9/net/tcp", head + rows[1] + "\n")
    usage = host.usage()
    assert usage.sockets is not None
    assert usage.sockets.elsewhere == 1


@pytest.mark.parametrize("name", ["tcp_diag", "nf_tables"])
def test_no_module_is_loaded_for_a_question(host: UsageTree, name: str) -> None:
    """The kernel loads these for whoever asks: only where they are there already are they asked."""
    assert live.has_module(Reader(host.root), name)  # a kernel without modules
    host.write("/proc/modules", "ext4 1 0 - Live 0x0\n")
    host.write("/proc/sys/kernel/osrelease", "6.1.0\n")
    assert not live.has_module(Reader(host.root), name)
    outside = live.machine(Reader(host.root))
    assert (outside.connections(), outside.nat_chains()) == (None, 0)  # what is not loaded rewrites nothing
    host.write("/lib/modules/6.1.0/modules.builtin", f"kernel/net/{name}.ko\n")
    assert live.has_module(Reader(host.root), name)


def test_the_second_cache_of_zfs(host: UsageTree) -> None:
    row = "13 1 0x01 123 33456 1 2\nname type data\nl2_size 4 {}\nl2_hits 4 {}\nl2_misses 4 9\n"
    host.write("/proc/spl/kstat/zfs/arcstats", row.format(4096, 5))
    usage = host.usage(lambda: host.write("/proc/spl/kstat/zfs/arcstats", row.format(4096, 8)))
    assert usage.settings["l2arc.bytes"] == 4096
    assert (usage.rates["l2arc.hits"].window, usage.rates["l2arc.misses"].boot) == (3, 9)


def test_the_confession_of_a_volume_is_a_rate_of_its_disk(host: UsageTree) -> None:
    host.mount(host.disk("nvme0n1"), "/")
    told = iter((100, 130))
    usage = host.usage(exceeded_us=lambda name: next(told))
    rate = usage.rates["disk.nvme0n1.exceeded_us"]
    assert (rate.boot, rate.window) == (130, 30)
