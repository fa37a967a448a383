"""GitHub's own Markdown makes the table that was meant of it, and nothing else, whatever the texts hold."""

from __future__ import annotations

from html.parser import HTMLParser

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given

from liebench.export import markdown, order
from liebench.export.safe import cut
from liebench.judge.rows import Table, known
from liebench.words import short

from tests.helpers import hostile

LIMIT = 65_536  # characters of a comment
ALLOWED = {
    "h3",
    "code",
    "ul",
    "li",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "sub",
    "p",
    "wbr",
}


class Page(HTMLParser):
    """Elements, comments, and the text of each cell and each piece of code."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.comments: list[str] = []
        self.lines: list[list[str]] = []
        self.bare = ""  # whatever stands outside of code
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs if name != "align"]
        if tag != "wbr":  # it has no end
            self._open.append(tag)
        if tag == "tr":
            self.lines.append([])
        if tag in ("td", "th"):
            self.lines[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        if self._open and {"td", "th"} & set(self._open):
            self.lines[-1][-1] += data
        if "code" not in self._open:
            self.bare += data


def _page(table: Table) -> Page:
    text = markdown.as_markdown(table)
    assert len(text) < LIMIT
    assert hostile.shows_nothing(text)
    return Page(cmarkgfm.github_flavored_markdown_to_html(text, options=Options.CMARK_OPT_UNSAFE))


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_it_is_the_table_that_was_meant_and_nothing_else(table: Table) -> None:
    page = _page(table)
    assert set(page.tags) <= ALLOWED
    assert page.attributes == []
    assert len(page.comments) == 1
    assert "@" not in page.bare
    rows = [line for line in page.lines if line[0] != "metric"]
    assert all(len(line) == 8 for line in page.lines)
    assert len(rows) == len(table.rows)
    loud = [r for r in order.ordered(table.rows) if order.counts(r) and order.rank(r) in (0, 1)]
    rest = [r for r in order.ordered(table.rows) if r not in loud]
    for line, row in zip(rows, [*loud, *rest], strict=True):
        assert line[0].split() == cut(row.name, 100).split()
        unit = cut(row.of_unit, 20) if known(row.before) is not None else ""
        assert line[1].split() == f"{short(row.before)} {unit}".split()
        assert line[6] == str(row.blocks)
        assert line[7].split() == cut(row.why, 200).split()


def test_what_got_worse_comes_first_and_the_rest_is_folded() -> None:
    rows = [hostile.row(word, case=word) for word in ("same", "better", "inconclusive", "worse")]
    rows.append(hostile.row("worse", case="switched", level="off"))
    page = _page(hostile.table(*rows))
    assert [line[0].split("/")[1] for line in page.lines if line[0] != "metric"] == [
        "worse", "inconclusive", "better", "same", "switched"
    ]  # fmt: skip
    text = markdown.as_markdown(hostile.table(*rows))
    above, below = text.split("<details>")
    assert "/worse/" in above.replace("&#47;", "/")
    assert "better" in below
    assert "1 worse, 1 inconclusive, 1 better, 1 same, 1 shown only" in above


def test_numbers_stand_beside_their_interval_and_limit() -> None:
    page = _page(hostile.table(hostile.row("worse"), hostile.row("inconclusive", value=None, limit=None, before=None)))
    assert page.lines[1][1:7] == ["20.0 ns", "21.6 ns", "1.080 × [1.060 … 1.110]", "◆ worse, error", "+3.00 %", "48"]
    assert page.lines[2][1:7] == ["–", "21.6 ns", "–", "○ inconclusive, error", "–", "48"]


@pytest.mark.parametrize("text", ["x" * 5000, "<" * 5000, "名" * 5000, "\u202e" * 5000])
def test_it_stays_below_the_limit_and_says_what_is_left_out(text: str) -> None:
    rows = [hostile.row(word, case=f"{i}{text}", why=text) for i in range(400) for word in ("worse", "same")]
    table = hostile.table(*rows, notes=[text] * 50, skipped={f"{i}{text}": (text, text) for i in range(300)})
    made = markdown.as_markdown(table)
    assert len(made.encode()) < markdown.MOST_BYTES < LIMIT
    assert "left out here for their length" in made
    assert made.startswith("<!-- liebench:gate -->\n")
    assert made.rstrip().endswith("</sub>")
    page = _page(table)
    assert set(page.tags) <= ALLOWED


def test_the_marker_cannot_be_forged() -> None:
    assert markdown.marker(hostile.table(kind="--> <script>")) == "<!-- liebench:table -->"
