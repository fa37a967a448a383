"""A trial in words: what was tried, where, what came of it, what to do next. Pure."""

from __future__ import annotations

from textwrap import wrap

from liebench.trial.result import TrialResult
from liebench.trial.words import cost, next_step

WIDTH = 80


def trial_text(result: TrialResult, confirmed: bool = False) -> str:
    """Some lines of 80 columns. ``confirmed``: the trial before this one, of the same change, won too."""
    s = result.subject
    lines = wrap(f"{s.key} {s.now} -> {s.to}: {result.found.value}", WIDTH)
    if result.ratio is not None:
        span = f" ({cost(result.low)} to {cost(result.high)})" if result.low and result.high else ""
        lines += wrap(f"{result.case} costs {cost(result.ratio)}{span}, {result.pairs} pairs", WIDTH - 2,
                      initial_indent="  ", subsequent_indent="  ")  # fmt: skip
    lines += wrap(f"shown by {s.workload}, in the scope {s.scope}", WIDTH, initial_indent="  ", subsequent_indent="  ")
    if result.why:
        lines += wrap(result.why, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return "\n".join([*lines, *wrap(next_step(result, confirmed), WIDTH, initial_indent="  ", subsequent_indent="  ")])
