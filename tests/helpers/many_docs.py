"""Documents of several kinds with known answers, for the pages and the command that draws them."""

from __future__ import annotations

from typing import Any

from tests.helpers.gate_documents import gate_doc, pair_blocks
from tests.helpers.run_documents import case, document, pairs

SUBJECT = {"knob": "k", "key": "vm.k", "now": "1", "to": "2", "scope": "host", "workload": "p"}
HEAD = {
    "schema": "liebench.run/1", "kind": "run", "settings": {"seed": 1}, "tool": {"core": "1"}, "looks": [],
    "stopped": "done",
    "host": {"cpu": {"model": "x", "online": 2}, "kernel": {"release": "6"}, "virt": {}},
    "hashes": {"host": "h", "kind": "k", "config": "x"},
}  # fmt: skip


def stored(n: int, ratio: float, host: str = "h", **more: Any) -> dict[str, Any]:
    doc = document({"c": case()}, pairs(12, {"a": 100, "b": 100 * ratio}, seed=n))
    doc["id"], doc["started"] = f"20260101T00{n:04d}Z-{n:08x}", f"2026-01-01T00:{n:02d}:00Z"
    return doc | HEAD | {"hashes": {"host": host, "kind": "k", "config": "x"}} | more


def trial(seed: int, factor: float) -> dict[str, Any]:
    doc = gate_doc({"c": case()}, pair_blocks(24, {"a": 100, "b": 200}, {"a": 100, "b": 200 * factor}, seed=seed))
    policy = {"gate": {"limit": "3 %"}, "levels": {"p/c/a": "warn"}}
    name = {"id": f"20260101T000000Z-{seed:08x}"}
    return HEAD | doc | name | {"kind": "trial", "change": SUBJECT, "policy": policy, "settings": {"seed": seed}}
