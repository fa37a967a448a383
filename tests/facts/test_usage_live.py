"""Usage of this machine: what a known act does to each count. Others work here too, so totals are "at least"."""

from __future__ import annotations

import dataclasses
import json
import mmap
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from liebench.facts.clock import Timex, adjtimex
from liebench.facts.mounts import mounts_in
from liebench.facts.reader import Reader
from liebench.facts.usage import census, counters, namespaces
from liebench.facts.usage.live import machine
from liebench.facts.usage.observe import observe
from liebench.facts.usage.scan import scan
from liebench.facts.usage.sources import Sources
from liebench.facts.usage.values import Usage
from liebench.runfile.usage import stored, usage_of

from tests.helpers import usage_live
from tests.helpers.other_user import as_nobody
from tests.helpers.usage_live import IDLE, OBSERVE, observed, there

pytestmark = pytest.mark.machine
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
READER = Reader()
MIB, PAGE = 1 << 20, mmap.PAGESIZE


def now(window: Callable[[], object] = lambda: None, leave_out: bool = False, **outside: Any) -> Usage:
    """Usage as it is, ``window`` being what happens while it waits; what this process starts counts as the host's."""
    seen = dataclasses.replace(machine(READER), sleep=lambda _: (window(), None)[1], **outside)
    return observe(READER, seen if leave_out else dataclasses.replace(seen, own_pid=lambda: None), 0, {})


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for a bounded time is asked to its end, however busy this machine is."""
    monkeypatch.setattr(census, "FILES_BUDGET_S", 60)
    monkeypatch.setattr(namespaces, "COPY_UP_BUDGET_S", 60)


def more(name: str, before: Usage, after: Usage) -> int:
    first, second = before.processes[name], after.processes[name]
    assert first is not None
    assert second is not None
    return second - first


def test_this_machine_is_told_whole() -> None:
    """With ``-s`` it prints all that is counted here."""
    begin, spent = time.monotonic(), time.process_time()
    usage = observe(READER, machine(READER), 0.5, {})
    took, busy = time.monotonic() - begin, time.process_time() - spent
    print(json.dumps(stored(usage), indent=1))
    print(f"{usage.seen.processes} processes: {took - usage.window_s:.3f} s beside the window, {busy:.3f} s of CPU")
    assert usage.window_s >= 0.5
    for name in ("vmstat.pgfault", "stat.ctxt", "softnet.processed"):
        assert usage.per_second(name) is not None
    assert usage.seen.threads > 0
    assert usage.uptime_s is not None
    assert usage.settings["clock.state"] is not None
    assert usage.links is not None
    assert usage.links.kinds["loopback"] == 1
    assert usage.sockets is not None


@ROOT
@pytest.mark.parametrize(("program", "name"), [("FILTER", "filter"), ("STRICT", "strict"), ("TRACER", "traced")])
def test_a_process_under_each_mechanism_is_one_more(program: str, name: str) -> None:
    before = now()
    with there(getattr(usage_live, program)):
        after = now()
        left_out = now(leave_out=True)
    assert more(name, before, after) == 1
    assert left_out.processes[name] == before.processes[name]  # it is our own child


def test_what_this_process_starts_is_left_out() -> None:
    with there(IDLE) as process:
        assert process.pid in {p.pid for p in scan(READER, None).processes}
        found = scan(READER, os.getpid())
        assert not {process.pid, os.getpid()} & {p.pid for p in found.processes}
        assert {process.pid, os.getpid()} <= found.ours


@ROOT
def test_a_supervisor_of_calls_is_found_by_its_open_file() -> None:
    with there(usage_live.NOTIFY):
        usage = now()
    assert usage.processes["notify"] == 1
    assert usage.processes["filter"]


@ROOT
def test_namespaces_are_counted_one_by_one() -> None:
    before = now()
    with there(IDLE, "unshare", "-n"), there(IDLE, "unshare", "-m"):
        after = now()
    for name in ("net_namespaces", "mount_namespaces"):
        assert getattr(after.seen, name) == getattr(before.seen, name) + 1
    assert more("other_networks", before, after) == 1
    with there(IDLE, "unshare", "-pf"):
        inside = now()
    assert more("pid_namespaces", before, inside) == 1
    assert more("contained", before, inside) == 1
    assert more("walls.host_network", before, inside) == 1


@ROOT
def test_an_overlay_as_root_of_a_process_and_what_was_copied_up(tmp_path: Path) -> None:
    lower, upper, work, top = (tmp_path / name for name in ("lower", "upper", "work", "top"))
    for folder in (lower, upper, work, top):
        folder.mkdir()
    for name in ("a", "b", "c"):
        (lower / name).write_text("x")
    script = f"""
mount -t overlay overlay -o lowerdir={lower},upperdir={upper},workdir={work} {top} || exit 9
echo y >> {top}/a; echo y >> {top}/b; echo new > {top}/d
exec "$@" """
    before = now()
    words = ("unshare", "-m", "sh", "-c", script, "sh")
    probe = subprocess.run([*words, "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("needs an overlay that mounts here")
    with there(IDLE, *words):
        after = now()
    assert len(after.overlays or ()) == len(before.overlays or ()) + 1
    if before.copy_ups is not None:
        assert after.copy_ups == before.copy_ups + 2  # a and b came from below, d did not
    assert more("on_overlay", before, after) == 0  # its root is not that overlay


def test_faults_of_a_file_are_counted_and_so_is_who_takes_them(tmp_path: Path) -> None:
    pages = 1024
    path = tmp_path / "file"
    path.write_bytes(os.urandom(pages * PAGE))
    counted = {}

    def touch() -> None:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
                memory.madvise(mmap.MADV_RANDOM)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
                assert sum(memory[page * PAGE] for page in range(pages)) >= 0
                counted["majors"] = resource.getrusage(resource.RUSAGE_SELF).ru_majflt - before

    usage = now(touch)
    if not counted["majors"]:
        pytest.skip("needs a file system whose pages can be dropped")
    assert counted["majors"] == pages
    for name, least in (("pgmajfault", pages), ("pgfault", pages), ("pgpgin", pages * PAGE // 1024)):
        grown = usage.rates[f"vmstat.{name}"].window
        assert grown is not None
        assert grown >= least, name
    assert usage.processes["faulting"]


@pytest.fixture
def loop_disk(tmp_path: Path) -> Iterator[str]:
    image = tmp_path / "image"
    image.write_bytes(bytes(8 * MIB))
    done = subprocess.run(["losetup", "--show", "-f", str(image)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("needs a loop device")
    yield done.stdout.strip()
    subprocess.run(["losetup", "-d", done.stdout.strip()], check=True)


@ROOT
def test_a_hundred_flushes_of_a_disk_are_a_hundred(loop_disk: str) -> None:
    """A disk of its own: nobody else flushes it, so the count is exact."""
    name = loop_disk.rpartition("/")[2]
    sources = Sources(READER, mounts_in(READER.text("/proc/self/mountinfo")))

    def flushes() -> int:
        value = counters.read(sources, [name], None, {})[f"disk.{name}.flushes"].value
        assert value is not None
        return value

    fd = os.open(loop_disk, os.O_WRONLY)
    try:
        before = flushes()
        for index in range(100):
            os.pwrite(fd, b"x" * PAGE, index * PAGE)
            os.fsync(fd)
        assert flushes() == before + 100
    finally:
        os.close(fd)


@ROOT
def test_a_kill_in_a_group_of_ours_is_one_and_is_taken_out(tmp_path: Path) -> None:
    """And the group, which begins with liebench-, is not among the limited ones."""
    group = _limited_group()
    eat = f"open('{group}/cgroup.procs', 'w').write('0')\nblock = bytearray(200 << 20)\n"
    seen = []

    def kill() -> None:
        seen.append(now().limits)
        done = subprocess.run([sys.executable, "-c", eat], capture_output=True, check=False)
        assert done.returncode == -9, done.stderr

    try:
        without = now().limits
        usage = now(kill)
        kills = READER.field(str(_events(group)), "oom_kill", " ")
    finally:
        group.rmdir()
    rate = usage.rates["vmstat.oom_kill"]
    assert rate.window is not None
    assert rate.window >= 1
    assert rate.boot is not None
    if kills is not None:
        assert kills == "1"  # what a ledger notes
    theirs = dataclasses.replace(rate, ours=(1, 1)).theirs()
    assert theirs == (rate.boot - 1, rate.boot - 1)
    assert seen[0].memory_limits == without.memory_limits


def _limited_group() -> Path:
    """A memory group of 32 MiB without swap, of either version; nobody is in it yet."""
    old, new = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    name = f"liebench-test-{os.getpid()}"
    if (old / "memory.limit_in_bytes").exists():
        (old / name).mkdir()
        (old / name / "memory.limit_in_bytes").write_text(str(32 * MIB))
        return old / name
    if "memory" not in (READER.text(str(new / "cgroup.subtree_control")) or "").split():
        pytest.skip("needs control groups that limit memory")
    (new / name).mkdir()
    (new / name / "memory.max").write_text(str(32 * MIB))
    (new / name / "memory.swap.max").write_text("0")
    return new / name


def _events(group: Path) -> Path:
    return next(group / name for name in ("memory.events", "memory.oom_control") if (group / name).exists())


@ROOT
def test_a_step_of_the_clock_is_seen() -> None:
    """By a nanosecond, and back."""

    def step() -> None:
        for seconds, nanoseconds in ((0, 1), (-1, 999_999_999)):
            timex = Timex(modes=0x2100, tv_sec=seconds, tv_usec=nanoseconds)  # ADJ_SETOFFSET | ADJ_NANO
            if adjtimex(timex) < 0:
                pytest.skip("needs permission to set a clock that nobody disciplines")

    assert now(step).rates["clock.steps"].window == 1
    assert now().rates["clock.steps"].window == 0


WIRE = """
import json, os, socket, subprocess, sys
def run(*words): subprocess.run(words, check=True)
peer = subprocess.Popen(["unshare", "-n", sys.executable, "-c", '''
import socket, subprocess, sys
sys.stdin.readline()
for words in ("ip link set vb up", "ip addr add 10.99.0.2/24 dev vb"): subprocess.run(words.split(), check=True)
server = socket.create_server(("10.99.0.2", 7001)); print("up", flush=True)
held = [server.accept() for _ in range(2)]; sys.stdin.read()
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
import time
while os.stat(f"/proc/{peer.pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino: time.sleep(0.01)
run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb", "netns", str(peer.pid))
for words in ("ip link set lo up", "ip link set va up", "ip addr add 10.99.0.1/24 dev va",
              "ip link add br9 type bridge", "ip link add vc type veth peer name vd", "ip link set vc master br9"):
    run(*words.split())
peer.stdin.write("go\\n"); peer.stdin.flush()
assert peer.stdout.readline() == "up\\n"
out = [socket.create_connection(("10.99.0.2", 7001)) for _ in range(2)]
here = socket.create_server(("10.99.0.1", 7002)); own = socket.create_connection(("10.99.0.1", 7002))
out[0].send(b"x")
""" + OBSERVE.replace("machine()", "dataclasses.replace(machine(), own_pid=lambda: None)").replace(
    "import json, sys", "import dataclasses, json, sys"
)


@ROOT
def test_connections_to_another_host_over_a_wire_of_our_own() -> None:
    usage = observed("unshare", "-n", program=WIRE)
    assert usage.links is not None
    assert (usage.links.kinds["veth"], usage.links.kinds["bridge"]) == (3, 1)
    assert (usage.links.ports, usage.links.owners) == ((1,), (1,))
    assert usage.sockets is not None
    assert usage.sockets.open == 2  # the one to an address of its own stays here
    assert usage.sockets.elsewhere is not None
    assert usage.sockets.elsewhere >= 2  # the other ends
    if usage.sockets.resting is not None:
        assert usage.sockets.busy_us is not None
    packets = usage.rates["link.veth.packets"].boot
    assert packets is not None
    assert packets > 0
    assert usage.settings["net.backlog"] is None  # the first namespace's alone


@ROOT
def test_chains_that_rewrite_addresses_are_counted() -> None:
    rules = "nft add table ip x && nft add chain ip x a '{ type nat hook postrouting priority 100; }'"
    more = "nft add chain ip x b '{ type filter hook input priority 0; }' && exec \"$@\""
    words = ("unshare", "-n", "sh", "-c", f"{rules} && {more}", "sh")
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs nft")
    assert observed(*words).settings["nat.chains"] == 1
    assert observed("unshare", "-n").settings["nat.chains"] == 0


def test_as_a_user_without_any_right() -> None:
    before = now() if os.geteuid() == 0 else None
    usage = observed(*as_nobody(sys.executable, "-c", "import liebench.facts.usage.observe")[:-1])
    assert usage.seen.root is False
    assert (usage.processes["notify"], usage.copy_ups, usage.settings["audit.enabled"]) == (None, None, None)
    assert usage.settings["guests.by"] == "names"
    for name in ("vmstat.pgfault", "irq.LOC", "softnet.processed", "stat.ctxt", "group.throttled"):
        assert usage.rates[name].boot is not None, name
    if before is not None and before.seen.hidepid == "":
        assert usage.seen.whole == before.seen.whole
        assert usage.processes["filter"] == before.processes["filter"]
        assert usage.limits.groups == before.limits.groups
        assert [d.name for d in usage.disks] == [d.name for d in before.disks]


@ROOT
def test_under_hidepid_no_user_says_that_there_is_none() -> None:
    nobody = as_nobody(sys.executable, "-c", "import liebench.facts.usage.observe")[:-1]
    mount = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    words = ("unshare", "-m", "sh", "-c", mount, "sh")
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs a /proc that mounts here")
    usage = observed(*words, *nobody)
    assert re.search("hidepid=(2|invisible)", usage.seen.hidepid or "")
    assert usage.seen.threads_of_kernel is not None
    assert usage.seen.threads < usage.seen.threads_of_kernel
    assert not usage.seen.whole
    assert usage.rates["vmstat.pgfault"].boot is not None


def _bundle(folder: Path) -> None:
    """A container of this host's own programs, read-only, with the masks that engines set today."""
    root = folder / "root"
    root.mkdir()
    kept = [p for p in sorted(Path("/").iterdir()) if p.is_dir() and p.name not in ("proc", "sys", "dev", "tmp", "mnt")]
    mounts: list[dict[str, Any]] = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
    ]
    for place in kept:
        if place.is_symlink():
            (root / place.name).symlink_to(place.readlink())
        else:
            mounts.append({"destination": str(place), "type": "bind", "source": str(place), "options": ["rbind", "ro"]})
    spec = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": [sys.executable, "-c", OBSERVE, "0.1"],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "root", "readonly": False},
        "mounts": mounts,
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
            "maskedPaths": ["/proc/interrupts", "/proc/timer_list"],
        },
    }
    (folder / "config.json").write_text(json.dumps(spec))


@ROOT
def test_inside_a_container(tmp_path: Path) -> None:
    _bundle(tmp_path)
    name = f"usage-{os.getpid()}"
    words = ["runc", "--root", str(tmp_path / "state"), "run", "--bundle", str(tmp_path), name]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    except FileNotFoundError:
        pytest.skip("needs runc")
    assert done.returncode == 0, done.stderr[-2000:]
    usage = usage_of({"usage": json.loads(done.stdout)})
    assert usage is not None
    assert usage.seen.masked == ("/proc/interrupts",)
    assert usage.rates["irq.LOC"].boot is None
    assert usage.rates["vmstat.pgfault"].boot is not None  # the host's, whole
    assert (usage.seen.first_pid_namespace, usage.seen.whole) == (False, False)
    assert usage.seen.threads_of_kernel is not None
    assert usage.seen.threads < usage.seen.threads_of_kernel
    assert usage.seen.real_cgroup_root is not True
    assert usage.settings["net.backlog"] is None
    assert usage.clock_moved_s is None  # its /dev is as old as the container
    assert usage.links is not None
    assert "card" not in usage.links.kinds
