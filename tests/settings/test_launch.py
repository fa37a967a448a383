"""How a command is started, tried on the command itself: what it does to a process, and what keeps it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from liebench.contract import Disturbs
from liebench.errors import ToolFailed, UsageError
from liebench.gate.command import run_once
from liebench.host import Host, read_host
from liebench.settings.catalogue import find, parse
from liebench.settings.launch import UNSET, processors, start_of, unit_line
from liebench.settings.origin import whence
from liebench.trial.measure import Wish, refuse

from tests.helpers.own_state import liebench

SPIN = f"{sys.executable} -c 'import os; n = 3_000_000 if os.environ.get(\"LB_SLOW\") else 30_000; sum(range(n))'"
HOST = read_host()


@pytest.mark.parametrize(("text", "says"), [("0", "0"), ("3,1,2", "1-3"), ("0-2,4,5-7", "0-2,4-7"), (" 1 , 1", "1")])
def test_a_list_of_processors_has_one_form(text: str, says: str) -> None:
    assert processors(text) == says


@pytest.mark.parametrize("text", ["", "a", "3-1", "0-99999", "1;reboot", "-1", "0\n1 x", "0x1"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="list of processors"):
        processors(text)


@pytest.mark.parametrize(
    "text",
    ["nice=20", "nice=-21", "nice=x", "taskset=all", "env:A B=1", "env:=1", "env:1A=1", "env:A=\x1b[31m", "env:A=1\n2"],
)
def test_hostile_names_and_values_are_one_clear_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse(text, HOST)


def test_present_values_are_those_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    _, cpus, _ = parse("taskset=0", HOST)
    assert cpus == processors(",".join(map(str, os.sched_getaffinity(0))))
    assert parse("nice=3", HOST)[1:] == (str(os.getpriority(os.PRIO_PROCESS, 0)), "3")
    assert parse("env:LIEBENCH_NOT_THERE=1", HOST)[1:] == (UNSET, "1")
    assert parse("env:LIEBENCH_NOT_THERE=", HOST)[2] == UNSET


def test_a_started_process_has_what_was_asked_for(tmp_path: Path) -> None:
    """Read back from the process itself: affinity, nice value, timer slack and environment."""
    cpu, out = max(os.sched_getaffinity(0)), tmp_path / "seen"
    script = (
        f"import os; open({str(out)!r}, 'w').write(repr([sorted(os.sched_getaffinity(0)), os.nice(0),"
        " open('/proc/self/timerslack_ns').read().strip(), os.environ.get('LB_X'), os.environ.get('HOME')]))"
    )
    seen = {}
    for text in (f"taskset={cpu}", "nice=7", "timer-slack=12345", "env:LB_X=a b;$(c)", f"env:HOME={UNSET}"):
        run_once([sys.executable, "-c", script], start_of(text))
        seen[text.partition("=")[0]] = eval(out.read_text())  # our own repr
    assert seen["taskset"][0] == [cpu]
    assert seen["nice"][1] == os.getpriority(os.PRIO_PROCESS, 0) + 7 or seen["nice"][1] == 7
    assert seen["timer-slack"][2] == "12345"
    assert seen["env:LB_X"][3] == "a b;$(c)"
    assert seen["env:HOME"][4] is None
    assert sorted(os.sched_getaffinity(0))[-1] == cpu  # and ours is as it was


def test_what_this_host_cannot_do_is_one_clear_error() -> None:
    with pytest.raises(ToolFailed, match="cannot be started so"):
        run_once(["true"], start_of("taskset=8000"))


@pytest.mark.parametrize(
    ("knob", "to", "line"),
    [
        ("taskset", "0-1", "CPUAffinity=0-1"),
        ("nice", "5", "Nice=5"),
        ("timer-slack", "1", "TimerSlackNSec=1"),
        ("env:MALLOC_ARENA_MAX", '2"%h', 'Environment="MALLOC_ARENA_MAX=2\\"%%h"'),
        ("env:A", UNSET, "UnsetEnvironment=A"),
    ],
)
def test_the_line_of_a_unit_that_keeps_it(knob: str, to: str, line: str) -> None:
    assert unit_line(knob, to) == line


def test_a_way_to_start_needs_a_command_and_no_consent() -> None:
    knob, now, to = parse("env:LB_X=1", HOST)
    refuse(Wish(knob, now, to, "true"), Disturbs.NOBODY)
    with pytest.raises(UsageError, match="--with 'COMMAND'"):
        refuse(Wish(knob, now, to), Disturbs.NOBODY)


@pytest.mark.machine
def test_a_variable_that_makes_a_command_slow_is_found_and_one_that_nobody_reads_is_not(tmp_path: Path) -> None:
    """A planted lie of known direction: the command does a hundred times the work where the variable is set."""
    found = {}
    for name in ("LB_SLOW", "LB_NOBODY_READS_THIS"):
        done = liebench(
            tmp_path, "try", f"env:{name}=1", "--with", SPIN, "--budget", "40", "--limit", "20 %", "--json",
            "--out", str(tmp_path),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (found[name],) = json.loads(done.stdout)["trials"]
    assert found["LB_SLOW"]["found"] == "loss"
    assert found["LB_SLOW"]["subject"]["scope"] == "process"
    assert found["LB_SLOW"]["low"] > 1.2
    assert found["LB_NOBODY_READS_THIS"]["found"] in ("no effect here", "cannot tell")


@pytest.mark.parametrize(("text", "line"), [("taskset=0", "CPUAffinity=0"), ("env:A=1", 'Environment="A=1"')])
def test_apply_refuses_and_says_what_keeps_it(tmp_path: Path, text: str, line: str) -> None:
    done = liebench(tmp_path, "apply", text, "--untested", "--diff")
    assert done.returncode == 2
    assert line in done.stderr
    assert "systemctl edit" in done.stderr


# ---- whence ----


def test_whence_names_the_default_and_the_file_that_sets_it(tmp_path: Path) -> None:
    for path, text in (
        ("proc/sys/vm/swappiness", "10"),
        ("etc/sysctl.d/50-a.conf", "vm.swappiness = 30\n"),
        ("etc/sysctl.d/99-db.conf", "# db\nvm.swappiness = 10\n"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    host = Host({"kernel": {"release": "6.12.0"}}, tmp_path)
    assert whence(find("vm.swappiness"), host) == "the default is 60; /etc/sysctl.d/99-db.conf:2 sets it to 10"
    assert whence(find("backlog"), host) == "the default is 1000; no file sets it"
    assert whence(find("nice"), host) == "the default is 0"


def test_whence_says_unknown_rather_than_guess(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/vm").mkdir(parents=True)
    knob = find("/proc/sys/vm/swappiness")
    host = Host({"kernel": {"release": ""}}, tmp_path)
    assert whence(knob, host).startswith("the default is")
