"""Runs as pandas frames, for whoever goes on in a notebook: ``liebench.frames(runs)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pandas as pd

from liebench.document import mapping, records, section
from liebench.result import read_run
from liebench.stats import quantile

COLUMNS: Mapping[str, str] = {  # of a repetition, with pandas' dtypes; times in ns
    "run": "string", "started": "string", "host": "string", "kind": "string", "config": "string", "core": "string",
    "probe": "string", "case": "string", "arm": "string", "quantity": "string", "unit": "string", "control": "string",
    "side": "string", "pair": "Int64", "block": "Int64", "slot": "Int64", "start_ns": "Int64", "elapsed_ns": "Int64",
    "samples": "Int64", "median": "Float64", "mean": "Float64", "q90": "Float64", "least": "Float64",
    "largest": "Float64", "run_delay_ns": "Float64", "chain8_ns": "Float64", "chain1_ns": "Float64", "flags": "string",
}  # fmt: skip

Run = Mapping[str, Any] | Path | str


def _numbers(values: Sequence[Any]) -> list[float]:
    return [float(v) for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]


def _sample_columns(values: list[float]) -> dict[str, float | int]:
    if not values:
        return {"samples": 0}
    return {
        "samples": len(values), "median": median(values), "mean": fmean(values), "q90": quantile(values, 0.9),
        "least": min(values), "largest": max(values),
    }  # fmt: skip


def _rows(doc: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    hashes, tool, probes = section(doc, "hashes"), section(doc, "tool"), section(doc, "probes")
    head = {"run": doc.get("id"), "started": doc.get("started"), "core": tool.get("core")}
    head |= {name: hashes.get(name) for name in ("host", "kind", "config")}
    for block in records(doc, "blocks"):
        row = mapping(probes.get(str(block.get("probe"))) or {}, "probes")
        case = mapping(mapping(row.get("cases") or {}, "cases").get(str(block.get("case"))) or {}, "case")
        order = list(block.get("order") or ())
        place = {"probe": block.get("probe"), "case": block.get("case"), "control": block.get("control")}
        place |= {"side": block.get("side"), "pair": block.get("pair"), "block": block.get("n")}
        for label, stored in mapping(block.get("reps"), "reps").items():
            rep = mapping(stored, f"reps.{label}")
            alibi, chains = (mapping(rep.get(k) or {}, k) for k in ("alibi", "sentinel"))
            own = {"arm": label, "unit": case.get("unit"), "slot": order.index(label) if label in order else None}
            own |= {k: rep.get(k) for k in ("start_ns", "elapsed_ns")} | {"flags": " ".join(rep.get("flags") or ())}
            own |= {"run_delay_ns": alibi.get("run_delay_ns")} | {k: chains.get(k) for k in ("chain8_ns", "chain1_ns")}
            for quantity, values in mapping(rep.get("samples") or {}, "samples").items():
                yield head | place | own | {"quantity": quantity} | _sample_columns(_numbers(values))


def frames(runs: Iterable[Run] | Run) -> pd.DataFrame:
    """One row per repetition and quantity of every run, in the order in which they were measured.

    ``runs``: run documents or paths of run files (or one of them). Columns and dtypes are ``COLUMNS`` whatever the
    runs hold, also for none. ``median mean q90 least largest`` are of the repetition's samples in ``unit``;
    ``start_ns`` counts CLOCK_MONOTONIC_RAW of that boot; ``slot`` is the place in the block's random order; ``side``
    and ``pair`` belong to gates; ``control`` names the null or planted experiment a repetition belongs to and is
    missing in ordinary ones. What was not stored is missing (``pd.NA``), never zero; flags mark and never delete.

    The unit of replication is the block, not the sample: compare arms within ``(run, probe, case, block)``.
    Raises RunUnreadable naming the file and the place.
    """
    given: Iterable[Run] = [runs] if isinstance(runs, (Mapping, Path, str)) else runs
    docs = (run if isinstance(run, Mapping) else read_run(run) for run in given)
    rows = [row for doc in docs for row in _rows(doc)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype(dict(COLUMNS))
