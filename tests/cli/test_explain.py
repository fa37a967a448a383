"""What `liebench explain` says of every probe and of every change, on this host."""

from __future__ import annotations

import os

import pytest

from liebench.advice.catalogue import ADVISED, by_hand
from liebench.cli.explain import explained
from liebench.errors import UsageError
from liebench.host import read_host
from liebench.registry import find_probes
from liebench.settings.catalogue import catalogue
from liebench.settings.origin import whence

HEADS = ("now: ", "set by: ", "what can get worse: ", "tried by: ", "worth a try: ", "source: ")


@pytest.mark.parametrize("name", catalogue())
def test_every_setting_says_all_of_it(name: str) -> None:
    knob, rows = catalogue()[name], explained(name).splitlines()
    assert rows[0] == f"{name}: {knob.key} (scope: {knob.scope})"
    assert [next(r for r in rows if r.startswith(h)) for h in HEADS] == [r for r in rows[1:] if r[:11] != "advised by:"]
    assert f"set by: {whence(knob, read_host())}" in rows
    assert any(r.startswith("advised by: liebench run ") for r in rows) == (name in ADVISED)


@pytest.mark.parametrize("name", sorted(by_hand()))
def test_every_change_by_hand_says_how_and_names_a_probe(name: str) -> None:
    text = explained(name)
    assert "made by hand" in text
    assert "{" not in text
    assert by_hand()[name].probe in find_probes().probes
    assert f"liebench run {by_hand()[name].probe};" in text


def test_a_setting_is_found_by_any_of_its_names() -> None:
    assert explained("vm.swappiness") == explained("swappiness") == explained("/proc/sys/vm/swappiness")
    assert "HOME" in explained("env:HOME")
    assert f"now: {os.environ.get('HOME', '(unset)')}" in explained("env:HOME")
    assert explained("mount:/proc").splitlines()[0] == "mount:/proc (scope: namespace)"


def test_a_probe_shows_its_readme() -> None:
    assert explained("clock-read").startswith("# clock-read")


@pytest.mark.parametrize(
    ("name", "near"),
    [("swappines", "did you mean swappiness"), ("clock-raed", "clock-read"), ("vm.swapiness", "vm.swappiness"),
     ("zzzzzz", "liebench list"), ("../../etc/passwd", "no probe and no change"), ("kernel.core_pattern", "no probe")],
)  # fmt: skip
def test_what_is_unknown_is_one_line_with_what_may_be_meant(name: str, near: str) -> None:
    with pytest.raises(UsageError, match=near) as error:
        explained(name)
    assert "\n" not in str(error.value)
