"""Pages of comparisons, histories, fleets, gates and trials: what they say, and that `report` chooses the right one."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liebench.compare.fleet import frame_of, summarise
from liebench.compare.metrics import LIE
from liebench.compare.sides import alike, compare, compare_table, open_side
from liebench.contract import Outcome
from liebench.gate.table import gate_table, stored_policy
from liebench.judge.family import Limits
from liebench.judge.row_words import interval, size
from liebench.judge.rows import Row, Table
from liebench.pages import trials as pages_trials
from liebench.pages.fleet import fleet
from liebench.pages.history import history
from liebench.pages.many import comparison_page, fleet_page, gate_page, history_page, trials_page
from liebench.pages.outcomes import headline, outcomes
from liebench.pages.trials import trials
from liebench.trial.proofs import confirmed, proof_from
from liebench.trial.result import Found, trial_result

from tests.helpers.gate_documents import gate_doc, pair_blocks
from tests.helpers.many_docs import HEAD, SUBJECT, stored, trial
from tests.helpers.many_runs import LIE_KEY, key, run, runs
from tests.helpers.run_documents import built, case, reading

REPORT = [sys.executable, "-c", "from liebench.cli import main; main()", "report"]
EVIL = '</p><script>alert(1)</script><img src=x onerror="alert(2)">\u202e\x1b[31m'
W, B, S, OPEN = Outcome.WORSE, Outcome.BETTER, Outcome.SAME, Outcome.INCONCLUSIVE


def row(word: Outcome, value: float = 1.0, name: str = "c", **more: Any) -> Row:
    return Row(
        probe="p",
        case=name,
        arm="b",
        what="lie",
        word=word.value,
        value=value,
        low=value * 0.99,
        high=value * 1.01,
        **more,
    )


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ({}, "Nothing was compared."),
        ({W: 1}, "1 number is worse."),
        ({W: 2, B: 1, S: 9}, "2 numbers are worse, 1 better."),
        ({B: 1, OPEN: 3}, "Nothing is worse, 1 number is better."),
        ({OPEN: 2}, "Nothing could be decided."),
        ({OPEN: 2, S: 1}, "Nothing that could be decided differs."),
        ({S: 4}, "Nothing differs."),
    ],
)
def test_the_headline_is_true_for_every_combination(counts: dict[Outcome, int], says: str) -> None:
    assert headline(counts) == says


def test_what_is_worse_stands_first_and_what_is_the_same_is_folded() -> None:
    table = Table(
        kind="compare", title="b against a", rows=[row(S), row(W, 1.4, "d"), row(B, 0.5, "e"), row(OPEN, 1.1, "f")]
    )
    page = outcomes(table)
    assert page.forest is not None
    assert [line.word for line in page.forest.lines] == ["worse", "inconclusive", "better"]
    assert [name for name, _, _ in page.same] == ["p c b (lie)"]
    assert page.says.startswith("The largest loss is p d b (lie): +40.0 % (+38.6 … +41.4 %).")
    assert page.tally == [(1, "worse"), (1, "better"), (1, "inconclusive"), (1, "same")]


@pytest.mark.parametrize(
    ("low", "value", "high", "says"),
    [
        (1.1, 1.2, 1.3, "+20.0 % (+10.0 … +30.0 %)"),
        (0.49, 0.5, 0.51, "2.00 × less (1.96 … 2.04)"),
        (1.9, 2.1, 2.3, "2.10 × more (1.90 … 2.30)"),
        (0.4, 1.1, 3.0, "1.10 × more (2.50 × less … 3.00 × more)"),
    ],
)
def test_a_size_and_its_interval_are_said_in_the_same_terms(low: float, value: float, high: float, says: str) -> None:
    found = Row(probe="p", case="c", arm="b", what="lie", word="worse", value=value, low=low, high=high)
    assert f"{size(found)} ({interval(found)})" == says


def test_slopes_stand_where_a_probe_changed_and_labels_do_not_meet() -> None:
    rows = [
        row(W, 1.4, "d", before=100.0, after=140.0, of_unit="ns"),
        row(S, 1.0, "e", before=101.0, after=101.0, of_unit="ns"),
        row(S, 1.0, "f", before=5.0, after=5.0, of_unit="us"),
    ]
    (chart,) = outcomes(Table(kind="compare", title="t", rows=rows)).slopes
    assert chart.title == "p, ns"
    assert [(x.word, x.before, x.after) for x in chart.lines] == [("worse", "100 ns", "140 ns"), ("same", "", "101 ns")]
    assert chart.lines[0].y1 < chart.lines[0].y0  # more is higher


def test_a_comparison_of_stored_runs_says_what_was_put_in() -> None:
    a, b = (open_side([stored(i + at, r) for i in range(5)]) for at, r in ((0, 2.0), (10, 3.0)))
    found = compare(a, b, alike(Limits(0.05, 0.01)))
    page = comparison_page(compare_table(found, b[-1], "b against a"))
    assert "worse" in page
    assert re.search(r"\+(49|50|51)\.\d %", page)


def test_a_gate_s_page_answers_with_its_exit_code() -> None:
    doc = gate_doc({"c": case()}, pair_blocks(24, {"a": 100, "b": 200}, {"a": 100, "b": 300}))
    page = gate_page(gate_table(doc, stored_policy(doc)))
    assert "<h1>A proved regression.</h1>" in page
    assert "Exit code 1." in page


def test_a_history_shows_the_level_that_was_put_in_once() -> None:
    rng = random.Random(1)
    values = [rng.gauss(0.7 if i < 30 else 0.9, 0.02) for i in range(60)]
    found = history(runs(values), "host", math.log(1.05))
    (line,) = found.lines
    assert found.head == "1 of 1 lies changed their level."
    assert len(line.changes) == 1
    assert line.band is not None
    assert line.runs == 60
    assert line.dots.count("z") > 30
    assert "A new level since 2026-01-01 00:" in line.events[0]


def test_a_history_marks_a_change_of_configuration_and_short_ones_say_what_they_cannot() -> None:
    made = [*runs([0.7, 0.7, 0.7]), *runs([0.7, 0.7], start=3, config="y")]
    found = history(made, "host", math.log(1.05))
    assert found.head == "No lie changed its level in 5 runs."
    assert found.marks == ["2026-01-01 00:00: the configuration changed"]
    assert len(found.lines[0].marks) == 1
    assert "in 30 runs or more" in found.says
    assert "changed 1 time" in found.says


def test_a_fleet_names_the_odd_host_first_and_frames_its_cell() -> None:
    rng = random.Random(2)
    made = [run(i, {LIE_KEY: rng.gauss(0.4, 0.01) + (i == 7)}, host=f"host-{i:04d}") for i in range(20)]
    found = fleet(summarise(frame_of(made)))
    assert found.head == "1 host of 20 stands out."
    assert found.odd[0][0] == "host-0007"
    assert found.heat.marks.count("M") == 1
    assert found.heat.rows[0][1] == "host-0007"
    assert {word for word, _ in found.heat.cells} == {"costly"}
    (strip,) = found.strips
    assert strip.word == "costly"
    assert len(strip.xs) >= 2
    assert fleet_page(made).count("<h1>") == 1


def test_readings_of_a_fleet_are_said_in_their_unit_without_a_strip() -> None:
    which, cases = key(LIE, name="r", arm="measured"), {("p", "r"): built(reading(), "r")}
    made = [run(i, {which: 20.0 + i}, host=f"h{i}", cases=cases) for i in range(5)]
    (strip,) = fleet(summarise(frame_of(made))).strips
    assert (strip.xs, strip.size) == ((), "22 ppm (20 ppm … 24 ppm)")


def test_trials_show_both_values_and_the_second_win_is_the_proof() -> None:
    found = trials([trial(2, 0.5), trial(1, 0.5) | {"started": "2025"}])
    assert found.head == "vm.k 1 → 2: 2 of 2 trials won."
    assert [c.word for c in found.cards] == ["better", "better"]
    assert "only that second trial is the proof" in " ".join(found.cards[0].says)
    assert "Proved: p @ host" in " ".join(found.cards[1].says)
    figure = found.cards[0].figure
    assert figure is not None
    assert [c.arm for c in figure.curves] == ["k=1", "k=2"]


def test_the_same_seed_proves_nothing() -> None:
    found = trials([trial(1, 0.5), trial(1, 0.5) | {"started": "2027"}])
    assert all("Proved" not in " ".join(c.says) for c in found.cards)


def test_a_page_and_a_trial_have_one_rule_of_what_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not tell is kept by neither; another host or configuration starts the count again."""
    docs = [trial(n, 0.5) | {"started": f"202{n}"} for n in (1, 2, 3)]
    unclear = replace(trial_result(docs[1]), found=Found.CANNOT_TELL)
    monkeypatch.setattr(pages_trials, "trial_result", lambda d: unclear if d is docs[1] else trial_result(d))
    first, _, last = (proof_from(trial_result(d), d["id"], d["settings"]["seed"], "h", "x", "") for d in docs)
    assert first is not None
    assert last is not None
    assert confirmed(last, [first]).confirmed
    assert ["Proved" in " ".join(c.says) for c in trials(docs).cards] == [False, False, True]
    for name in ("host", "config"):
        moved = [*docs[:2], {**docs[2], "hashes": {**docs[2]["hashes"], name: "other"}}]
        assert all("Proved" not in " ".join(c.says) for c in trials(moved).cards)


def test_no_page_lets_hostile_text_out() -> None:
    evil = stored(1, 2.0, EVIL)
    evil["host"] = {"cpu": {"model": EVIL, "online": EVIL}, "kernel": {"release": EVIL}}
    other = stored(2, 2.0, EVIL + "2") | {"host": evil["host"]}
    made = open_side([evil, other])
    rest: dict[str, Any] = {"skipped": {EVIL: (EVIL, EVIL)}, "failed": {EVIL: EVIL}, "started": EVIL, "machine": EVIL}
    table = Table(kind="compare", title=EVIL, rows=[row(W, 1.4, EVIL, why=EVIL)], notes=[EVIL], **rest)
    change = dict.fromkeys(SUBJECT, EVIL)
    pages = [comparison_page(table), gate_page(table), history_page(made), fleet_page(made)]
    pages.append(trials_page([trial(1, 0.5) | {"change": change, "started": EVIL}]))
    for page in pages:
        assert "<script" not in page
        assert "<img" not in page
        assert not set("\u202e\x1b") & set(page)


# ---- the command ----


def report(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*REPORT, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of one host, of two, a gate and two trials, each in a folder of its own."""
    root = tmp_path_factory.mktemp("files")
    docs = {
        "one": [stored(i, 2.0) for i in range(3)],
        "two": [stored(10 + i, 2.0, f"host-{i}") for i in range(3)],
        "gates": [HEAD | gate_doc({"c": case()}, pair_blocks(24, {"a": 1, "b": 2}, {"a": 1, "b": 3}))],
        "trials": [trial(1, 0.5), trial(2, 0.5) | {"id": "20260102T000000Z-00000001"}],
    }
    for name, held in docs.items():
        (root / name).mkdir()
        for doc in held:
            (root / name / f"{doc['id']}.json").write_text(json.dumps({"kind": doc.get("kind", "run"), **doc}))
    return root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "kind", "says"),
    [
        (["one/20260101T000000Z-00000000.json"], "run", ""),
        (["one/20260101T000000Z-00000000.json", "one/20260101T000001Z-00000001.json"], "comparison", "Nothing"),
        (["one"], "history", "No lie changed its level in 3 runs."),
        (["two"], "fleet", "No host of 3 stands out."),
        (["two", "--against", "one"], "comparison", "two hosts"),
        (["gates", "--as", "gate"], "gate", "A proved regression."),
        (["gates/20260101T000000Z-00000000.json"], "gate", "A proved regression."),
        (["trials", "--as", "trial"], "trial", "2 of 2 trials won"),
    ],
)
def test_report_chooses_by_what_it_is_given(
    folder: Path, tmp_path: Path, args: list[str], kind: str, says: str
) -> None:
    named = [str(folder / a) if (folder / a).exists() else a for a in args]
    done = report(*named, "--out", tmp_path / "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "page.html").read_text()
    assert says in page
    assert ('id="liebench-run"' in page) == (kind == "run")
    assert ("of the kind" in done.stderr) == (kind != "run" and "--as" not in args)
    text = report(*named, "--text", cwd=tmp_path)
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.strip()
    markdown = report(*named, "--markdown", cwd=tmp_path)
    if kind in ("run", "comparison", "gate"):
        assert markdown.stdout.startswith("<!-- liebench:"), markdown.stderr
    else:
        assert markdown.returncode == 2
        assert "--text prints it" in markdown.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["gates/20260101T000000Z-00000000.json", "one"], "files of different kinds (gate, run) make no page together"),
        (["one", "--as", "run"], "a page of the kind run is of one file, and 3 were named"),
        (["two", "--as", "history"], "a history is of one host"),
        (["one", "--as", "dream"], "--as takes run, comparison"),
        (["one/20260101T000000Z-00000000.json", "--as", "comparison"], "one run has nothing to be compared with"),
        (["one", "--as", "gate"], "there is no gate file in"),
        (["one", "--as", "trial", "--limit", "x"], "there is no trial file in"),
        (["one", "--limit", "x"], "--limit"),
        (["gone.json"], "gone.json cannot be read"),
    ],
)
def test_what_makes_no_page_says_so_once(folder: Path, tmp_path: Path, args: list[str], says: str) -> None:
    named = [str(folder / a) if (folder / a).exists() else a for a in args]
    done = report(*named, cwd=tmp_path)
    assert done.returncode == 2 or "cannot be read" in says
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
