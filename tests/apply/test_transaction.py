"""Apply, confirm and undo on a kernel made of files."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from liebench.apply import target
from liebench.apply.ledger import FILE, SYSCTLS, VALUES
from liebench.apply.settle import settle
from liebench.apply.target import Hands
from liebench.apply.transaction import apply, confirm
from liebench.apply.undo import chosen, undo
from liebench.errors import LiebenchError, NeedUnmet, UsageError

from tests.helpers.applying import RMEM, SWAPPINESS, applied, files, hands, undo_all, value, wanted

DROPIN = SYSCTLS[1:]
BIG = "receive-window=33554432"


def lines(h: Hands) -> list[str]:
    return [line for line in h.at(SYSCTLS).read_text().splitlines() if line and not line.startswith("#")]


def test_apply_sets_the_value_and_one_file_and_undo_takes_both_back(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10", BIG, confirm="10m")
    assert value(h) == "10"
    assert value(h, RMEM).split() == ["4096", "131072", "33554432"]
    assert files(h) == []  # it waits
    before = os.umask(0o077)
    assert confirm(h)
    os.umask(before)
    assert lines(h) == ["vm.swappiness = 10", "net.ipv4.tcp_rmem = 4096 131072 33554432"]
    assert oct(h.at(SYSCTLS).stat().st_mode & 0o777) == "0o644"
    said = undo_all(h)
    assert value(h) == "60"
    assert value(h, RMEM).split() == ["4096", "131072", "16777216"]
    assert files(h) == []
    assert len(said) == 2
    assert settle(h) == []


def test_undo_by_number_keeps_the_others(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10")
    before = h.at(SYSCTLS).read_bytes()
    applied(h, "vm.swappiness=20")
    with pytest.raises(UsageError, match="undo that one first"):
        chosen(h.ledger(), "1")
    with pytest.raises(UsageError, match="applied: 1, 2"):
        chosen(h.ledger(), "3")
    undo(h, chosen(h.ledger(), "2"))
    assert value(h) == "10"
    assert h.at(SYSCTLS).read_bytes() == before
    undo(h, chosen(h.ledger(), "last"))
    assert (value(h), files(h)) == ("60", [])


def test_a_folder_that_we_made_goes_too_and_others_stay(tmp_path: Path) -> None:
    h = hands(tmp_path)
    h.at("/etc/sysctl.d").rmdir()
    applied(h, "vm.swappiness=10")
    undo_all(h)
    assert not h.at("/etc/sysctl.d").exists()
    assert h.at("/etc/tmpfiles.d").exists()
    applied(h, "vm.swappiness=10")
    h.at("/etc/sysctl.d/80-mine.conf").write_text("# mine\n")
    undo_all(h)
    assert files(h) == ["etc/sysctl.d/80-mine.conf"]


def test_an_administrators_value_is_left_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10")
    h.at(SWAPPINESS).write_text("33")
    monkeypatch.setattr(target, "poke", lambda *args: pytest.fail("it was not even touched"))
    said = undo_all(h)
    assert "somebody set it" in said[0]
    assert value(h) == "33"
    assert files(h) == []
    assert h.ledger().open == ()


def test_an_administrators_drop_in_is_left_and_nothing_is_applied_over_it(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10")
    edited = h.at(SYSCTLS).read_text() + "vm.dirty_ratio = 5\n"
    h.at(SYSCTLS).write_text(edited)
    with pytest.raises(UsageError, match=r"changed by somebody.*nothing was changed"):
        applied(h, "vm.swappiness=20")
    said = undo_all(h)
    assert "changed by somebody" in said[0]
    assert value(h) == "60"
    assert h.at(SYSCTLS).read_text() == edited
    with pytest.raises(UsageError, match="move its lines"):
        applied(h, "vm.swappiness=20")
    h.at(SYSCTLS).unlink()  # as the message says
    applied(h, "vm.swappiness=20")
    assert value(h) == "20"


def test_a_drop_in_that_was_there_before_us_is_not_ours(tmp_path: Path) -> None:
    h = hands(tmp_path)
    h.at(SYSCTLS).write_text("vm.swappiness = 1\n")
    with pytest.raises(UsageError, match="not in liebench's ledger"):
        applied(h, "vm.swappiness=10")
    h.at(SYSCTLS).unlink()
    h.at(SYSCTLS).symlink_to("/dev/null")
    with pytest.raises(UsageError, match="no regular file"):
        applied(h, "vm.swappiness=10")
    assert value(h) == "60"
    assert h.ledger().changes == ()


def test_a_removed_drop_in_is_respected(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10")
    h.at(SYSCTLS).unlink()
    with pytest.raises(UsageError, match="removed by somebody"):
        applied(h, "vm.swappiness=20")
    undo_all(h)
    assert (value(h), files(h)) == ("60", [])
    applied(h, "vm.swappiness=20")
    assert value(h) == "20"


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (OSError(errno.EINVAL, "Invalid argument"), UsageError, "refuses '10'.*nothing was changed"),
        (PermissionError(errno.EPERM, "Operation not permitted"), NeedUnmet, "as root"),
        (OSError(errno.EROFS, "Read-only file system"), NeedUnmet, "as root"),
    ],
)
def test_what_the_kernel_refuses_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, kind: type[LiebenchError], says: str
) -> None:
    h = hands(tmp_path)

    def refuse(path: Path, text: str) -> None:
        if path.name == "swappiness":
            raise error
        path.write_text(text)

    monkeypatch.setattr(target, "poke", refuse)
    with pytest.raises(kind, match=says):
        applied(h, BIG, "vm.swappiness=10", confirm="10m")
    assert value(h) == "60"
    assert value(h, RMEM).split()[2] == "16777216"  # the other change of the same command
    assert (files(h), h.ledger().open) == ([], ())


def test_what_the_kernel_bends_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h = hands(tmp_path)
    monkeypatch.setattr(target, "poke", lambda path, text: path.write_text("40" if text == "10" else text))
    with pytest.raises(LiebenchError, match="makes '40' of '10'"):
        applied(h, "vm.swappiness=10")
    assert files(h) == []
    assert value(h) == "60"
    assert h.ledger().open == ()


def test_what_the_kernel_zeroes_beside_it_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dirty_bytes does not take 0 back: only dirty_ratio makes it 0 again."""
    h = hands(tmp_path)
    ratio, byte = h.at("proc/sys/vm/dirty_ratio"), h.at("proc/sys/vm/dirty_bytes")
    ratio.write_text("20")
    byte.write_text("0")

    def kernel(path: Path, text: str) -> None:
        if path == byte and text == "0":
            raise OSError(errno.EINVAL, "Invalid argument")
        path.write_text(text)
        {ratio: byte, byte: ratio}.get(path, path.with_name("other")).write_text("0")

    monkeypatch.setattr(target, "poke", kernel)
    applied(h, "vm.dirty_bytes=16777216")
    assert (ratio.read_text(), byte.read_text()) == ("0", "16777216")
    undo_all(h)
    assert (ratio.read_text(), byte.read_text()) == ("20", "0")


def test_nobody_confirms_and_it_is_taken_back(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10", confirm="10m")
    assert settle(h) == []
    assert value(h) == "10"
    later = _At(h.host, h.state, 601.0)
    assert "nobody confirmed it in time" in settle(later)[0]
    assert (value(h), files(h), h.ledger().open) == ("60", [], ())
    assert confirm(h) == []


class _At(Hands):
    """The same hands, so many seconds later."""

    __slots__ = ("later",)
    later: float

    def __init__(self, host: Any, state: Path, later: float) -> None:
        super().__init__(host, state)
        object.__setattr__(self, "later", later)

    def now_s(self) -> float:
        return Hands.now_s(self) + self.later


def rebooted(h: Hands, swappiness: str) -> Hands:
    h.at("proc/sys/kernel/random/boot_id").write_text("boot-2")
    h.at(SWAPPINESS).write_text(swappiness)
    return hands(h.state.parent)


def test_a_reboot_ends_what_was_not_confirmed_and_keeps_what_was(tmp_path: Path) -> None:
    h = hands(tmp_path / "a")
    applied(h, "vm.swappiness=10", confirm="10m")
    h = rebooted(h, "60")
    assert "the reboot has taken it back" in settle(h)[0]
    assert (value(h), files(h), h.ledger().open) == ("60", [], ())

    h = hands(tmp_path / "b")
    applied(h, "vm.swappiness=10")
    h = rebooted(h, "10")  # sysctl.d did it
    assert settle(h) == []
    assert value(h) == "10"
    undo_all(h)
    assert (value(h), files(h)) == ("60", [])


def test_what_is_in_force_after_a_reboot_by_others_is_not_touched(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10", confirm="10m")
    h = rebooted(h, "10")  # the administrator's own file did that
    settle(h)
    assert value(h) == "10"


def test_confirming_what_somebody_changed_keeps_nothing(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10", confirm="10m")
    h.at(SWAPPINESS).write_text("44")
    assert "somebody set it" in confirm(h)[0]
    assert (value(h), files(h), h.ledger().open) == ("44", [], ())


def test_undo_needs_no_catalogue(tmp_path: Path) -> None:
    """An upgrade may have dropped the knob, and an older ledger lacks fields."""
    h = hands(tmp_path)
    applied(h, BIG, confirm="10m")
    confirm(h)
    text = (h.state / FILE).read_text()
    (h.state / FILE).write_text(text.replace("receive-window", "no-longer-known").replace(', "lived": false', ""))
    undo_all(h)
    assert value(h, RMEM).split() == ["4096", "131072", "16777216"]
    assert (files(h), h.ledger().said) == ([], ())


def test_what_cannot_be_opened_for_writing_is_said_beforehand(tmp_path: Path) -> None:
    h = hands(tmp_path)
    changes = wanted(h, "vm.swappiness=10")
    h.at(SWAPPINESS).unlink()
    h.at(SWAPPINESS).mkdir()
    with pytest.raises(NeedUnmet, match="as root"):
        apply(h, changes, lambda s: None)
    assert h.ledger().changes == ()


def test_without_a_watchman_nothing_is_changed(tmp_path: Path) -> None:
    h = hands(tmp_path)

    def fail(seconds: float) -> None:
        assert value(h) == "60"  # it stands ready before anything is written
        raise LiebenchError("cannot be started")

    with pytest.raises(LiebenchError, match="cannot be started"):
        apply(h, wanted(h, "vm.swappiness=10", confirm="10m"), fail)
    assert (value(h), h.ledger().open) == ("60", ())


def test_a_setting_of_sysfs_goes_to_its_own_file(tmp_path: Path) -> None:
    h = hands(tmp_path)
    path = "/sys/module/haltpoll/parameters/guest_halt_poll_ns"
    h.at(path).parent.mkdir(parents=True)
    h.at(path).write_text("200000")
    applied(h, "halt-poll=100000")
    assert h.at(VALUES).read_text().splitlines()[-1] == f"w {path} - - - - 100000"
    undo_all(h)
    assert (value(h, path), files(h)) == ("200000", [])
