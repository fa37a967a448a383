"""The ledger replayed, and what drop-ins are made of. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from liebench.apply.dropin import comment, comments, dropin_text, plain, setting_line, sysctl_name
from liebench.apply.ledger import SCHEMA, SYSCTLS, VALUES, Change, found_as, ledger_of, originals, same
from liebench.errors import RunUnreadable, UsageError


def change(number: int = 1, **changes: Any) -> Change:
    values: dict[str, Any] = {
        "number": number, "group": number, "id": "swappiness", "key": "vm.swappiness",
        "path": "/proc/sys/vm/swappiness", "from_": "60", "to": "10", "text": "10", "boot": "b", "since_s": 100.0,
        "confirm_s": None, "time": "2026-01-01T00:00:00Z", "evidence": "proved: it", "risk": "much",
    }  # fmt: skip
    return Change(**(values | changes))


def intent(c: Change, **more: Any) -> dict[str, Any]:
    return {"record": "intent", "schema": SCHEMA, "change": asdict(c), **more}


def settled(*numbers: int) -> dict[str, Any]:
    return {"record": "dropin", "file": SYSCTLS, "old": "h", "new": "h", "holds": list(numbers), "settled": True}


def test_states_follow_the_records() -> None:
    rows = [intent(change()), {"record": "live", "n": 1}, settled(1), intent(change(2)), {"record": "undoing", "n": 2}]
    ledger = ledger_of(rows)
    assert [(c.number, c.state) for c in ledger.open] == [(1, "done"), (2, "undoing")]
    assert ledger.next_number == 3
    assert ledger.kept_once == {1}
    after = ledger_of([*rows, {"record": "undone", "n": 2, "said": "so"}])
    assert [c.number for c in after.open] == [1]
    assert after.changes[1].said == "so"


def test_what_waits_is_in_no_file() -> None:
    rows = [intent(change(confirm_s=600.0)), {"record": "live", "n": 1}]
    ledger = ledger_of(rows)
    assert ledger.open[0].waiting
    assert ledger.kept(SYSCTLS) == []
    assert ledger.open[0].left_s("b", 150.0) == 550.0
    assert ledger.open[0].left_s("another boot", 150.0) == 0.0
    assert ledger_of([*rows, {"record": "confirmed", "n": 1}]).kept(SYSCTLS) != []


def test_of_one_setting_the_newest_is_kept_and_the_oldest_is_the_original() -> None:
    rows = [intent(change()), settled(1), intent(change(2, from_="10", to="20")), settled(2)]
    rows.insert(3, {"record": "live", "n": 2})
    rows.insert(1, {"record": "live", "n": 1})
    ledger = ledger_of(rows)
    assert [c.to for c in ledger.kept(SYSCTLS)] == ["20"]
    assert [c.to for c in ledger.kept(SYSCTLS, without=[2])] == ["10"]
    assert originals(ledger) == {"/proc/sys/vm/swappiness": "60"}


def test_damage_is_passed_over_and_said() -> None:
    rows: list[dict[str, Any]] = [
        {"record": "live", "n": 7},
        {"record": "what"},
        {"record": "intent", "change": {}},
        {},
    ]
    ledger = ledger_of([*rows, intent(change())], ["line 3 is damaged"])
    assert len(ledger.open) == 1
    assert len(ledger.said) == 5


def test_a_newer_ledger_is_refused_and_newer_fields_are_not() -> None:
    with pytest.raises(RunUnreadable, match="upgrade liebench"):
        ledger_of([intent(change(), schema="liebench.applied/2")])
    row = intent(change())
    row["change"]["of_a_newer_liebench"] = 1
    assert ledger_of([row]).open[0].number == 1


@pytest.mark.parametrize(
    ("now", "word"), [("10", "new"), ("60", "old"), ("61", "other"), (None, "gone"), ("", "other"), ("10\n", "new")]
)
def test_what_is_found_has_one_of_four_names(now: str | None, word: str) -> None:
    assert found_as(change(), now) == word


def test_white_space_between_numbers_does_not_count() -> None:
    assert same("4096\t131072\t6291456", "4096 131072 6291456")
    assert not same("", None)
    assert not same("1 2", "12")


@pytest.mark.parametrize(
    "value",
    ["1\nkernel.core_pattern = |/bin/sh", "$(id)", "`id`", "{{ x }}", "%n", "a;b", "a#b", "\u202e1", " 1", "a'b", 'a"b',
     "\\x", "x\0", "*", "[a]", "|/bin/sh", "é"],
)  # fmt: skip
def test_a_value_that_a_file_could_read_otherwise_is_refused(value: str) -> None:
    with pytest.raises(UsageError):
        plain(value, "the value")
    if " ".join(value.split()) == value:
        with pytest.raises(UsageError):
            setting_line(SYSCTLS, change(text=value))


def test_comments_stay_comments() -> None:
    evil = change(evidence="x\nvm.swappiness = 0\r\u2028{{ 1 }} ${f:exec:id} `id` %{x} \x1b[31m" + "y" * 5000)
    lines = comments(evil)
    assert all(len(line) <= 78 and line.isprintable() and line.isascii() for line in lines)
    assert not set("{}$`%\\") & set("".join(lines))
    text = dropin_text(SYSCTLS, [evil])
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == ["vm.swappiness = 10"]
    assert comment("a" * 9000) == "a" * 400


def test_each_file_has_its_own_grammar() -> None:
    assert sysctl_name("/proc/sys/net/ipv4/tcp_rmem") == "net.ipv4.tcp_rmem"
    assert sysctl_name("/proc/sys/net/ipv4/conf/eth0.7/rp_filter") == "net/ipv4/conf/eth0.7/rp_filter"
    page = change(path="/sys/kernel/mm/transparent_hugepage/enabled", text="never")
    assert setting_line(VALUES, page) == "w /sys/kernel/mm/transparent_hugepage/enabled - - - - never"
    with pytest.raises(UsageError, match="space"):
        setting_line(VALUES, change(path="/sys/a b"))
    assert dropin_text(SYSCTLS, []) == ""
    assert "liebench undo 1" in dropin_text(SYSCTLS, [change()])
