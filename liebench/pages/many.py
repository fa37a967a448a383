"""The pages of several runs, of gates and of trials, drawn. What stands in them is each page's own module's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from liebench.compare.metrics import RunMetrics
from liebench.judge.row_words import MEANINGS
from liebench.judge.rows import Table
from liebench.pages.frame import draw
from liebench.pages.outcomes import outcomes
from liebench.runfile.fields import Json, host_line
from liebench.words import clean

BEYOND = math.log(1.05)  # the least step of a history, where nothing else is said
RATIOS = (
    "A mark is what the second side costs over the first, with its interval: above 1 is worse. Worse and better are "
    "said of all numbers together at 95 % (Holm), the same of each by itself."
)
GATED = (
    "A mark is the candidate over the baseline, with its interval: above 1 is worse. The policy's limits decide; all "
    "numbers are judged together (Holm), look by look."
)


def comparison_page(table: Table) -> str:
    """Two sides of runs (``compare.sides.compare_table``)."""
    return draw("outcomes.html.j2", page=outcomes(table), kind="Comparison", lede=RATIOS, again=_again(table))


def gate_page(table: Table) -> str:
    """A gate (``gate.table.gate_table``): its answer is what its exit code means."""
    says = MEANINGS.get(table.exit, "")
    page = replace(outcomes(table), head=f"{says[:1].upper()}{says[1:]}.") if says else outcomes(table)
    return draw("outcomes.html.j2", page=page, kind="Gate", lede=GATED, again=_again(table))


def _again(table: Table) -> str:
    code = f"Exit code {table.exit}. " if table.kind == "gate" else ""
    return f"{code}The newest run of this page started {clean(table.started, 30)}."


def history_page(runs: Sequence[RunMetrics], magnitude: float = BEYOND) -> str:
    """Runs of one host through time. ``magnitude``: log of the least step that is a change."""
    from liebench.pages.history import history

    facts = clean(host_line({"host": runs[-1].facts}), 200)
    page = history(runs, facts, magnitude)
    return draw("history.html.j2", page=page, again=f"{len(runs)} runs, the newest {clean(runs[-1].id, 60)}.")


def fleet_page(runs: Sequence[RunMetrics]) -> str:
    """The newest run of each of several hosts. Raises NotComparable where they hold no lie."""
    from liebench.compare.fleet import frame_of, summarise
    from liebench.pages.fleet import fleet

    page = fleet(summarise(frame_of(runs)))
    return draw("fleet.html.j2", page=page, again=f"{len(runs)} runs; hosts are named by their salted hashes.")


def trials_page(docs: Sequence[Json]) -> str:
    """Trials of changes. Raises RunUnreadable where a file is no trial's."""
    from liebench.pages.trials import trials

    page = trials(docs)
    return draw("trials.html.j2", page=page, again="liebench status says what is applied; liebench undo takes it back.")
