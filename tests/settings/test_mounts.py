"""A mount option, tried on a command that alone sees it: what the kernel does with it, and what is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from liebench.contract import Disturbs
from liebench.errors import UsageError
from liebench.facts.mounts import mounts_in
from liebench.gate.command import run_once
from liebench.host import Host, read_host
from liebench.settings.catalogue import find, parse
from liebench.settings.knob import Scope
from liebench.settings.launch import kept_by, start_of
from liebench.settings.mounts import MODES
from liebench.settings.origin import whence
from liebench.settings.suggest import proposed
from liebench.trial.measure import Wish, refuse

from tests.helpers.other_user import as_nobody
from tests.helpers.own_state import liebench

HOST = read_host()
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
LONG_AGO = 1_000_000_000  # 2001: older than a day, so that relatime renews it too
LIST = Path("/proc/self/mountinfo")

TREE = (
    "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
    "2 1 8:2 / /var/my\\040db rw,noatime,nodiratime - xfs /dev/sdb rw\n"
    "3 1 0:5 / /plain rw - tmpfs  rw\n"
    "4 1 8:3 / /twice rw,noatime - ext4 /dev/sdc rw\n"
    "5 4 8:4 / /twice rw,relatime - ext4 /dev/sdd rw\n"
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    for path, text in (
        ("proc/self/mountinfo", TREE),
        ("etc/fstab", "# <file>\n/dev/sdb /var/my\\040db xfs noatime 0 2\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return Host({"kernel": {"release": "6.12.0"}}, tmp_path)


@pytest.mark.parametrize(
    ("point", "mode"), [("/", "relatime"), ("/var/my db", "noatime"), ("/plain", "strictatime"), ("/twice", "relatime")]
)
def test_the_value_is_the_topmost_mounts(host: Host, point: str, mode: str) -> None:
    other = next(m for m in MODES if m != mode)
    knob, now, to = parse(f"mount:{point}={other}", host)
    assert (now, to, knob.scope) == (mode, other, Scope.NAMESPACE)


def test_a_mount_without_a_source_is_read(host: Host) -> None:
    assert [m.kind for m in mounts_in(TREE)] == ["ext4", "xfs", "tmpfs", "ext4", "ext4"]
    assert mounts_in(TREE)[2].source == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mount:/nothing/here=noatime", "nothing is mounted at /nothing/here; findmnt"),
        ("mount:/=sync", "it takes relatime, noatime, strictatime"),
        ("mount:/=noatime,exec", "it takes relatime, noatime, strictatime"),
        ("mount:/var/../etc=noatime", "without '..'"),
        ("mount:/var/=noatime", "a slash too many"),
        ("mount:/\n/=noatime", "is no mount point"),
        ("mount:var=noatime", "not in the catalogue"),
        ("mount:=noatime", "not in the catalogue"),
        (f"mount:/{'x' * 500}=noatime", "not in the catalogue"),
    ],
)
def test_what_cannot_be_is_one_clear_error(host: Host, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse(text, host)


def test_who_mounts_it_so_and_what_would_keep_another(host: Host) -> None:
    said = whence(find("mount:/var/my db"), host)
    assert said == "the default is relatime; /etc/fstab:2 sets it to noatime"
    assert whence(find("mount:/"), host) == "the default is relatime; no file sets it"
    assert kept_by("mount:/var/my db", "relatime") == (
        "the option relatime in its line of /etc/fstab, and at once by `mount -o remount,relatime '/var/my db'`"
    )


def test_a_rule_gives_the_value_to_try(host: Host) -> None:
    assert proposed("mount:/", host, {})[0] == "mount:/=noatime"
    assert proposed("mount:/var/my db", host, {})[0] == "mount:/var/my db=relatime"


def test_it_needs_a_command_and_no_consent() -> None:
    knob, now, _ = parse("mount:/=noatime", HOST)
    wish = Wish(knob, now, "strictatime", "true")
    refuse(wish, Disturbs.NOBODY)
    assert wish.scope is Scope.NAMESPACE
    with pytest.raises(UsageError, match="--with 'COMMAND'"):
        refuse(Wish(knob, now, "strictatime"), Disturbs.NOBODY)


@pytest.fixture
def point(tmp_path: Path) -> str:
    """The mount that this test's files lie on."""
    found = tmp_path
    while not found.is_mount():
        found = found.parent
    return str(found)


def _read_with(point: str, mode: str, file: Path) -> float:
    os.utime(file, (LONG_AGO, LONG_AGO))
    run_once([sys.executable, "-c", f"open({str(file)!r}, 'rb').read()"], start_of(f"mount:{point}={mode}"))
    return file.stat().st_atime


@pytest.mark.machine
@ROOT
def test_the_kernel_does_what_the_option_says_for_the_command_alone(tmp_path: Path, point: str) -> None:
    file, before = tmp_path / "file", LIST.read_text()
    file.write_text("x")
    assert _read_with(point, "noatime", file) == LONG_AGO
    assert _read_with(point, "relatime", file) > LONG_AGO
    assert _read_with(point, "strictatime", file) > LONG_AGO
    assert LIST.read_text() == before


@pytest.mark.machine
@ROOT
@pytest.mark.parametrize(("mode", "renewed"), [("strictatime", 2), ("relatime", 1), ("noatime", 0)])
def test_of_two_readings_strict_times_renew_both_and_relative_ones_the_first(
    tmp_path: Path, point: str, mode: str, renewed: int
) -> None:
    """relatime renews what is older than the last change, once (mount(8))."""
    file, out = tmp_path / "file", tmp_path / "seen"
    file.write_text("x")
    script = (
        "import os, sys, time\n"
        "times = [os.stat(sys.argv[1]).st_atime_ns]\n"
        "for _ in range(2):\n"
        "    time.sleep(0.05); open(sys.argv[1], 'rb').read(); times.append(os.stat(sys.argv[1]).st_atime_ns)\n"
        "open(sys.argv[2], 'w').write(str(len(set(times)) - 1))\n"
    )
    run_once([sys.executable, "-c", script, str(file), str(out)], start_of(f"mount:{point}={mode}"))
    assert int(out.read_text()) == renewed


@pytest.mark.machine
@ROOT
def test_a_command_that_is_slow_where_times_are_kept_wins_by_what_was_planted(tmp_path: Path, point: str) -> None:
    """A planted lie of known direction: it does a hundred times the work where its mount says no ``noatime``."""
    script = tmp_path / "work.py"
    script.write_text(
        "import sys\n"
        f"line = [l for l in open('/proc/self/mountinfo') if l.split()[4] == {point!r}][-1]\n"
        "sum(range(30_000 if 'noatime' in line.split()[5] else 3_000_000))\n"
    )
    before = LIST.read_text()
    command = f"{sys.executable} {script}"
    words = ["try", f"mount:{point}=noatime", "--with", command, "--budget", "40", "--json", "--out", str(tmp_path)]
    done = liebench(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    (trial,) = json.loads(done.stdout)["trials"]
    assert (trial["found"], trial["subject"]["scope"]) == ("win", "namespace")
    assert trial["high"] < 0.9
    assert LIST.read_text() == before


@ROOT
def test_apply_refuses_and_says_what_keeps_it(tmp_path: Path, point: str) -> None:
    done = liebench(tmp_path, "apply", f"mount:{point}=strictatime", "--untested")
    assert done.returncode == 2
    assert "/etc/fstab" in done.stderr
    assert "remount,strictatime" in done.stderr


@ROOT
def test_who_may_not_is_told_so() -> None:
    script = (
        "from liebench.errors import ToolFailed; from liebench.settings.launch import start_of; "
        "from liebench.gate.command import run_once\n"
        "try: run_once(['true'], start_of('mount:/=noatime'))\n"
        "except ToolFailed as error: print(error)"
    )
    words = as_nobody(sys.executable, "-c", "import liebench.gate.command")
    done = subprocess.run([*words, "-c", script], capture_output=True, text=True, cwd="/", timeout=60, check=False)
    assert done.stdout == "true cannot be started so: this host or this user does not allow it\n"
