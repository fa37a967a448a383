"""What the host uses without liebench, asked before anything loads it (law 12), and what a measurement does to its
counters, noted for whoever reads them afterwards (law 14)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from liebench.facts.reader import Reader
from liebench.facts.usage.live import machine
from liebench.facts.usage.observe import WINDOW_S, counted, gained, observe
from liebench.host import Host
from liebench.look import look
from liebench.runfile.usage import stored
from liebench.state.traces import Traces, own_here

WINDOW = "LIEBENCH_USAGE_S"  # another window than three seconds, for tests that measure often


def usage_before(host: Host, state: Path) -> dict[str, Any]:
    """The host's usage as a run file holds it: the window, and half a second at most."""
    own = own_here(state, host.facts["boot"]["token"])
    window_s = float(os.environ.get(WINDOW) or WINDOW_S)
    return stored(observe(Reader(host.root), machine(), window_s, own.ours(), own.span_s))


@contextmanager
def traced(host: Host, state: Path) -> Iterator[None]:
    """What counters gain inside this block is noted as liebench's own, with its time."""
    reader, outside = Reader(host.root), machine()
    traces = Traces(state, host.facts["boot"]["token"])
    traces.begin()
    before, seen = counted(reader, outside), look.counters(reader)
    yield
    grown = gained(before, counted(reader, outside))
    later = look.counters(reader)
    traces.end(grown | {f"look.{k}": int(n - seen[k]) for k, n in later.items() if k in seen and n > seen[k]})
