"""Numbers to pixels and words: axes, curves, maps, sizes with their units, READMEs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from liebench.contract import Verdict, Word
from liebench.judge.run import judge_run
from liebench.pages.growth import growth, pair_map
from liebench.pages.plot import Axis, dots, ecdf, linear_ticks, log_ticks
from liebench.pages.prose import how
from liebench.words import amount, quantity, short

from tests.helpers.run_documents import arm, case, document, pairs

C = Word.COSTLY


@pytest.mark.parametrize(("low", "high"), [(0.9, 1.6), (0.5, 30), (1, 1e6), (1e-9, 2e-9), (0.97, 1.03), (3, 9)])
def test_log_axes_have_at_least_three_ticks_inside(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 3 <= len(ticks) <= 8
    assert all(low * 0.999999 <= t <= high * 1.000001 for t in ticks)


@pytest.mark.parametrize(("low", "high"), [(-3, 7), (0, 1e-6), (1e6, 1e6 + 3), (-0.015, 0.005)])
def test_linear_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = linear_ticks(low, high)
    assert 3 <= len(ticks) <= 6
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)


def test_pixels() -> None:
    assert Axis(0, 10, 100, 200).at(5) == 150
    assert Axis(0, 10, 100, 200).at(50) == 200
    assert Axis(1, 100, 0, 200, log=True).at(10) == 100


def test_an_ecdf_is_thinned_to_a_vertex_per_pixel_and_ends_at_the_top() -> None:
    path = ecdf([i / 1000 for i in range(100_000)], Axis(0, 100, 0, 300), 10, 110)
    steps = [int(v) for v in re.findall(r"v(-?\d+)", path)]
    assert len(steps) <= 301
    assert 110 + sum(steps) == 10
    assert sum(int(h) for h in re.findall(r"h(\d+)", path)) <= 300


def test_dots_in_the_same_place_are_drawn_once() -> None:
    assert dots([(8, 20), (8.4, 20.2), (16, 16)]) == "m8 20zm8 -4z"
    assert dots([]) == ""


def test_a_law_is_drawn_as_growth_with_its_slope() -> None:
    sizes = {f"n{n}": 10.0 * n for n in (1, 2, 3)}
    arms = [arm("n1", promised=True, number=1), arm("n2", number=2), arm("n3", number=3)]
    doc = document({"c": case(kind="law", linear=True, arms=arms)}, pairs(12, sizes, spread=1e-5))
    found = growth(doc["blocks"], judge_run(doc).details[("p", "c")])
    assert found is not None
    assert [(p.number, p.size, p.against) for p in found.points] == [
        ("1", "10 ns", "1.00 ×"), ("2", "20 ns", "2.00 ×"), ("3", "30 ns", "3.00 ×")
    ]  # fmt: skip
    assert found.slope.startswith("10 ns each")
    assert found.law is not None
    (x1, y1, x2, y2), first, last = found.law, found.points[0], found.points[-1]
    assert [x1, y1, x2, y2] == pytest.approx([first.x, first.y, last.x, last.y], abs=1)


def test_two_arms_with_numbers_are_no_curve() -> None:
    doc = document(
        {"c": case(arms=[arm("a", promised=True, number=1), arm("b", number=2)])}, pairs(12, {"a": 100, "b": 300})
    )
    assert growth(doc["blocks"], judge_run(doc).details[("p", "c")]) is None


def test_pairs_of_processors_make_a_map() -> None:
    sizes = {"0-1": 10.0, "0-2": 60.0, "1-2": 60.0, "x": 3, "0-3": "no", "1-3": float("nan")}
    found = pair_map({"pairs": {"says": "hand-off", "unit": "ns", "of": sizes}})
    assert found is not None
    assert [s[2] for s in found.shades] == ["10 ns … 10 ns (1 pair)", "60 ns … 60 ns (2 pairs)"]
    assert [s[0] for s in found.shades] == [0, 4]
    assert found.shades[0][1].count("M") == 2  # both halves of the square
    assert found.describes.startswith("3 pairs of 3 CPUs; nearest: CPU 0 and 1 10 ns")


@pytest.mark.parametrize("facts", [{}, {"pairs": 3}, {"pairs": {"of": {"0-1": 5.0}}}, {"pairs": {"of": []}}])
def test_no_map_without_three_processors(facts: dict[str, Any]) -> None:
    assert pair_map(facts) is None


def test_a_readme_is_rendered_and_cannot_bring_html_or_links() -> None:
    text = "By `stat`, *fast*. <b>x</b> [a](http://e.org) ![i](http://e.org)"
    html = how(f"# x\n\n## The claim\nno\n\n## How it is measured\n{text}\n\n## Sources\nnone\n", "x")
    assert html.startswith("<p>By <code>stat</code>, <em>fast</em>. &lt;b&gt;x&lt;/b&gt;")
    assert "href" not in html
    assert "src" not in html
    assert how("# x", "x") == ""


def test_a_long_readme_ends_with_a_whole_sentence_and_says_where_the_rest_is() -> None:
    long = " ".join(f"Sentence {i} {'word ' * 40}ends." for i in range(9))
    html = how(f"## How it is measured\n{long}\n", "clock-read")
    assert 400 < len(html) < 700
    assert html.endswith("ends. <code>liebench explain clock-read</code> says the rest.</p>")


@pytest.mark.parametrize(
    ("value", "unit", "says"),
    [(12700, "ns", "12.7 us"), (0.5, "us", "500 ns"), (100, "us", "100 us"), (1e6, "ns", "1 ms"), (999.9, "ms", "1 s"),
     (0, "ns", "0 ns"), (3710, "cycles", "3710 cycles"), (0.25, "", "0.25"), (-63.8, "us", "-63.8 us")],
)  # fmt: skip
def test_quantities_have_the_unit_that_people_read(value: float, unit: str, says: str) -> None:
    assert quantity(value, unit) == says


@pytest.mark.parametrize(
    ("value", "of", "says"),
    [(2.0, "ns", "2.00 × slower"), (0.5, "ns", "2.00 × faster"), (0.99999, "ns", "1.00 ×"), (1.001, "us", "1.00 ×"),
     (4.0, "MiB", "4.00 ×"), (0.5, "MiB", "0.500 ×")],
)  # fmt: skip
def test_only_times_are_slower_or_faster(value: float, of: str, says: str) -> None:
    assert amount(Verdict(word=C, value=value, of=of)) == says


@pytest.mark.parametrize(
    ("value", "says"), [(0.99999, "1.00"), (9.999, "10.0"), (0.0012345, "0.00123"), (123456, "123456"), (None, "–")]
)
def test_three_digits_also_where_rounding_adds_one(value: float | None, says: str) -> None:
    assert short(value) == says
