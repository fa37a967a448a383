"""The page: what it says, what it embeds, and what it must never let through."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liebench.advice.advise import Grade
from liebench.contract import Verdict, Word
from liebench.errors import RunUnreadable
from liebench.judge.cost import Bill
from liebench.judge.run import RunVerdicts, judge_run
from liebench.pages.answer import Answer, answer
from liebench.pages.frame import run_page
from liebench.pages.run import MARKS
from liebench.probe import Plant
from liebench.runfile.embed import TYPE, pack, unpack
from liebench.runfile.reader import read_run
from liebench.words import clean

from tests.helpers import fakes

EVIL = '</script><script>alert(1)</script><img src=x onerror="alert(2)"><svg onload=alert(3)>\u202e\x07'


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    plant = Plant(id="half", set={"plant_share": 0.5}, case="speed", expect=1.5, tolerance=0.03, control=True)
    probes = [fakes.probe(fakes.World(f), plants=[plant] if f == 1.5 else []) for f in (1.5, 1.0, 0.7)]
    planned, settings = fakes.plan(*probes)
    session = fakes.session(tmp_path_factory.mktemp("run"), planned, settings)
    session.run()
    path = session.writer.finish({"finished": "later", "stopped": "done", "quiet": {}, "receipt": {"difference": []}})
    return read_run(path)


def page_of(doc: dict[str, Any]) -> str:
    return run_page(doc, judge_run(doc), [])


def test_the_page_is_small_and_asks_nobody_for_anything(document: dict[str, Any]) -> None:
    page = page_of(document)
    assert len(page) < 200 * 1024
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)|url\(|@import""", page)
    assert "default-src 'none'" in page
    assert re.findall(r"<script[^>]*>", page) == [f'<script type="{TYPE}" id="liebench-run">']


def test_the_page_reads_back_as_its_run(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page_of(document))
    again = read_run(path)
    assert again["id"] == document["id"]
    before, after = (judge_run(d).probes for d in (document, again))
    assert {k: v.word for k, v in before.items()} == {k: v.word for k, v in after.items()}
    for name, verdict in before.items():
        for case, was in verdict.cases.items():
            now = after[name].cases[case]
            assert (now.word, now.term, now.blocks) == (was.word, was.term, was.blocks), (name, case)
            for number in ("value", "low", "high"):
                close = pytest.approx(getattr(was, number), rel=0.02, abs=0.02 * was.limit if was.limit else 1e-3)
                assert getattr(now, number) == close, (name, case)


@pytest.mark.parametrize("text", ["", "!!!!", "AAAA", "/Td6WFoAAATm1rRGAAAAAAAAAAA="])
def test_a_page_whose_run_is_damaged_says_so(document: dict[str, Any], tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(re.sub(r'(id="liebench-run">)[^<]*', rf"\g<1>{text}", page_of(document)))
    with pytest.raises(RunUnreadable, match="the run in this page"):
        read_run(path)


def test_a_page_cannot_grow_without_bounds_when_it_is_read() -> None:
    bomb = pack({"x": "0" * 5_000_000, "probes": {}, "controls": [], "looks": [], "blocks": []})
    assert len(bomb) < 5000
    with pytest.raises(RunUnreadable, match="too large"):
        unpack(TYPE, bomb, 1_000_000)


def test_hostile_text_stays_text(document: dict[str, Any]) -> None:
    doc = copy.deepcopy(document)
    doc["command"] = ["liebench", EVIL]
    doc["host"]["cpu"]["model"] = EVIL
    for row in doc["probes"].values():
        row["claim"] |= {"says": EVIL, "title": EVIL, "read_from": EVIL}
    page = page_of(doc)
    assert page.count("<script") == 1
    assert "<img" not in page
    assert "onload=alert(3)>" not in page.replace("&gt;", "")
    assert "\u202e" not in page.split('id="liebench-run"')[0]
    assert "U+202E" in page
    found = re.search(r'id="liebench-run">(.*?)</script>', page, re.DOTALL)
    assert found
    assert unpack(TYPE, found[1], 1 << 24)["command"][1] == EVIL


def test_clean_bounds_length_and_names_control_characters() -> None:
    assert clean("a\x00b") == "aU+0000b"
    assert len(clean("x" * 10_000)) == 400


def verdicts(*words: Word, skipped: int = 0, failed: int = 0) -> RunVerdicts:
    probes = {f"p{i}": Verdict(word=w) for i, w in enumerate(words)}
    counts = {w: words.count(w) for w in Word}
    from liebench.judge.controls import Sentinel

    skips = {f"s{i}": ("x", "y") for i in range(skipped)}
    fails = {f"f{i}": "why" for i in range(failed)}
    return RunVerdicts(
        probes=probes,
        skipped=skips,
        failed=fails,
        controls=[],
        counts=counts,
        sentinel=Sentinel(),
        details={},
        leads={},
        rigs=frozenset(),
    )


C, M, H, G, OPEN = Word.COSTLY, Word.HARMLESS, Word.HONEST, Word.HELPFUL, Word.INCONCLUSIVE


def answered(found: RunVerdicts, bills: dict[str, Bill] | None = None) -> Answer:
    return answer(found, list(found.probes), {"p0": "first lie"}, {"p0": "It takes 9 ms."}, bills or {})


@pytest.mark.parametrize(
    ("words", "head", "first", "rest"),
    [
        ((), "Nothing was measured: no probe could run here.", None, ""),
        ((C,), "One lie of 1 is costly on this host.", ("p0", "first lie", "It takes 9 ms."), ""),
        (
            (C, C, M, OPEN),
            "Two lies of 4 are costly on this host.",
            ("p0", "first lie", "It takes 9 ms."),
            "One question is open: too little was seen here to say.",
        ),
        ((OPEN, OPEN), "Nothing could be decided: every verdict is inconclusive.", None, ""),
        ((H,), "Nothing that was measured costs this host dearly.", None, ""),
        (
            (H, OPEN, OPEN),
            "Nothing that was measured costs this host dearly.",
            None,
            "Two questions are open: too little was seen here to say.",
        ),
    ],
)
def test_the_answer_is_true_for_every_combination(
    words: tuple[Word, ...], head: str, first: tuple[str, str, str] | None, rest: str
) -> None:
    found = answered(verdicts(*words))
    assert (found.head, found.first, found.rest) == (head, first, rest)


def test_the_answer_says_where_the_dearest_is_rare() -> None:
    rare = Bill(share=0.0001, says="costly, rare here (0.01 % of a CPU)")
    first = answered(verdicts(C), {"p0": rare}).first
    assert first is not None
    assert first[2] == "It takes 9 ms. This is rare here (0.01 % of a CPU)."


def test_the_answer_names_failures_and_what_could_not_run() -> None:
    assert answered(verdicts(failed=2)).head == "Nothing was measured: 2 failed."
    assert answered(verdicts(H, failed=1, skipped=2)).rest == "One probe failed. Two probes could not run here."


def test_rigs_are_told_apart_and_not_counted() -> None:
    found = replace(verdicts(C, H), rigs=frozenset({"p0"}))
    assert answered(found).head == "Nothing that was measured costs this host dearly."
    only = replace(verdicts(C), rigs=frozenset({"p0"}))
    assert answered(only).head == "Only rigs of ours were measured; they say nothing about this host."


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_every_text_colour_has_aa_contrast_in_both_themes() -> None:
    import liebench.reports

    css = (Path(liebench.reports.__file__).parent / "templates" / "report.css").read_text()
    for theme in re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]:
        colours = dict(re.findall(r"--([\w]+):(#[0-9a-f]{6})", theme))
        base = luminance(colours["bg"])
        assert len(colours) > 10
        for name in colours.keys() - {"bg", "rule", "band"}:
            high, low = sorted((luminance(colours[name]), base), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_every_grade_of_evidence_has_its_mark() -> None:
    assert set(MARKS) == set(Grade)
