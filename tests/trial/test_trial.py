"""Trials: what a change is found to do, what it may be tried with, and that nothing is left changed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Disturbs
from liebench.errors import RunUnreadable, UsageError
from liebench.gate.policy import parse_policy
from liebench.gate.table import gate_family
from liebench.gate.verify import differences
from liebench.host import read_host
from liebench.probe import Plant
from liebench.registry import find_probes
from liebench.runfile.reader import read_run
from liebench.settings.catalogue import catalogue, find, parse
from liebench.text.trial import trial_text
from liebench.trial.measure import Wish, refuse
from liebench.trial.result import Found, Subject, TrialResult, carried_over, first, trial_result

from tests.helpers import fakes
from tests.helpers.own_state import with_state
from tests.helpers.two_sides import gate

HOST = read_host()
TARGET = parse_policy('[gate]\nlimit = "3 %"\n[levels]\n"probe-0/guard" = "warn"\n', "t")
SUBJECT = {"knob": "k", "key": "vm.k", "now": "1", "to": "2", "scope": "host", "workload": "probe-0"}


def trial(folder: Path, factor: float, **more: Any) -> Any:
    session, _ = gate(folder, factor, policy=TARGET, **more)
    return trial_result(document(session))


@pytest.mark.parametrize(
    ("factor", "found"), [(0.8, Found.WIN), (1.0, Found.NO_EFFECT), (1.2, Found.LOSS), (0.99, Found.NO_EFFECT)]
)
def test_what_a_change_does_is_found(tmp_path: Path, factor: float, found: Found) -> None:
    result = trial(tmp_path, factor)
    assert result.found is found
    assert result.ratio == pytest.approx(factor, rel=0.02)
    assert result.low < factor < result.high or abs(result.ratio / factor - 1) < 0.01


def test_noise_that_hides_it_is_no_answer(tmp_path: Path) -> None:
    assert trial(tmp_path, 0.9, noise=0.9).found is Found.CANNOT_TELL


def dearer(sides: Any, again: Callable[[str, list[str]], float]) -> None:
    """Every repetition costs ``again(case, order)`` times as much; ``order``: the sides so far, its own last."""
    rep = sides.world.rep

    def made(c: Any, turn: Any) -> Any:
        found, times = rep(c, turn), again(c.id, sides.order)
        return replace(found, samples={k: [v * times for v in values] for k, values in found.samples.items()})

    sides.world.rep = made


def one_sided(sides: Any, case: str, factor: float) -> None:
    """On the candidate's side this case alone costs ``factor`` times as much again."""
    dearer(sides, lambda c, order: factor if c == case and order[-1] == "candidate" else 1.0)


def document(session: Any) -> Any:
    """The trial's file, once it has run."""
    session.run()
    return session.writer.document | {"kind": "trial", "change": SUBJECT}


def test_a_guard_that_loses_is_no_win(tmp_path: Path) -> None:
    session, sides = gate(tmp_path, 0.8, fakes.case("goal"), fakes.case("guard"), policy=TARGET)
    one_sided(sides, "guard", 1.5)
    result = trial_result(document(session))
    assert result.found is Found.GUARD
    assert "probe-0/guard" in result.why


def test_what_one_target_gains_and_another_loses_is_no_win_and_no_loss(tmp_path: Path) -> None:
    both = parse_policy('[gate]\nlimit = "3 %"\n', "t")
    session, sides = gate(tmp_path, 0.8, fakes.case("goal"), fakes.case("other"), policy=both)
    one_sided(sides, "other", 1.5)
    result = trial_result(document(session))
    assert result.found is Found.GUARD
    assert "probe-0/other is worse" in result.why
    assert result.ratio == pytest.approx(0.8, rel=0.02)


def test_a_control_that_fails_proves_nothing(tmp_path: Path) -> None:
    lost = Plant(
        id="plant_share=0.5", set={"plant_nothing": 0.5}, case="speed", expect=1.5, tolerance=0.03, control=True
    )
    result = trial(tmp_path, 0.5, plants=(lost,))
    assert result.found is Found.CANNOT_TELL
    assert "control failed" in result.why


def test_what_carries_over_is_found_and_is_no_win(tmp_path: Path) -> None:
    """The baseline's half is dearer where the candidate's came just before: a knob that needs longer to settle."""
    session, sides = gate(tmp_path, 0.9, policy=TARGET, noise=0.15)
    dearer(sides, lambda c, order: 1.3 if order[-2:] == ["candidate", "baseline"] and len(order) % 2 else 1.0)
    doc = document(session)
    assert carried_over(gate_family(doc, TARGET), doc) != ""
    assert trial_result(doc).found is Found.CANNOT_TELL


def test_a_second_half_that_is_always_dearer_carries_nothing_over(tmp_path: Path) -> None:
    """Whichever value it has: a disk that is busy with what came before the pair. It cancels in the estimate."""
    session, sides = gate(tmp_path, 0.9, policy=TARGET, noise=0.05)
    dearer(sides, lambda c, order: 1.3 if len(order) % 2 else 1.0)  # the rig was opened first, on one side
    doc = document(session)
    assert carried_over(gate_family(doc, TARGET), doc) == ""
    result = trial_result(doc)
    assert result.found is Found.WIN
    assert result.ratio == pytest.approx(0.9, rel=0.03)


@pytest.mark.parametrize("change", [None, [], {}, {"knob": 1}, SUBJECT | {"to": None}])
def test_a_damaged_trial_is_said(tmp_path: Path, change: Any) -> None:
    session, _ = gate(tmp_path, 1.0, policy=TARGET)
    session.run()
    with pytest.raises(RunUnreadable, match="change"):
        trial_result(session.writer.document | {"kind": "trial", "change": change})


def test_every_word_has_a_next_step(tmp_path: Path) -> None:
    for factor in (0.8, 1.0, 1.2):
        said = trial_text(trial(tmp_path / str(factor), factor))
        assert max(map(len, said.splitlines())) <= 80
        assert "vm.k 1 -> 2" in said


@pytest.mark.parametrize(
    ("knob", "key", "to", "scope", "says"),
    [
        ("idle-restart", "net.ipv4.tcp_slow_start_after_idle", "0", "namespace",
         "`liebench apply idle-restart=0` sets it"),
        ("swappiness", "vm.swappiness", "10", "cgroup", "whole host's: prove it there on your own work, `liebench try "
         "swappiness=10 --with 'COMMAND' --disturb host`"),
        ("swappiness", "vm.swappiness", "10", "host", "`liebench apply swappiness=10` sets it"),
        ("cpu-burst", "cpu.max.burst of a control group (us)", "40000", "cgroup",
         "`liebench apply FILE=40000` sets it, where FILE is /sys/fs/cgroup/GROUP/cpu.max.burst or"),
        ("cpu-burst", "/sys/fs/cgroup/a/cpu.max.burst", "40000", "cgroup",
         "`liebench apply /sys/fs/cgroup/a/cpu.max.burst=40000` sets it"),
        ("nice", "priority of the process", "5", "process", "Nice=5 in the [Service] part of its unit"),
        ("kernel.x", "kernel.x", "5", "host", "`liebench apply kernel.x=5` sets it"),
    ],
)  # fmt: skip
def test_what_is_proved_says_how_to_keep_it_or_what_is_still_to_be_proved(
    knob: str, key: str, to: str, scope: str, says: str
) -> None:
    result = TrialResult(
        subject=Subject(knob=knob, key=key, now="1", to=to, scope=scope, workload="w"),
        found=Found.WIN,
        why="",
        case="c",
        ratio=0.5,
        low=0.4,
        high=0.6,
        pairs=12,
    )
    assert says in " ".join(trial_text(result, confirmed=True).split())


# ---- knobs ----


def test_every_trial_names_cases_and_arms_that_its_probe_has() -> None:
    probes = find_probes().probes
    for knob in catalogue().values():
        if knob.trial is None or not knob.read(HOST):
            continue
        probe = probes[knob.trial.probe].probe
        options = {"path": "", **{o.name: o.default for o in probe.options}}
        cases = {c.id: c for c in probe.cases(HOST, options)}
        for name in knob.trial.cases:
            assert name in cases, (knob.id, sorted(cases))
            arms = [a.id for a in cases[name].arms]
            assert knob.trial.arm == "*" or knob.trial.arm in arms, (knob.id, arms)


@pytest.mark.parametrize(
    "text",
    [
        "vm.swappiness", "vm.swappiness=", "vm.swappiness=-1", "vm.swappiness=201", "vm.swappiness=1;reboot",
        "vm.swappiness=$(id)", "vm.swappiness=6 0", "vm.swappiness=１", "vm.nothing=1", "../../etc/passwd=x",
        "/etc/passwd=x", "/proc/sys/../../etc/passwd=x", "huge-pages=sometimes", "idle-restart=2", "=1",
        "vm.swappiness=1\nkernel.panic=1", "readahead=1", "/sys/block/../../etc/queue/read_ahead_kb=1",
        "kernel.panic=1",
    ],
)  # fmt: skip
def test_what_is_no_change_is_one_clear_error(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text, HOST)
    assert "\n" not in str(error.value)


def test_a_limit_on_sizes_is_never_lowered() -> None:
    knob = find("net.core.netdev_max_backlog")
    now = knob.read(HOST)
    if now is None:
        pytest.skip("needs net.core.netdev_max_backlog")
    assert parse(f"backlog={int(now) + 1}", HOST)[2] == str(int(now) + 1)
    if int(now) > 1000:
        with pytest.raises(UsageError, match="never lowered"):
            parse(f"backlog={int(now) - 1}", HOST)


def test_one_number_of_several_and_one_word_of_a_list() -> None:
    window, pages = find("receive-window"), find("huge-pages")
    assert window.value_in("4096\t131072\t6291456") == "6291456"
    assert window.text_for("4096\t131072\t6291456", "33554432") == "4096 131072 33554432"
    assert window.value_in("4096") is None
    assert pages.value_in("always [madvise] never") == "madvise"
    assert pages.value_in("rubbish") is None


def test_outside_the_catalogue_only_untested() -> None:
    with pytest.raises(UsageError, match="--untested"):
        find("kernel.printk")
    assert find("kernel.printk", untested=True).path == "/proc/sys/kernel/printk"
    with pytest.raises(UsageError):
        find("kernel.no_such_key", untested=True)


@pytest.mark.parametrize(
    ("name", "consent", "command", "more", "says"),
    [
        ("swappiness", Disturbs.NOBODY, "true", {}, "--disturb host"),
        ("huge-pages", Disturbs.NEIGHBOURS, "", {}, "--disturb host"),
        ("budget", Disturbs.HOST, "", {}, "--with"),
        ("backlog", Disturbs.NEIGHBOURS, "", {}, "--disturb host"),
        ("halt-poll", Disturbs.NOBODY, "", {}, "--disturb host"),
        ("send-window", Disturbs.NOBODY, "", {"trip_ms": "x"}, "trip_ms of the trial of send-window: it takes a whole"),
        ("send-window", Disturbs.NOBODY, "", {"trip_ms": "601"}, "from 1 to 600"),
        ("receive-window", Disturbs.NOBODY, "", {"wmem": "1"}, "takes no wmem; it takes congestion, trip_ms"),
        ("idle-restart", Disturbs.NOBODY, "", {"rubbish": "1"}, "takes no rubbish"),
    ],
)
def test_what_cannot_be_tried_like_that_is_refused_beforehand(
    name: str, consent: Disturbs, command: str, more: dict[str, str], says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        refuse(Wish(find(name), "0", "1", command, more), consent)
    with pytest.raises(UsageError, match="already"):
        refuse(Wish(find("swappiness"), "1", "1", "true"), Disturbs.HOST)


# ---- on this machine ----


def tried(folder: Path, *words: str, code: int = 0) -> tuple[list[dict[str, Any]], str]:
    done = subprocess.run(
        with_state(folder, "try", *words, "--json", "--out", str(folder)),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout)["trials"] if done.stdout.startswith("{") else [], done.stderr


@pytest.mark.machine
def test_timer_slack_wins_for_a_process_and_touches_nothing(tmp_path: Path) -> None:
    for budget in ("20", "60", "150"):
        found = tried(tmp_path, "timer-slack=1", "--budget", budget)[0][0]
        if found["found"] != "cannot tell":
            break
    assert found["found"] == "win", found
    assert found["ratio"] < 0.9
    doc = read_run(found["run"])
    assert doc["receipt"]["difference"] == []
    assert doc["change"]["scope"] == "process"
    assert differences(doc) == []


@pytest.mark.machine
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_live_value_is_tried_on_the_users_command_and_put_back(tmp_path: Path) -> None:
    path = Path("/proc/sys/vm/swappiness")
    before = path.read_text()
    found = tried(tmp_path, "vm.swappiness=61", "--with", "true", "--disturb", "host", "--budget", "5")[0][0]
    assert found["found"] in ("no effect here", "cannot tell")
    assert found["subject"]["workload"] == "your command: true"
    assert path.read_text() == before


@pytest.mark.machine
def test_hostile_words_reach_no_shell(tmp_path: Path) -> None:
    for words in (["vm.swappiness=$(touch pwned)"], ["idle-restart=0", "--using", "congestion=$(touch pwned)"]):
        done = subprocess.run(
            with_state(tmp_path, "try", *words, "--budget", "2", "--out", str(tmp_path)),
            capture_output=True,
            cwd=tmp_path,
            check=False,
        )
        assert b"Traceback" not in done.stderr
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("numbers", [(4, 4), (None, 1), ("x", 1), (0.5, 1)])
def test_halves_of_a_pair_without_numbers_of_their_own_have_no_order(numbers: tuple[object, object]) -> None:
    with pytest.raises(RunUnreadable, match=r"blocks\.n"):
        first(({"n": numbers[0]}, {"n": numbers[1]}))
    assert (first(({"n": 1}, {"n": 2})), first(({"n": 2}, {"n": 1}))) == (0, 1)
