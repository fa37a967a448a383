"""Apply, confirm and undo cut off: every step the last one once, the disk full at every step, what a kill leaves."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from liebench.apply import target
from liebench.apply.ledger import FILE, SYSCTLS
from liebench.apply.settle import settle
from liebench.apply.target import Hands
from liebench.apply.transaction import confirm
from liebench.errors import HostDirty, Interrupted, StorageFull

from tests.helpers.applying import IDLE, SWAPPINESS, applied, files, hands, undo_all, value

DROPIN = SYSCTLS[1:]

# Every step once the last one. A step is a line of the ledger, a write to the kernel, or a drop-in.

STEPS = ("append", "poke", "write_atomic")


@contextmanager
def at_step(act: Callable[[int, str, Callable[[], Any]], Any]) -> Iterator[None]:
    """``act(number, name, step)`` is called in place of each step, and may do it or not."""
    count = 0

    def wrap(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal count
            count += 1
            return act(count, name, lambda: step(*args))

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(target, name, wrap(name, getattr(target, name)))
        yield


def killed_at(number: int, after: bool, work: Callable[[], Any]) -> bool:
    """Whether ``work`` in a child came so far that it was killed before, or after, that step."""

    def die(count: int, name: str, step: Callable[[], Any]) -> Any:
        if count == number and not after:
            os._exit(9)
        done = step()
        if count == number:
            os._exit(9)
        return done

    child = os.fork()
    if child == 0:
        try:
            with at_step(die):
                work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


WORKS: dict[str, Callable[[Hands], Any]] = {
    "apply": lambda h: applied(h, "vm.swappiness=10", "net.ipv4.tcp_slow_start_after_idle=0", confirm="never"),
    "apply to confirm": lambda h: applied(h, "vm.swappiness=10", confirm="10m"),
    "confirm": confirm,
    "undo": undo_all,
}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("work", WORKS)
def test_a_kill_at_any_step_leaves_the_old_or_the_new_value(
    tmp_path: Path, work: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liebench.apply.plan.confirm_seconds", lambda text, knobs: 600.0 if text == "10m" else None)
    for number in range(1, 99):
        h = hands(tmp_path / str(number))
        h.at("/etc/sysctl.d/20-mine.conf").write_text("# mine\n")
        if work in ("confirm", "undo"):
            applied(h, "vm.swappiness=10", confirm="10m" if work == "confirm" else None)
        if not killed_at(number, after, lambda h=h: WORKS[work](h)):  # type: ignore[misc]
            assert number > 3
            return
        assert value(h) in ("60", "10")
        said = settle(h)
        state = (value(h), value(h, IDLE), files(h)[:1] == [DROPIN] or DROPIN in files(h), len(h.ledger().open))
        kept, gone = ("10", "1", True, 1), ("60", "1", False, 0)
        waits, both = ("10", "1", False, 1), ("10", "0", True, 2)
        possible = {"apply": (gone, both), "apply to confirm": (gone, waits), "confirm": (waits, kept)}
        assert state in possible.get(work, (kept, gone)), (number, said)
        assert settle(h) == []
        undo_all(h)
        assert (value(h), value(h, IDLE), files(h)) == ("60", "1", ["etc/sysctl.d/20-mine.conf"])
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("work", ["apply", "apply to confirm", "undo", "confirm"])
def test_a_disk_that_fills_up_at_any_step_leaves_the_old_or_the_new_value(
    tmp_path: Path, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("liebench.apply.plan.confirm_seconds", lambda text, knobs: 600.0 if text == "10m" else None)
    for number in range(1, 99):
        h = hands(tmp_path / str(number))
        if work in ("confirm", "undo"):
            applied(h, "vm.swappiness=10", confirm="10m" if work == "confirm" else None)
        seen: list[str] = []

        def full(count: int, name: str, step: Callable[[], Any], at: int = number, seen: list[str] = seen) -> Any:
            if count >= at and name != "poke":
                seen.append("full")
                raise OSError(errno.ENOSPC, "No space left on device")
            return step()

        try:
            with at_step(full):
                WORKS[work](h)
        except (HostDirty, StorageFull) as error:
            assert "No space left" in str(error)  # noqa: PT017
            if work.startswith("apply"):
                assert (value(h), value(h, IDLE), files(h)) in (("60", "1", []), ("60", "1", [DROPIN]))
        if not seen:
            return
        settle(h)  # there is room again
        assert value(h) in ("60", "10")
        assert (value(h) == "10") == bool(h.ledger().open)
        undo_all(h)
        assert (value(h), value(h, IDLE), files(h), h.ledger().open) == ("60", "1", [], ())
    pytest.fail("it never came to its end")


def test_a_torn_last_line_is_no_change(tmp_path: Path) -> None:
    h = hands(tmp_path)
    applied(h, "vm.swappiness=10")
    whole, dropin = (h.state / FILE).read_bytes(), h.at(SYSCTLS).read_bytes()
    for cut in range(len(whole) - 60, len(whole) - 1):
        (h.state / FILE).write_bytes(whole[:cut])
        said = settle(h)
        assert value(h) == "60"  # the apply had not come to its end
        assert any("passed over" in s for s in said)
        assert (h.ledger().open, files(h)) == ((), [])
        h.at(SYSCTLS).write_bytes(dropin)
        h.at(SWAPPINESS).write_text("10")


def test_what_a_kill_left_beside_the_drop_in_is_swept(tmp_path: Path) -> None:
    h = hands(tmp_path)
    h.at("/etc/sysctl.d/.90-liebench.conf.0123456789abcdef").write_text("half")
    h.at("/etc/sysctl.d/.90-liebench.conf.swp").write_text("an editor's")
    settle(h)
    assert files(h) == ["etc/sysctl.d/.90-liebench.conf.swp"]


def test_a_kill_between_the_write_and_the_look_at_what_the_kernel_made_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kernel(path: Path, text: str) -> None:
        path.write_text("40" if text == "10" else text)

    for number, admin in ((2, False), (2, True)):
        h = hands(tmp_path / str(admin))
        monkeypatch.setattr(target, "poke", kernel)
        assert killed_at(number, True, lambda h=h: applied(h, "vm.swappiness=10"))  # type: ignore[misc]
        assert value(h) == "40"
        if admin:
            h.at(SWAPPINESS).write_text("33")
        h.note("undoing", n=1)  # the next start was killed, too
        settle(h)
        assert value(h) == ("33" if admin else "60")
        assert h.ledger().open == ()


def test_control_c_takes_back_and_says_so(tmp_path: Path) -> None:
    h = hands(tmp_path)

    def press(count: int, name: str, step: Callable[[], Any]) -> Any:
        if name == "write_atomic":
            raise KeyboardInterrupt
        return step()

    with pytest.raises(Interrupted, match="nothing of this command"), at_step(press):
        applied(h, "vm.swappiness=10")
    assert (value(h), files(h), h.ledger().open) == ("60", [], ())
