"""Words that every command shares: lines of 80 columns, and tallies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from liebench.words import WIDTH, tally, wrapped


@given(st.lists(st.text("ab-", min_size=1, max_size=40), max_size=40))
def test_wrapped_text_keeps_every_word_whole_and_no_line_is_too_long(words: list[str]) -> None:
    lines = wrapped(" ".join(words), "  ")
    assert [word for line in lines for word in line.split()] == words
    assert all(line.startswith("  ") and len(line) <= WIDTH for line in lines)


def test_the_first_line_may_stand_elsewhere() -> None:
    first, *others = wrapped("word " * 40, "1 ◆ ", "    ")
    assert first.startswith("1 ◆ word")
    assert others
    assert all(line.startswith("    word") for line in others)
    assert wrapped("word", "  ! ") == ["  ! word"]
    assert wrapped("") == []


def test_a_tally_tells_what_there_is_in_the_given_order() -> None:
    assert tally({"costly": 1, "harmless": 0, "skipped": 2}, "nothing") == "1 costly, 2 skipped"
    assert tally({"costly": 0}, "nothing") == tally({}, "nothing") == "nothing"
