"""Runs as pandas frames, to go on with in a notebook: ``liebench.frames(runs)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from liebench.runfile.reader import read_run
from liebench.runfile.repetitions import COLUMNS, repetitions

NULLABLE = {str: "string", int: "Int64", float: "Float64"}
DTYPES: Mapping[str, str] = {column: NULLABLE[kind] for column, kind in COLUMNS.items()}

Run = Mapping[str, Any] | Path | str


def frames(runs: Iterable[Run] | Run) -> pd.DataFrame:
    """One row per repetition and quantity of every run, in the order in which they were measured.

    ``runs``: run documents or paths of run files (or one of them). Columns are those of ``runfile.repetitions``, which
    ``liebench export --what repetitions`` writes too, with the dtypes ``DTYPES`` whatever the runs hold, also for none.
    What was not stored is missing (``pd.NA``), never zero; flags mark and never delete.

    The unit of replication is the block, not the sample: compare arms within ``(run, probe, case, block)``.
    Raises RunUnreadable naming the file and the place.
    """
    given: Iterable[Run] = [runs] if isinstance(runs, (Mapping, Path, str)) else runs
    docs = (run if isinstance(run, Mapping) else read_run(run) for run in given)
    frame = pd.DataFrame(list(repetitions(docs)), columns=list(COLUMNS))
    return frame.astype(dict(DTYPES))
