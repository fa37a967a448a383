"""Runs as the judging side sees them, by their numbers alone: no samples, so thousands of them take seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from liebench.compare.metrics import LEVEL, LIE, Key, RunMetrics, Value, work_of
from liebench.contract import Case

from tests.helpers.run_documents import built, case

HALF = 0.002  # of each run's own interval, where a test does not say


def key(what: str = LEVEL, *, name: str = "c", arm: str = "a", probe: str = "p") -> Key:
    return Key(probe, name, arm, what)


LIE_KEY = key(LIE, arm="b")


def run(n: int, values: Mapping[Key, float | Value], **more: Any) -> RunMetrics:
    """One run of host ``h`` at minute ``n``; values are logs (of costs, of cost ratios)."""
    cases: dict[tuple[str, str], Case] = {
        k[:2]: built(case(), k.case) for k in values
    }  # fmt: skip
    cases |= more.pop("cases", {})
    head: dict[str, Any] = {
        "id": f"{n:06d}", "started": f"2026-01-01T00:{n:06d}Z", "host": "h", "kind": "k", "config": "x", "core": "1",
        "rule": "1", "facts": {}, "layers": {"p": "cpu"},
    }  # fmt: skip
    found = {k: v if isinstance(v, Value) else Value(v, HALF, 24) for k, v in values.items()}
    works = {k: work_of(c) for k, c in cases.items()}
    return RunMetrics(**head | {"cases": cases, "works": works, "values": found} | more)


def runs(values: Sequence[float], which: Key = LIE_KEY, start: int = 0, **more: Any) -> list[RunMetrics]:
    """A run for each value of one metric."""
    return [run(start + i, {which: v}, **more) for i, v in enumerate(values)]
