"""Six noise models and three recorded traces: the log time per operation of sample after sample of one session.

A sample lasts 50 ms. M1 is quiet; M2 adds an effect of each repetition; M3 drifts (Ornstein-Uhlenbeck, 30 s); M4 has
5 % heavy-tailed outliers; M5 a neighbour on the hidden sibling thread that doubles the time in bursts; M6 a mix of all
as on a cloud.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
STEP_S = 0.05
TRACES = ("add8", "add1", "chase")
FOLDER = Path(__file__).parent.parent / "traces"


@dataclass(frozen=True, kw_only=True)
class Model:
    """Standard deviations are of logs; ``outliers`` is a share; ``sibling`` the factor while the ports are shared."""

    white: float
    repetition: float = 0.0
    session: float = 0.0
    drift: float = 0.0
    outliers: float = 0.0
    sibling: float = 1.0


MODELS = {
    "M1 quiet": Model(white=0.01),
    "M2 process": Model(white=0.01, repetition=0.02, session=0.005),
    "M3 drift": Model(white=0.01, repetition=0.005, session=0.02, drift=0.04),
    "M4 tails": Model(white=0.01, repetition=0.005, session=0.005, outliers=0.05),
    "M5 sibling": Model(white=0.01, repetition=0.005, session=0.005, sibling=2.0),
    "M6 cloud": Model(white=0.02, repetition=0.01, session=0.03, drift=0.03, outliers=0.03, sibling=1.3),
}


def _drift(sessions: int, length: int, spread: float, rng: np.random.Generator) -> Floats:
    keep = np.exp(-STEP_S / 30)
    kicks = rng.standard_normal((length, sessions)) * spread * np.sqrt(1 - keep * keep)
    out = np.empty((length, sessions))
    now = rng.standard_normal(sessions) * spread
    for i in range(length):
        now = keep * now + kicks[i]
        out[i] = now
    return out.T


def _sibling(sessions: int, length: int, factor: float, rng: np.random.Generator) -> Floats:
    """Busy and idle phases of about 20 s, odds per session Beta(2, 2); bursts of 0.4 s on, 0.2 s off in a busy one."""
    odds = rng.beta(2, 2, sessions)
    to_busy = 1 - np.exp(-STEP_S / np.maximum(40 * (1 - odds), 0.5))
    to_idle = 1 - np.exp(-STEP_S / np.maximum(40 * odds, 0.5))
    start, stop = 1 - np.exp(-STEP_S / 0.2), 1 - np.exp(-STEP_S / 0.4)
    busy, on = rng.random(sessions) < odds, rng.random(sessions) < 0.67
    draws = rng.random((length, 2, sessions))
    out = np.empty((length, sessions))
    for i in range(length):
        busy = np.where(busy, draws[i, 0] > to_idle, draws[i, 0] < to_busy)
        on = np.where(on, draws[i, 1] > stop, draws[i, 1] < start)
        out[i] = np.where(busy & on, np.log(factor), 0.0)
    return out.T


def simulate(name: str, sessions: int, repetitions: int, samples: int, rng: np.random.Generator) -> Floats:
    """Log times, shape (sessions, repetitions, samples), in the order they would be taken."""
    model, length = MODELS[name], repetitions * samples
    x = rng.standard_normal((sessions, length)) * model.white
    x += rng.standard_normal((sessions, 1)) * model.session
    if model.drift:
        x += _drift(sessions, length, model.drift, rng)
    if model.sibling != 1:
        x += _sibling(sessions, length, model.sibling, rng)
    if model.outliers:
        size = np.minimum(1 + 0.2 * rng.pareto(1.5, (sessions, length)), 50)
        x += np.where(rng.random((sessions, length)) < model.outliers, np.log(size), 0)
    x = x.reshape(sessions, repetitions, samples)
    return x + rng.standard_normal((sessions, repetitions, 1)) * model.repetition


@cache
def trace(name: str) -> Floats:
    """Log wall time per operation of a recorded trace, 60,000 consecutive samples."""
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt") as file:
        rows: NDArray[Any] = np.loadtxt(file, delimiter=",", usecols=(1, 5))
    return np.asarray(np.log(rows[:, 0] / rows[:, 1]))


def replay(name: str, sessions: int, repetitions: int, samples: int, rng: np.random.Generator) -> Floats:
    """Stretches of a trace from random starts, shape as in ``simulate``."""
    x, length = trace(name), repetitions * samples
    starts = rng.integers(0, len(x) - length, sessions)
    return np.stack([x[s : s + length] for s in starts]).reshape(sessions, repetitions, samples)


SOURCES = (*MODELS, *TRACES)


def noise(name: str, sessions: int, repetitions: int, samples: int, rng: np.random.Generator) -> Floats:
    """A model or a trace by its name."""
    return (replay if name in TRACES else simulate)(name, sessions, repetitions, samples, rng)
