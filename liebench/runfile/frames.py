"""Runs as pandas frames, for whoever goes on in a notebook: ``liebench.frames(runs)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pandas as pd

from liebench.runfile.fields import mapping, optional_number, records, refuse, section, sequence, size, text, whole
from liebench.runfile.reader import read_run
from liebench.stats.intervals import quantile

COLUMNS: Mapping[str, str] = {  # of a repetition, with pandas' dtypes; times in ns
    "run": "string", "started": "string", "host": "string", "kind": "string", "config": "string", "core": "string",
    "probe": "string", "case": "string", "arm": "string", "quantity": "string", "unit": "string", "control": "string",
    "side": "string", "pair": "Int64", "block": "Int64", "slot": "Int64", "start_ns": "Int64", "elapsed_ns": "Int64",
    "samples": "Int64", "median": "Float64", "mean": "Float64", "q90": "Float64", "least": "Float64",
    "largest": "Float64", "run_delay_ns": "Float64", "chain8_ns": "Float64", "chain1_ns": "Float64", "flags": "string",
}  # fmt: skip

Run = Mapping[str, Any] | Path | str


def _sample_columns(values: list[float]) -> dict[str, float | int]:
    if not values:
        return {"samples": 0}
    return {
        "samples": len(values), "median": median(values), "mean": fmean(values), "q90": quantile(values, 0.9),
        "least": min(values), "largest": max(values),
    }  # fmt: skip


def _word(value: object, place: str) -> str | None:
    return None if value is None else text(value, place)


def _whole(value: object, place: str) -> int | None:
    """As a column of 64 bits holds it."""
    if value is None:
        return None
    found = whole(value, place)
    if abs(found) >= 1 << 63:
        refuse(place, "a whole number of 64 bits", found)
    return found


def _rep(rep: Mapping[str, Any], label: str, order: Sequence[object], place: str) -> dict[str, Any]:
    """What is said of a repetition, whatever its quantities."""
    alibi, chains = (mapping(rep.get(k) or {}, f"{place}.{k}") for k in ("alibi", "sentinel"))
    flags = [text(f, f"{place}.flags") for f in sequence(rep.get("flags") or [], f"{place}.flags")]
    return {
        "arm": label, "slot": order.index(label) if label in order else None, "flags": " ".join(flags),
        **{k: _whole(rep.get(k), f"{place}.{k}") for k in ("start_ns", "elapsed_ns")},
        "run_delay_ns": optional_number(alibi.get("run_delay_ns"), f"{place}.alibi.run_delay_ns"),
        **{k: optional_number(chains.get(k), f"{place}.sentinel.{k}") for k in ("chain8_ns", "chain1_ns")},
    }  # fmt: skip


def _rows(doc: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    hashes, tool, probes = section(doc, "hashes"), section(doc, "tool"), section(doc, "probes")
    head = {"run": doc.get("id"), "started": doc.get("started"), "core": tool.get("core")}
    head |= {name: hashes.get(name) for name in ("host", "kind", "config")}
    head = {k: _word(v, k) for k, v in head.items()}
    for i, block in enumerate(records(doc, "blocks")):
        at = f"blocks[{i}]"
        words = {k: _word(block.get(k), f"{at}.{k}") for k in ("probe", "case", "control", "side")}
        stand = {"pair": _whole(block.get("pair"), f"{at}.pair"), "block": _whole(block.get("n"), f"{at}.n")}
        row = mapping(probes.get(words["probe"] or "") or {}, f"probes.{words['probe']}")
        cases = mapping(row.get("cases") or {}, f"probes.{words['probe']}.cases")
        case = mapping(cases.get(words["case"] or "") or {}, f"probes.{words['probe']}.cases.{words['case']}")
        order = sequence(block.get("order") or [], f"{at}.order")
        for label, stored in mapping(block.get("reps") or {}, f"{at}.reps").items():
            place = f"{at}.reps.{label}"
            rep = mapping(stored, place)
            own = _rep(rep, label, order, place) | {"unit": _word(case.get("unit"), "unit")}
            for quantity, values in mapping(rep.get("samples") or {}, f"{place}.samples").items():
                found = [size(v, f"{place}.samples.{quantity}") for v in sequence(values or [], f"{place}.samples")]
                yield head | words | stand | own | {"quantity": quantity} | _sample_columns(found)


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
