"""What a run keeps of settings, and that the host of a run file answers from that alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liebench.facts.mounts import overlays
from liebench.facts.volumes import volumes
from liebench.host import Host, StoredHost, read_host, stored_host
from liebench.settings.catalogue import catalogue, find
from liebench.settings.knob import Knob
from liebench.settings.present import present, readings
from liebench.trial.proofs import config_of

from tests.helpers.applying import machine
from tests.helpers.disk_tree import Tree


def kept(host: Host) -> StoredHost:
    """This host as its run file holds it."""
    facts = replace(host, facts={**host.facts, "settings": readings(host)}).redacted()
    return stored_host(json.loads(json.dumps({"host": facts, "hashes": host.hashes()})))


OWN = [knob for knob in catalogue().values() if not knob.several and knob.pick is None]


@pytest.mark.parametrize("knob", OWN, ids=lambda k: k.id)
def test_a_run_file_says_what_this_host_says(knob: Knob) -> None:
    host = read_host()
    assert present(knob, kept(host)) == present(knob, host) == (knob.read(host) or "")


@pytest.mark.parametrize("words", [None, "quiet  splash", "ro key=secret ip_addr=1.2.3.4", "ro -- --init x"])
def test_the_configuration_is_the_same_from_the_file(tmp_path: Path, words: str | None) -> None:
    if words is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cmdline").write_text(words)
    host = machine(tmp_path)
    stored = kept(host)
    assert stored.hashes() == host.hashes()
    for id in catalogue():
        applied = {"/proc/sys/vm/swappiness": "1"}
        assert config_of(stored, find(id), applied) == config_of(host, find(id), applied)


def test_it_reads_nothing_of_the_machine_it_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = kept(read_host())

    def never(*args: Any, **more: Any) -> Any:
        raise AssertionError(f"it read {args}")

    monkeypatch.setattr("liebench.facts.reader.Reader.text", never)
    monkeypatch.setattr("platform.node", never)
    for knob in catalogue().values():
        present(knob, stored)
        config_of(stored, knob, {})
    assert stored.hashes()["host"]
    assert stored.read("/etc/machine-id") is None
    assert [v.name for v in volumes(stored)] == [row["name"] for row in stored.facts["volumes"]]
    overlays(stored)


def test_where_facts_were_redacted_only_what_they_do_not_touch_is_known() -> None:
    facts = {"kernel": {"cmdline": "key=(redacted)"}}
    stored = StoredHost(facts, taken={"config": "c"})
    assert config_of(stored, find("idle-restart"), {}) == "c"
    assert config_of(stored, find("swappiness"), {}) == ""
    assert config_of(stored, find("idle-restart"), {"/proc/sys/vm/swappiness": "60"}) == ""


@pytest.mark.parametrize(
    "facts", [{}, {"settings": 1, "sysctls": [], "net": None}, {"settings": {"/proc/sys/vm/x": 1}}]
)
def test_an_edited_file_tells_nothing_and_breaks_nothing(facts: dict[str, Any]) -> None:
    stored = StoredHost(facts)
    assert stored.read("/proc/sys/vm/x") is None
    assert stored.hashes() == {"host": "", "kind": "", "config": ""}
    assert {present(knob, stored) for knob in OWN} == {""}


def test_disks_are_named_and_those_of_the_run_stay(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    for name, kib in (("vda", "128"), ("vdb", "4096")):
        tree.mount(tree.disk(name, files={"queue/read_ahead_kb": kib}), f"/{name}")
    host = Host(machine(tmp_path).facts, tmp_path)
    stored = kept(host)
    (tmp_path / "sys/block/vda/queue/read_ahead_kb").write_text("1")
    assert present(find("readahead"), stored) == "vda: 128, vdb: 4096"
    assert [v.read_ahead_kb for v in volumes(stored)] == [128, 4096]
    assert [v.mounts for v in volumes(stored)] == [(), ()]  # names of their owner
    assert present(find("cpu-burst"), stored) == ""
