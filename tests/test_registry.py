"""What other packages bring is found by entry points; what breaks, or takes a name, takes nothing else with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
from liebench.contract import Claim, Cost, Layer
from liebench.probe import Probe
def make(**more):
    claim = Claim(Layer.CPU, "It is fast.", "nowhere", "speed")
    return Probe(claim=claim, cases=lambda host, options: (), cost=Cost(1), **more)
PROBE = make()
"""
KNOB = """
from liebench.settings.knob import Knob, Scope, whole
def knob(id, key, path):
    return Knob(id=id, key=key, path=path, scope=Scope.HOST, valid=whole(0, 1), risk="none", default="0", source="-")
"""
CHANGE = """
from liebench.advice.change import Change, unknown
def change(id):
    return Change(id=id, setting="its cache", scope="process", default="off", risk="memory", how="set {to}",
                  undo="set {now}", probe="their-lie", now=unknown)
"""
ACT = """
from pathlib import Path
from liebench.stage.act import Act
def undo(entry):
    Path(entry["what"]).unlink(missing_ok=True)
    return f"{entry['what']} was removed"
"""


def package(folder: Path, name: str, text: str, groups: dict[str, str], is_at: str | None = None) -> None:
    """A package of one module, installed in a folder. ``groups``: group -> ``entry = attribute``."""
    module = name.replace("-", "_")
    (folder / f"{module}.py").write_text(text)
    info = folder / f"{module}-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    rows = (f"[liebench.{g}]\n{e.split(' = ')[0]} = {module}:{e.split(' = ')[1]}\n" for g, e in groups.items())
    (info / "entry_points.txt").write_text("\n".join(rows))


def asked(folder: Path, code: str, *arguments: object) -> str:
    env = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def found(folder: Path) -> tuple[list[str], dict[str, str]]:
    """(ids of all probes, what is broken and why) with the packages of a folder."""
    code = (
        "import json; from liebench.registry import find_probes; r = find_probes(); "
        "print(json.dumps([sorted(r.probes), dict(r.broken)]))"
    )
    ids, broken = json.loads(asked(folder, code))
    return ids, broken


def test_probes_of_other_packages(tmp_path: Path) -> None:
    package(tmp_path, "their-lie", PROBE, {"probes": "their-lie = PROBE"})
    package(tmp_path, "broken-lie", "raise RuntimeError('no')", {"probes": "broken-lie = PROBE"})
    ids, broken = found(tmp_path)
    assert {"their-lie", "clock-read"} <= set(ids)
    assert broken == {"broken-lie": "RuntimeError: no (package broken-lie; this liebench has contract 1)"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("clock-read", "clock-read is the name of a built-in probe; the package their-lie must"),
        ("cpu", "cpu is the name of a layer"),
        ("Their.Lie", "'Their.Lie' is no name"),
    ],
)
def test_a_name_that_is_not_free_is_refused_and_the_built_in_probe_stays(tmp_path: Path, name: str, says: str) -> None:
    package(tmp_path, "their-lie", PROBE, {"probes": f"{name} = PROBE"})
    ids, broken = found(tmp_path)
    assert list(broken) == [name]
    assert says in broken[name]
    assert ids == found(tmp_path / "none")[0]
    title = "from liebench.registry import find_probes; print(find_probes().probes['clock-read'].probe.claim.title)"
    assert asked(tmp_path, title) != "speed"


def test_two_packages_with_one_name_are_both_refused(tmp_path: Path) -> None:
    for name in ("one-package", "two-package"):
        package(tmp_path, name, PROBE, {"probes": "their-lie = PROBE"})
    ids, broken = found(tmp_path)
    assert "their-lie" not in ids
    assert "both bring it; uninstall one of them" in broken["their-lie"]


@pytest.mark.parametrize("more", ["PROBE = make(contract=2)", "PROBE = make(contract=2, smells=True)"])
def test_a_probe_for_a_newer_contract_says_what_to_do(tmp_path: Path, more: str) -> None:
    package(tmp_path, "their-lie", f"{PROBE}{more}\n", {"probes": "their-lie = PROBE"})
    ids, broken = found(tmp_path)
    assert "their-lie" not in ids
    if "smells" in more:  # it fails before it can say for what it was written
        assert "smells" in broken["their-lie"]
        assert "this liebench has contract 1" in broken["their-lie"]
    else:
        assert "written for contract 2" in broken["their-lie"]
        assert "install a newer liebench" in broken["their-lie"]


def test_settings_and_changes_of_other_packages_and_the_names_that_they_may_not_take(tmp_path: Path) -> None:
    values = """
NEW = knob("their-flag", "their.flag", "/proc/sys/their/flag")
TAKEN = (knob("swappiness", "x", "/proc/sys/x"), knob("other", "vm.swappiness", "/proc/sys/y"),
         knob("third", "z", "/proc/sys/vm/swappiness"))
SETTINGS = (NEW, *TAKEN)
CHANGES = (change("their-cache"), change("clocksource"))
"""
    groups = {"settings": "all = SETTINGS", "changes": "all = CHANGES"}
    package(tmp_path, "their-lie", KNOB + CHANGE + values, groups)
    package(tmp_path, "wrong-kind", "SETTINGS = 3", {"settings": "wrong = SETTINGS"})
    code = (
        "import json; from liebench.settings import catalogue as s; from liebench.advice import catalogue as a; "
        "from liebench.cli.explain import explained; "
        "print(json.dumps([s.find('their.flag').id, s.find('swappiness').key, 'other' in s.catalogue(), "
        "a.catalogue()['clocksource'].probe, dict(s.theirs().refused), dict(a.theirs().refused), "
        "explained('their-cache')]))"
    )
    flag, swappiness, other, clock, settings, changes, explained = json.loads(asked(tmp_path, code))
    assert (flag, swappiness, other, clock) == ("their-flag", "vm.swappiness", False, "clock-read")
    assert settings.pop("wrong") == "3 is no Knob (package wrong-kind)"
    assert set(settings) == {"swappiness", "other", "third"}
    assert settings["other"].startswith("'vm.swappiness' is a name of what is built in; the package their-lie must")
    assert set(changes) == {"clocksource"}
    assert "advised by: liebench run their-lie" in explained


RECOVER = "import sys; from pathlib import Path; from liebench.stage.recovery import recover\n" \
    "print(*recover(Path(sys.argv[1]), sys.argv[2]), sep='\\n')"  # fmt: skip


def left_behind(state: Path, kind: str, what: Path) -> Path:
    """The journal of a process that is gone, with one act of that kind."""
    what.write_text("theirs")
    (state / "journal").mkdir(parents=True)
    entry = {"id": 1, "kind": kind, "what": str(what), "old": None, "new": None}
    entry |= {"boot": "boot", "uid": os.getuid(), "time": 0}
    path = state / "journal/1-2.jsonl"
    path.write_text(json.dumps(entry) + "\n")
    return path


def test_an_act_of_another_package_is_taken_back_after_a_kill(tmp_path: Path) -> None:
    package(tmp_path, "their-lie", f"{ACT}FLAG = Act('their-lie:flag', undo)\n", {"acts": "flag = FLAG"})
    flag = tmp_path / "flag"
    journal = left_behind(tmp_path / "state", "their-lie:flag", flag)
    assert asked(tmp_path, RECOVER, tmp_path / "state", "boot") == f"{flag} was removed"
    assert not flag.exists()
    assert not journal.exists()


@pytest.mark.parametrize(("outlives", "kept"), [(True, False), (False, True)])
def test_a_boot_takes_an_act_back_unless_it_outlives_that(tmp_path: Path, outlives: bool, kept: bool) -> None:
    act = f"{ACT}FLAG = Act('their-lie:flag', undo, outlives_boot={outlives})\n"
    package(tmp_path, "their-lie", act, {"acts": "flag = FLAG"})
    flag = tmp_path / "flag"
    journal = left_behind(tmp_path / "state", "their-lie:flag", flag)
    asked(tmp_path, RECOVER, tmp_path / "state", "another boot")
    assert flag.exists() is kept
    assert not journal.exists()


@pytest.mark.parametrize(
    ("module", "entry", "says"),
    [
        (None, "", "the package their-lie brought 'their-lie:flag', and it is not installed here any more; install"),
        ("raise RuntimeError('no')", "flag = FLAG", "cannot be loaded: RuntimeError: no (package their-lie)"),
        (f"{ACT}FLAG = Act('other:flag', undo)", "flag = FLAG", "is not installed here any more"),
        (
            f"{ACT}FLAG = Act('their-lie:flag', lambda e: 1 / 0, True)",
            "flag = FLAG",
            "by 'their-lie:flag': ZeroDivisionError",
        ),
    ],
    ids=["uninstalled", "broken", "misnamed", "mistaken"],
)
@pytest.mark.parametrize("boot", ["boot", "another boot"])
def test_what_nobody_can_take_back_stays_in_the_journal_and_is_said(
    tmp_path: Path, module: str | None, entry: str, says: str, boot: str
) -> None:
    if module is not None:
        package(tmp_path, "their-lie", f"{module}\n", {"acts": entry})
    flag = tmp_path / "flag"
    journal = left_behind(tmp_path / "state", "their-lie:flag", flag)
    said = asked(tmp_path, RECOVER, tmp_path / "state", boot)
    assert says in said
    assert str(flag) in said
    assert journal.exists()
    assert flag.exists()


def test_an_act_that_is_not_declared_or_that_no_start_would_find_is_refused(tmp_path: Path) -> None:
    both = "FLAG = Act('their-lie:flag', undo)\nLOOSE = Act('their-lie:loose', undo)\n"
    package(tmp_path, "their-lie", ACT + both, {"acts": "flag = FLAG"})
    code = """
import sys
from pathlib import Path
from their_lie import FLAG, LOOSE
from liebench.contract import Touches
from liebench.errors import StageRefused
from liebench.host import Host
from liebench.stage.acts import act_on
from liebench.stage.stage import Stage
from liebench.state.journal import Journal
flag, state = Path(sys.argv[1]), Path(sys.argv[2])
stage = Stage(Host({}, Path("/")), Path("/bin/false"), Journal(state, "boot"), (Touches(other=(str(flag),)),))
for act, what in ((FLAG, "else"), (LOOSE, str(flag))):
    try:
        with act_on(stage, act, what):
            flag.write_text("never")
    except StageRefused as error:
        print(error)
with act_on(stage, FLAG, str(flag)):
    flag.write_text("now")
    print(len(list((state / "journal").iterdir())))
print(flag.exists(), list((state / "journal").iterdir()))
"""
    lines = asked(tmp_path, code, tmp_path / "flag", tmp_path / "state").splitlines()
    assert lines[0].startswith("else is not declared in this probe's touches")
    assert lines[1].startswith("after a kill nobody could take back 'their-lie:loose': name it in")
    assert lines[2:] == ["1", "False []"]
