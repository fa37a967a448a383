"""Read as a workflow's runner reads: nothing is said, and no output set, that was not meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hypothesis import example, given

from liebench.export import github
from liebench.export.safe import cut
from liebench.judge.rows import Table

from tests.helpers import hostile


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Workflow commands on standard output (actions/runner, ActionCommand.TryParseV2): name, properties, message."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if not line.lstrip().startswith("::"):
            assert line == ""
            continue
        head, _, data = line.lstrip()[2:].partition("::")
        name, _, rest = head.partition(" ")
        pairs = dict(p.split("=", 1) for p in rest.split(",") if p.strip())
        for escape, char in (("%3A", ":"), ("%2C", ",")):
            pairs = {k: v.replace(escape, char) for k, v in pairs.items()}
        found.append((name, {k: _plain(v) for k, v in pairs.items()}, _plain(data)))
    return found


def _plain(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def outputs(text: str) -> dict[str, str]:
    """Outputs of a step (actions/runner, FileCommandManager): NAME=VALUE, or NAME<<END, lines, END."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        equals, heredoc = line.find("="), line.find("<<")
        assert heredoc > 0
        assert equals < 0 or heredoc < equals
        name, end = line.split("<<", 1)
        value: list[str] = []
        for more in lines:
            if more == end:
                break
            value.append(more)
        else:
            raise AssertionError(f"the value of {name} has no end")
        found[name] = "\n".join(value)
    return found


def ends() -> Iterator[str]:
    n = 0
    while True:
        n += 1
        yield f"end{n}"


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_only_what_was_meant_is_said(table: Table) -> None:
    lines = github.commands(table)
    found = commands("\n".join(lines))
    assert len(found) == len(lines)
    assert all(name in ("error", "warning", "notice") and set(keys) == {"title"} for name, keys, _ in found)
    titles = {cut(row.name, 120) for row in table.rows} | {cut(name, 120) for name in table.failed}
    assert {keys["title"] for _, keys, _ in found} <= titles | {"not comparable", "liebench"}
    assert hostile.shows_nothing("\n".join(lines))


@hostile.often
@given(hostile.tables())
@example(hostile.WORST)
def test_outputs_are_those_four_whatever_the_texts_hold(table: Table) -> None:
    source = ends()
    text = github.outputs(table, lambda: next(source))
    found = outputs(text)
    assert list(found) == ["verdict", "worst-metric", "limit", "exit"]
    assert hostile.shows_nothing(text)
    assert max(map(len, found.values())) <= 500
    assert found["exit"] == str(table.exit)
    assert found["limit"] == "" or any(float(found["limit"]) == row.limit for row in table.rows)


def test_a_delimiter_that_stands_in_the_value_is_not_used() -> None:
    given = iter(["a", "b", "b2", "c", "d", "e"])
    table = hostile.table(hostile.row("worse", case="liebench_b", why="x"))
    text = github.outputs(table, lambda: next(given))
    assert outputs(text)["worst-metric"] == "clock-read/liebench_b/vdso/level/median"
    assert "worst-metric<<liebench_b2\n" in text


def test_levels_become_kinds() -> None:
    rows = [
        hostile.row("worse"), hostile.row("worse", level="warn"), hostile.row("inconclusive"), hostile.row("better"),
        hostile.row("same"), hostile.row("worse", level="off"),
    ]  # fmt: skip
    kinds = [name for name, _, _ in commands("\n".join(github.commands(hostile.table(*rows))))]
    assert kinds == ["error", "warning", "warning", "notice"]
    run = hostile.table(hostile.row("costly", level=""), hostile.row("honest", level=""), kind="run", failed={"p": "x"})
    assert [name for name, _, _ in commands("\n".join(github.commands(run)))] == ["warning", "warning"]


def test_nine_of_a_kind_and_how_many_more() -> None:
    table = hostile.table(*[hostile.row("worse", case=str(i)) for i in range(30)], exit=4, notes=["no baseline"])
    found = commands("\n".join(github.commands(table)))
    assert len(found) == 10
    assert found[0][1:] == ({"title": "not comparable"}, "no baseline")
    assert found[-1][2] == "and 22 more"


def test_the_outputs_name_the_worst() -> None:
    table = hostile.table(hostile.row("same"), hostile.row("worse", case="far", value=1.5, limit=1.02), exit=1)
    found = outputs(github.outputs(table, lambda: "x"))
    assert found == {
        "verdict": "worse",
        "worst-metric": "clock-read/far/vdso/level/median",
        "limit": "1.02",
        "exit": "1",
    }
    calm = outputs(github.outputs(hostile.table(hostile.row("same")), lambda: "x"))
    assert calm == {"verdict": "same", "worst-metric": "", "limit": "", "exit": "0"}


def test_a_summary_stays_below_one_mebibyte() -> None:
    rows = [hostile.row("worse", case=f"{i}" + "<" * 500, why="<" * 500) for i in range(3000)]
    assert 500_000 < len(github.summary(hostile.table(*rows)).encode()) < 1 << 20
