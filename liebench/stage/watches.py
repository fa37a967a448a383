"""Watchers: co-processes asked for at most a millisecond between the blocks of others (rhythm ``watch``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

from liebench.contract import Case, Rep, Turn
from liebench.stats.clocks import Ticks

LEAST_TICKS = 4  # a window with fewer has no slope worth the name
FRESH_NS = 3_000_000  # two cases of one probe share an answer this young

Plants = tuple[tuple[str, float], ...]
Reduce = Callable[[Ticks, Case, Turn], Rep]


class Watch(Protocol):
    """One co-process. ``tick`` asks for one reading of every clock."""

    def tick(self) -> Mapping[str, Any]: ...


class _Tape:
    """A watcher and its latest answer."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.at_ns = 0
        self.latest: tuple[Mapping[str, Any], int] | None = None

    def tick(self) -> tuple[Mapping[str, Any], int]:
        before = time.monotonic_ns()
        if self.latest is None or before - self.at_ns > FRESH_NS:
            answer = self.watch.tick()
            self.at_ns = time.monotonic_ns()
            self.latest = answer, self.at_ns - before
        return self.latest


class Watches:
    """The watchers of one probe: one for each planted lie, opened when first asked for, ended together.

    ``start(plant)`` opens a co-process; ``window_s`` is the length of one window (one unit of replication).
    """

    def __init__(self, start: Callable[[Mapping[str, float]], AbstractContextManager[Watch]], window_s: float) -> None:
        self._start, self._window_ns = start, int(window_s * 1e9)
        self._tapes: dict[Plants, _Tape] = {}
        self._open: dict[tuple[str, str, Plants], list[tuple[Mapping[str, Any], int]]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Watches:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def windows(self, case: Case, turns: Sequence[Turn], reduce: Reduce) -> dict[str, Rep]:
        """Take one tick of every turn's watcher; the repetitions of the window that this tick closes, else ``{}``.

        ``reduce(ticks, case, turn)`` turns one window into a repetition; the ticks stay in its samples.
        """
        series = {t.label: self._series(case, t, turns) for t in turns}
        for t in turns:
            series[t.label].append(self._tape(t).tick())
        first = next(iter(series.values()))
        span = int(first[-1][0]["raw_ns"]) - int(first[0][0]["raw_ns"])
        if span < self._window_ns or min(map(len, series.values())) < LEAST_TICKS:
            return {}
        reps = {t.label: reduce(self._close(series[t.label]), case, t) for t in turns}
        return reps

    def _tape(self, turn: Turn) -> _Tape:
        # A null test needs a second watcher: one watcher against itself would agree by construction.
        second: Plants = (("second", 1.0),) if turn.label == "null" else ()
        key: Plants = (*sorted(turn.plant.items()), *second)
        if key not in self._tapes:
            self._tapes[key] = _Tape(self._stack.enter_context(self._start(turn.plant)))
        return self._tapes[key]

    def _series(self, case: Case, turn: Turn, turns: Iterable[Turn]) -> list[tuple[Mapping[str, Any], int]]:
        # A control and the case it controls are scheduled apart, so each keeps windows of its own.
        stream = "+".join(sorted(t.label for t in turns))
        return self._open.setdefault((case.id + "/" + stream, turn.label, tuple(sorted(turn.plant.items()))), [])

    @staticmethod
    def _close(series: list[tuple[Mapping[str, Any], int]]) -> Ticks:
        ticks = Ticks([tick for tick, _ in series], [took for _, took in series])
        del series[:-1]  # the edge belongs to both windows
        return ticks
