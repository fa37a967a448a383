"""A trial in words: what was tried, where, what came of it, what to do next. Pure."""

from __future__ import annotations

from liebench.trial.result import TrialResult
from liebench.trial.words import cost, next_step
from liebench.words import wrapped

INDENT = "  "


def trial_text(result: TrialResult, confirmed: bool = False) -> str:
    """Some lines of 80 columns. ``confirmed``: the trial before this one, of the same change, won too."""
    s = result.subject
    lines = wrapped(f"{s.key} {s.now} -> {s.to}: {result.found.value}")
    if result.ratio is not None:
        span = f" ({cost(result.low)} to {cost(result.high)})" if result.low and result.high else ""
        lines += wrapped(f"{result.case} costs {cost(result.ratio)}{span}, {result.pairs} pairs", INDENT)
    lines += wrapped(f"shown by {s.workload}, in the scope {s.scope}", INDENT)
    if result.why:
        lines += wrapped(result.why, INDENT)
    return "\n".join([*lines, *wrapped(next_step(result, confirmed), INDENT)])
