"""Usage in a run file: what was counted comes back equal, and what anybody wrote there is refused by its place."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.errors import RunUnreadable
from liebench.facts.usage.outside import Connection, Link
from liebench.facts.usage.values import Usage
from liebench.runfile.usage import stored, usage_of

from tests.helpers.usage_tree import Proc, tree


@pytest.fixture(scope="module")
def usage(tmp_path_factory: pytest.TempPathFactory) -> Usage:
    host = tree(tmp_path_factory.mktemp("host"))
    host.own()
    host.process(1, Proc(status={"Seccomp": "2"}))
    host.write("/proc/vmstat", "pgfault 100\noom_kill 18446744073709551615\n")
    host.mount(host.disk("vda", files={"queue/rotational": "0"}), "/")
    host.mount("0:60", "/x", "overlay", "overlay")
    return host.usage(
        ours={"vmstat.pgfault": (3, 4), "vmstat.oom_kill": None},
        links=lambda: [Link("br0", 3, "bridge", False, None, None, 30)],
        connections=lambda: [Connection(1, "cubic", 200_000, 900, 1, 2, 3)],
        uptime_s=lambda: 12.5,
    )


@pytest.fixture
def doc(usage: Usage) -> dict[str, Any]:
    return {"usage": json.loads(json.dumps(stored(usage)))}


def test_what_was_counted_comes_back_equal(usage: Usage, doc: dict[str, Any]) -> None:
    found = usage_of(doc)
    assert found == usage
    assert found is not None
    assert (found.rates["vmstat.pgfault"].ours, found.rates["vmstat.oom_kill"].ours) == ((3, 4), None)
    assert (found.disks, found.overlays) == (usage.disks, (0,))
    assert doc["usage"]["sockets"]["elsewhere"] == 0
    assert doc["usage"]["rates"]["irq.TLB"]["boot"] is None


def test_a_run_without_it_has_none() -> None:
    assert usage_of({}) is None
    assert usage_of({"usage": None}) is None


def test_what_is_absent_is_unknown(doc: dict[str, Any], usage: Usage) -> None:
    for key in ("uptime_s", "sockets", "links", "copy_ups", "overlays"):
        del doc["usage"][key]
    del doc["usage"]["seen"]["hidepid"]
    del doc["usage"]["rates"]["vmstat.pgfault"]["source"]
    doc["usage"]["later"] = "a field of a newer minor version"
    found = usage_of(doc)
    assert found is not None
    assert (found.uptime_s, found.sockets, found.links, found.seen.hidepid) == (None, None, None, None)
    assert (found.rates["vmstat.pgfault"].source, found.seen.threads) == ("", usage.seen.threads)


WRONG: list[tuple[tuple[str, ...], object, str]] = [
    (("usage",), [], r"usage should be an object"),
    (("usage", "schema"), 2, r"usage\.schema should be from 1 to 1"),
    (("usage", "schema"), None, r"usage\.schema should be a whole number"),
    (("usage", "window_s"), "3", r"usage\.window_s should be a number"),
    (("usage", "uptime_s"), float("nan"), r"usage\.uptime_s should be a finite number"),
    (("usage", "rates"), None, r"usage\.rates should be an object"),
    (("usage", "rates", "vmstat.pgfault"), 7, r"usage\.rates\.vmstat\.pgfault should be an object"),
    (("usage", "rates", "vmstat.pgfault", "boot"), 1.5, r"vmstat\.pgfault\.boot should be a whole number"),
    (("usage", "rates", "vmstat.pgfault", "boot"), 1 << 70, r"vmstat\.pgfault\.boot .*beyond 64 bits"),
    (("usage", "rates", "vmstat.pgfault", "window"), True, r"vmstat\.pgfault\.window should be a whole number"),
    (("usage", "rates", "vmstat.pgfault", "ours"), [1], r"vmstat\.pgfault\.ours should be a list of 2"),
    (("usage", "rates", "vmstat.pgfault", "ours"), "12", r"vmstat\.pgfault\.ours should be a list"),
    (("usage", "rates", "vmstat.pgfault", "ours"), [1, None], r"ours\[1\] should be a whole number"),
    (("usage", "settings", "ksm.run"), [], r"usage\.settings\.ksm\.run should be a whole number"),
    (("usage", "processes", "filter"), "1", r"usage\.processes\.filter should be a whole number"),
    (("usage", "mounts", "ext4"), None, r"usage\.mounts\.ext4 should be a whole number"),
    (("usage", "seen", "root"), 1, r"usage\.seen\.root should be true or false"),
    (("usage", "seen", "masked"), "abc", r"usage\.seen\.masked should be a list"),
    (("usage", "seen", "masked"), [3], r"usage\.seen\.masked\[0\] should be a text"),
    (("usage", "disks"), [None], r"usage\.disks\[0\] should be an object"),
    (("usage", "links", "ports"), [None], r"usage\.links\.ports\[0\] should be a whole number"),
]


@pytest.mark.parametrize(("place", "value", "says"), WRONG)
def test_hostile_usage_is_refused_by_its_place(
    doc: dict[str, Any], place: tuple[str, ...], value: object, says: str
) -> None:
    at: Any = doc
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    with pytest.raises(RunUnreadable, match=says):
        usage_of(doc)


@pytest.mark.parametrize("key", ["window_s", "seen", "rates", "settings", "limits", "disks"])
def test_what_must_be_there_is_missed_by_name(doc: dict[str, Any], key: str) -> None:
    del doc["usage"][key]
    with pytest.raises(RunUnreadable, match=rf"usage\.{key} should be"):
        usage_of(doc)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=3), part, max_size=3),
    max_leaves=5,
)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(leaf for key, part in parts for leaf in _leaves(part, (*path, key)))]


@settings(deadline=None)
@given(data=st.data(), junk=ANY)
def test_whatever_stands_anywhere_it_is_read_or_refused(usage: Usage, data: st.DataObject, junk: object) -> None:
    doc = {"usage": copy.deepcopy(stored(usage))}
    path = data.draw(st.sampled_from(_leaves(doc)[1:]))
    at: Any = doc
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = junk
    try:
        found = usage_of(doc)
    except RunUnreadable:
        return
    if found is not None:
        for name in found.rates:
            found.per_second(name)  # whatever numbers stand there
        assert isinstance(found.seen.whole, bool)


def test_no_name_address_or_path_of_the_host_is_stored(tmp_path: Path) -> None:
    host = tree(tmp_path)
    secret = "s3cret-name"
    host.own()
    host.process(1, Proc(comm=secret[:15], cgroup=f"0::/{secret}/docker/{secret}"))
    host.mount(host.disk("vda"), f"/{secret}", "fuse." + secret, f"//{secret}/share")
    host.group(f"/{secret}", cpu_max="1 2", cgroup_events="populated 1")
    usage = host.usage(links=lambda: [Link(secret, 1, "veth", False, None, None, 1)])
    assert usage.processes["containers"] == usage.mounts["fuse"] == 1
    assert secret not in json.dumps(stored(usage))
