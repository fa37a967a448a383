"""A first look: what snapshots of counters suspect; and this host, as anybody, writing nothing."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from liebench.cli.look import look as command
from liebench.errors import Interrupted
from liebench.facts.reader import Reader
from liebench.facts.sockets import Connection
from liebench.facts.softnet import softnet
from liebench.look import clock, cpu, disk, memory, net
from liebench.look.look import Look, Outside, OwnTraces, judge, take
from liebench.look.sign import Sign, Snapshot, Window
from liebench.registry import find_probes
from liebench.text.look import as_json, as_text

from tests.helpers.held_back import quota_group
from tests.helpers.other_user import as_nobody

FIXTURES = Path(__file__).parents[1] / "fixtures"
LIEBENCH = str(Path(sys.executable).parent / "liebench")
SECONDS = 3.0
QUIET = Outside(log=lambda: "", connections=lambda: [])


def window(before: Path, after: Path, outside: Outside = QUIET) -> Window:
    return Window(take(Reader(before), 100.0, outside), take(Reader(after), 100.0 + SECONDS, outside))


def fixture(name: str, outside: Outside = QUIET) -> Window:
    return window(FIXTURES / "looks" / name / "before", FIXTURES / "looks" / name / "after", outside)


def ids(look: Look) -> list[str]:
    return [suspect.id for suspect in look.suspects]


Copy = tuple[Path, Path]


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Copies of both sides of the calm host, to be spoilt."""
    shutil.copytree(FIXTURES / "looks/calm", tmp_path / "host")
    return tmp_path / "host/before", tmp_path / "host/after"


def test_a_calm_host_has_no_suspect_and_is_told_what_that_is_worth() -> None:
    look = judge(fixture("calm"))
    assert ids(look) == []
    text = as_text(look)
    assert "nothing that these counters tell" in text
    assert {"TCP retransmissions", "packets dropped before the protocol", "clocksource (tsc)"} <= set(look.calm)


def test_stolen_time_ranks_first_with_its_numbers_and_the_probe_that_settles_it() -> None:
    look = judge(fixture("stolen"))
    first = look.suspects[0]
    assert (first.id, first.settle, first.since) == ("steal", "liebench run cpu-share", "in the last 3.0 s")
    assert first.values["window"] == pytest.approx(0.12)
    assert first.score == pytest.approx(2.4, rel=0.01)
    assert "12" in as_text(look)


@pytest.mark.parametrize("ticks", [0, 4])
def test_a_few_ticks_of_steal_are_unknown_and_not_calm(copy: Copy, ticks: int) -> None:
    before, after = copy
    stat = (before / "proc/stat").read_text().splitlines()[0].split()
    stat[4] = str(int(stat[4]) + 600 - ticks)
    stat[8] = str(int(stat[8]) + ticks)
    (after / "proc/stat").write_text(" ".join(stat) + "\n")
    look = judge(window(before, after))
    assert "steal" not in look.calm
    assert any(why.startswith("steal below 0.8 %") for why in look.unknown)


def test_a_guest_whose_steal_never_moved_may_be_blind(copy: Copy) -> None:
    for side in copy:
        (side / "proc/stat").write_text("cpu  1000 0 200 5000 0 0 0 0 0 0\n")
    assert any("the hypervisor does not tell" in why for why in judge(window(*copy)).unknown)


def test_an_old_host_confesses_its_quota_its_clock_and_its_drops() -> None:
    log = (FIXTURES / "looks/old/kmsg.txt").read_text()
    look = judge(fixture("old", Outside(log=lambda: log, connections=lambda: [])))
    found = {s.id: s for s in look.suspects}
    assert set(found) == {"throttled:/sys/fs/cgroup/cpu/docker", "backlog-drop", "clocksource", "clock-log"}
    quota = found["throttled:/sys/fs/cgroup/cpu/docker"]  # the parent's, in periods: 18 of 30
    assert quota.values["window"] == pytest.approx(0.6)
    assert found["clock-log"].since == "12 hours ago"
    assert "Marking clocksource 'tsc' as unstable" in found["clock-log"].says
    assert found["backlog-drop"].values["window"] == pytest.approx(150 / 1650)
    assert any("/proc/pressure/cpu" in line for line in look.unknown)


def test_a_quota_of_version_two_and_memory_high_above_us_are_seen(copy: Copy) -> None:
    for side, (n, held, high) in zip(copy, ((100, 10, 5), (130, 11, 50)), strict=True):
        slice_ = side / "sys/fs/cgroup/system.slice"
        (slice_ / "cpu.stat").write_text(f"nr_periods {n}\nnr_throttled {held}\nthrottled_usec {held * 100000}\n")
        (slice_ / "memory.events").write_text(f"low 0\nhigh {high}\nmax 0\noom 0\n")
    found = {s.id: s for s in judge(window(*copy)).suspects}
    assert found["memory-high:/sys/fs/cgroup/system.slice"].values["window"] == pytest.approx(15)
    assert "held:/sys/fs/cgroup/system.slice" not in found  # 0.1 s of 3 s is less than 1 of 30 periods against it
    assert any(i.startswith("throttled:") or i.startswith("memory-high:") for i in found)


@pytest.mark.parametrize("columns", [9, 10, 11, 13, 15])
def test_every_layout_of_softnet_stat_is_read(copy: Copy, columns: int) -> None:
    text = (FIXTURES / f"softnet/{columns}-columns.txt").read_text()
    for side in copy:
        (side / "proc/net/softnet_stat").write_text(text)
    rows = softnet(Reader(copy[1]))
    assert rows is not None
    assert [(r.cpu, r.processed, r.dropped, r.squeezed) for r in rows] == [(0, 16, 3, 2), (1, 32, 1, 4)]
    assert net.read(Reader(copy[1]))["softnet.dropped.0"] == 3


def test_a_processor_that_goes_or_starts_over_makes_no_negative_rate(copy: Copy) -> None:
    before, after = copy
    row = "{:08x} {:08x} {:08x}" + " 00000000" * 9 + " {:08x} 00000000 00000000\n"
    old = [row.format(10**6, 500, 9, 0), row.format(7, 0, 0, 1), row.format(10**6, 700, 9, 2), row.format(9, 9, 9, 3)]
    new = [row.format(10**6 + 100, 550, 9, 0), row.format(10**6, 700, 9, 2), row.format(1, 0, 0, 3)]
    (before / "proc/net/softnet_stat").write_text("".join(old))
    (after / "proc/net/softnet_stat").write_text("".join(new))  # 1 is gone, 3 was away and came back
    look = judge(window(before, after))
    drops = next(s for s in look.suspects if s.id == "backlog-drop")
    assert drops.values["count_window"] == 50
    assert drops.values["window"] == pytest.approx(50 / 150)


def test_what_was_only_once_counts_for_a_quarter(copy: Copy) -> None:
    before, after = copy
    for side in copy:
        row = "{:08x} {:08x} 00000000" + " 00000000" * 9 + " 00000000 00000000 00000000\n"
        (side / "proc/net/softnet_stat").write_text(row.format(98_000, 2_000))
    drops = judge(window(before, after)).suspects[0]
    assert drops.since == "since boot, 30 days ago"
    assert drops.score == pytest.approx(1 + math.log2(0.25 * 0.02 / 0.001))


def test_a_rate_without_end_does_not_bury_a_share_of_time(copy: Copy) -> None:
    before, after = copy
    stolen = (FIXTURES / "looks/stolen/after/proc/stat").read_text().replace(" 50072 ", " 50372 ")
    (after / "proc/stat").write_text(stolen)  # 372 of 900 ticks
    (after / "proc/vmstat").write_text((after / "proc/vmstat").read_text().replace("pswpin 5", "pswpin 3005"))
    look = judge(window(before, after))
    assert ids(look) == ["steal", "swap-in"]  # 1,000 a second is 100 times its threshold, 41 % is 8 times
    assert [s.score for s in look.suspects] == [pytest.approx(0.41 / 0.05, rel=0.02), pytest.approx(1 + math.log2(100))]


def test_requests_that_never_end_are_seen_where_the_busy_counter_stands_still(copy: Copy) -> None:
    for side in copy:
        words = (side / "sys/block/vda/stat").read_text().split()
        words[8] = "3"
        (side / "sys/block/vda/stat").write_text(" ".join(words))
    first = judge(window(*copy)).suspects[0]
    assert (first.id, first.settle) == ("disk-stuck:vda", "liebench run block-stall")


def connection(silent_ms: float, congestion: str = "cubic") -> Connection:
    return Connection(
        congestion=congestion,
        cwnd=80,
        rto_ms=200.0,
        rtt_ms=1.0,
        silent_ms=silent_ms,
        busy_ms=0,
        rwnd_limited_ms=0,
        sndbuf_limited_ms=0,
    )


def test_windows_lost_to_silence_are_counted_where_the_kernel_takes_them(copy: Copy) -> None:
    before, after = copy
    told = Outside(log=lambda: "", connections=lambda: [connection(60_000), connection(10), connection(60_000, "bbr")])
    found = judge(window(before, after, told)).suspects
    assert [(s.id, s.values["lost"], s.values["worst"]) for s in found] == [("idle-restart", 1, 8.0)]
    (after / "proc/sys/net/ipv4/tcp_slow_start_after_idle").write_text("0\n")
    assert ids(judge(window(before, after, told))) == []


def test_an_allowance_that_a_card_exceeded_is_the_providers(copy: Copy) -> None:
    seen = iter((100, 400))
    told = Outside(
        log=lambda: "", connections=lambda: [], cards=lambda: {"eth0": {"pps_allowance_exceeded": next(seen)}}
    )
    first = judge(window(*copy, told)).suspects[0]
    assert first.id == "allowance:eth0 pps_allowance_exceeded"
    assert first.values["window"] == pytest.approx(100)


def test_a_log_that_may_not_be_read_names_the_command_that_may() -> None:
    look = judge(fixture("calm", Outside(log=lambda: None, connections=lambda: None)))
    assert any("sudo dmesg" in why for why in look.unknown)
    assert "the clock in the kernel log" not in look.calm
    assert any("apt install iproute2" in why for why in look.unknown)
    assert "windows after silence" not in look.calm


def test_missing_files_are_said_not_guessed(tmp_path: Path) -> None:
    look = judge(window(tmp_path, tmp_path))
    assert ids(look) == []
    assert sum(line.startswith("/proc/") for line in look.unknown) == 6
    assert not [what for what in look.calm if "steal" in what or "TCP ret" in what]


JUNK = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"\xff\xfe", b"9" * 5000, b"-5 -5 -5", "² ² ²".encode(), b"cpu  " + b"9" * 400, b"nan inf 1e400"]),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=JUNK, which=st.integers(0, 200), side=st.integers(0, 1), keep=st.booleans())
def test_garbage_never_crashes_and_never_makes_a_negative_rate(
    tmp_path: Path, junk: bytes, which: int, side: int, keep: bool
) -> None:
    shutil.copytree(FIXTURES / "looks/stolen", tmp_path / "host", dirs_exist_ok=True)
    sides = (tmp_path / "host/before", tmp_path / "host/after")
    files = sorted(p for p in sides[side].rglob("*") if p.is_file())
    victim = files[which % len(files)]
    old = victim.read_bytes()
    first = old.split(b" ")[0] + b" " if keep else b""
    victim.write_bytes(first + junk)
    whole(judge(window(*sides)))


@pytest.mark.parametrize("digits", ["9" * 400, "1" * 5000, "18446744073709551616" * 2])
def test_numbers_that_no_counter_holds_are_no_numbers(copy: Copy, digits: str) -> None:
    before, after = copy
    (after / "proc/stat").write_text(f"cpu  1 2 3 {digits} 5 6 7 {digits}\n")
    (after / "proc/vmstat").write_text(f"pswpin {digits}\noom_kill {digits}\n")
    (after / "proc/net/softnet_stat").write_text(" ".join(["f" * 400] * 15) + "\n")
    (after / "sys/block/vda/stat").write_text(" ".join([digits] * 17) + "\n")
    (after / "proc/uptime").write_text(f"{digits}.00 1.00\n")
    for side in copy:
        stat = side / "sys/fs/cgroup/system.slice/app/cpu.stat"
        stat.write_text(f"nr_periods {digits}\nnr_throttled {digits}\nthrottled_usec {digits}\n")
    whole(judge(window(before, after)))
    kept = take(Reader(after), 0.0).counters
    assert not {"cpu.idle", "cpu.steal", "vm.pswpin", "disk.vda.reads", "softnet.dropped.0"} & set(kept)


COUNTS = st.dictionaries(
    st.sampled_from([*(f"cpu.{k}" for k in ("user", "idle", "steal")), "snmp.Tcp.OutSegs", "snmp.Tcp.RetransSegs",
                     "vm.pswpin", "disk.vda.reads", "disk.vda.read_ms", "group./g.periods", "group./g.throttled",
                     "softnet.processed.0", "softnet.dropped.0", "psi.io"]),
    st.floats(0, 2.0**64, allow_nan=False),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@example(one={"vm.pswpin": 0.0}, other={"vm.pswpin": 10.0}, seconds=1.0, uptime=2.3e-308)
@given(one=COUNTS, other=COUNTS, seconds=st.floats(0, 10), uptime=st.none() | st.floats(0, 1e9))
def test_any_two_snapshots_are_judged(one: Any, other: Any, seconds: float, uptime: float | None) -> None:
    state: dict[str, Any] = {"clocksource": None, "available": [], "clock_log": None}
    before = Snapshot(at_s=0.0, uptime_s=uptime, counters=one, state=state)
    whole(judge(Window(before, replace(before, at_s=seconds, counters=other))))


def whole(look: Look) -> None:
    """Every number is one, none is negative, and the text keeps to its width."""
    doc = as_json(look)
    json.dumps(doc, allow_nan=False)
    for suspect in look.suspects:
        assert suspect.score >= 1
        assert not [v for v in suspect.values.values() if isinstance(v, float) and v < 0]
    assert max(len(line) for line in as_text(look).splitlines()) <= 80


def test_what_settles_a_sign_is_a_probe_that_there_is() -> None:
    signs = (*cpu.SIGNS, *memory.SIGNS, *net.SIGNS, *disk.SIGNS)
    named = [s.settle for s in signs]
    named += [clock.READS, clock.RATE, "liebench run block-stall", "liebench run tcp-idle-restart"]
    asked = {words.removeprefix("liebench run ") for words in named if words.startswith("liebench run ")}
    assert asked <= set(find_probes().probes)
    assert all(s.source for s in signs)
    for area in (cpu, memory, net, disk):
        assert {id(s) for s in vars(area).values() if isinstance(s, Sign)} <= set(map(id, area.SIGNS))


def test_judging_touches_no_file_and_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = fixture("stolen")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError(f"judging touched the machine: {args!r}")

    for name in ("open", "stat", "listdir"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(time, "monotonic", refuse)
    monkeypatch.setattr(time, "time", refuse)
    look = judge(seen)
    as_text(look)
    monkeypatch.undo()
    assert ids(look) == ["steal"]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LIEBENCH, *args], capture_output=True, text=True, check=False)


def test_the_object_of_this_host_has_its_schema() -> None:
    done = run("look", "--seconds", "0.3", "--json")
    assert done.returncode == 0, done.stderr
    doc = json.loads(done.stdout)
    assert (doc["schema"], doc["exit"]) == ("liebench.look/1", 0)
    assert doc["seconds"] >= 0.3
    assert run("look", "--seconds", "0").returncode == 2


def test_a_look_that_is_interrupted_ends_with_its_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("liebench.look.look.observe", interrupted)
    with pytest.raises(Interrupted) as caught:
        command(1.0, False)
    assert caught.value.exit_code == 130


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("words", [("look", "--seconds", "0.3"), ("audit",)])
def test_an_ordinary_user_looks_and_nothing_is_written(tmp_path: Path, words: tuple[str, ...]) -> None:
    somebody = as_nobody(LIEBENCH, "--version")
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run([*somebody, *words], capture_output=True, text=True, timeout=60, env=env, cwd="/")
    assert done.returncode == 0, done.stderr
    assert "nothing was" in done.stdout
    assert list(home.iterdir()) == []


HOOK = """
import os, sys
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
def hook(event, args):
    bad = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.chmod", "os.truncate")
    bad |= event == "open" and isinstance(args[2], int) and bool(args[2] & WRITES) and args[0] != "/dev/null"
    if bad:
        os.write(2, f"wrote: {event} {args}".encode())
        os._exit(99)
sys.addaudithook(hook)
sys.argv = ["liebench", *sys.argv[1:]]
from liebench.cli import main
main()
"""


@pytest.mark.parametrize("words", [("look", "--seconds", "0.2"), ("look", "--seconds", "0.2", "--json"), ("audit",)])
def test_no_file_is_opened_for_writing(words: tuple[str, ...]) -> None:
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", HOOK, *words], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def quota() -> Iterator[Path]:
    """A control group of ours that may use a tenth of a CPU, in periods of 20 ms."""
    with quota_group("test-look", 2000) as group:
        yield group


@pytest.mark.machine
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make a control group")
def test_a_quota_that_throttles_us_shows(quota: Path) -> None:
    spin = subprocess.Popen(["sh", "-c", f"echo $$ > {quota}/cgroup.procs; while :; do :; done"])
    try:
        time.sleep(0.3)  # a few periods
        mine = Path(f"/proc/{spin.pid}/cgroup").read_text()
        assert quota.name in mine
        found = throttled(mine)
    finally:
        spin.kill()
        spin.wait()
    assert found, "a group held to a tenth of a CPU was not throttled within ten seconds"


def throttled(cgroup: str) -> bool:
    """Whether a look from inside that group suspects its quota; looked at for a busy machine's sake up to ten times."""

    class Inside(Reader):
        def text(self, path: str) -> str | None:
            return cgroup if path == "/proc/self/cgroup" else super().text(path)

    for _ in range(10):
        before = take(Inside(), 0.0, QUIET)
        time.sleep(1)
        look = judge(Window(before, take(Inside(), 1.0, QUIET)))
        if any(i.startswith(("throttled:", "held:")) for i in ids(look)):
            return True
    return False


def test_what_liebench_did_is_not_held_against_the_host(tmp_path: Path) -> None:
    """Kills of its own are subtracted one by one; rates since boot leave out its measurements with their time."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/uptime").write_text("1000.00 1.00\n")
    (tmp_path / "proc/vmstat").write_text("oom_kill 37\npswpin 9000\n")
    own = OwnTraces(900.0, {"vm.oom_kill": 37, "vm.pswpin": 8900})
    shot = take(Reader(tmp_path), 0.0, None, own)
    assert (shot.counters["vm.oom_kill"], shot.counters["vm.pswpin"], shot.uptime_s) == (0, 100, 100)
    told = judge(Window(take(Reader(tmp_path), 0.0), take(Reader(tmp_path), 3.0)))
    assert "oom-kill" in {s.id for s in told.suspects}
    quiet = judge(Window(shot, take(Reader(tmp_path), 3.0, None, own)))
    assert "oom-kill" not in {s.id for s in quiet.suspects}


def test_where_a_run_was_killed_only_the_window_speaks(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/uptime").write_text("1000.00 1.00\n")
    (tmp_path / "proc/vmstat").write_text("oom_kill 37\n")
    own = OwnTraces(unknown="a measurement goes on")
    window = Window(take(Reader(tmp_path), 0.0, None, own), take(Reader(tmp_path), 3.0, None, own))
    found = judge(window)
    assert "oom-kill" not in {s.id for s in found.suspects}
    assert "counts since boot: a measurement goes on" in found.unknown
