"""A row per repetition and quantity of run files: the one definition of its columns. Pure.

``liebench.frames`` (pandas) and ``liebench export --what repetitions`` (CSV, Parquet) write these rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean, median
from typing import Any

from liebench.runfile.fields import (
    Json,
    mapping,
    optional_number,
    records,
    refuse,
    section,
    sequence,
    sizes,
    text,
    whole,
)
from liebench.stats.intervals import quantile

Record = dict[str, Any]
COLUMNS: Mapping[str, type] = {
    "run": str,
    "started": str,  # UTC, ISO 8601
    "host": str,  # hashes of the host, of hosts of its kind, and of its configuration
    "kind": str,
    "config": str,
    "core": str,  # build id of liebench-core
    "probe": str,
    "case": str,
    "arm": str,
    "quantity": str,
    "unit": str,  # of the quantity that the case judges; of others the run file holds none
    "control": str,  # the null or planted experiment; none in ordinary blocks
    "side": str,  # of a gate
    "pair": int,
    "block": int,
    "slot": int,  # place in the block's random order, from 0
    "start_ns": int,  # CLOCK_MONOTONIC_RAW of that boot
    "elapsed_ns": int,
    "samples": int,  # their count; the next five are of them, in ``unit``
    "median": float,
    "mean": float,
    "p90": float,
    "min": float,
    "max": float,
    "run_delay_ns": float,
    "chain8_ns": float,
    "chain1_ns": float,
    "flags": str,  # joined by a blank
}
STATISTICS = ("median", "mean", "p90", "min", "max")
OF_BLOCK = ("probe", "case", "control", "side")


def repetitions(docs: Iterable[Json]) -> Iterator[Record]:
    """One record per repetition and quantity, controls included, in the order in which they ran.

    A repetition without samples is a record too. What the run file does not hold is None.
    Raises RunUnreadable naming the place.
    """
    for doc in docs:
        run, probes = _run(doc), section(doc, "probes")
        for i, block in enumerate(records(doc, "blocks")):
            yield from (run | record for record in _block(block, probes, f"blocks[{i}]"))


def _run(doc: Json) -> Record:
    hashes, tool = section(doc, "hashes"), section(doc, "tool")
    found = {"run": doc.get("id"), "started": doc.get("started"), "core": tool.get("core")}
    found |= {key: hashes.get(key) for key in ("host", "kind", "config")}
    return {key: _word(value, key) for key, value in found.items()}


def _block(block: Json, probes: Json, place: str) -> Iterator[Record]:
    found: Record = {key: _word(block.get(key), f"{place}.{key}") for key in OF_BLOCK}
    found |= {"pair": _whole(block.get("pair"), f"{place}.pair"), "block": _whole(block.get("n"), f"{place}.n")}
    case = _case(probes, found["probe"] or "", found["case"] or "")
    order = list(sequence(block.get("order") or [], f"{place}.order"))
    reps = mapping(block.get("reps") or {}, f"{place}.reps")
    slots = {arm: order.index(arm) for arm in reps if arm in order}
    for arm in sorted(reps, key=lambda arm: slots.get(arm, len(order))):
        at = f"{place}.reps.{arm}"
        rep = mapping(reps[arm], at)
        whose = found | {"arm": arm, "slot": slots.get(arm)} | _repetition(rep, at)
        yield from (whose | record for record in _quantities(rep, case, at))


def _case(probes: Json, probe: str, case: str) -> Json:
    """The stored case; empty where the run file declares none."""
    row = mapping(probes.get(probe) or {}, f"probes.{probe}")
    cases = mapping(row.get("cases") or {}, f"probes.{probe}.cases")
    return mapping(cases.get(case) or {}, f"probes.{probe}.cases.{case}")


def _repetition(rep: Json, place: str) -> Record:
    """What is said of a repetition, whatever its quantities."""
    alibi, chains = (mapping(rep.get(key) or {}, f"{place}.{key}") for key in ("alibi", "sentinel"))
    flags = [text(flag, f"{place}.flags") for flag in sequence(rep.get("flags") or [], f"{place}.flags")]
    return {
        "start_ns": _whole(rep.get("start_ns"), f"{place}.start_ns"),
        "elapsed_ns": _whole(rep.get("elapsed_ns"), f"{place}.elapsed_ns") or None,  # 0: a page did not keep it
        "run_delay_ns": optional_number(alibi.get("run_delay_ns"), f"{place}.alibi.run_delay_ns"),
        "chain8_ns": optional_number(chains.get("chain8_ns"), f"{place}.sentinel.chain8_ns"),
        "chain1_ns": optional_number(chains.get("chain1_ns"), f"{place}.sentinel.chain1_ns"),
        "flags": " ".join(flags),
    }


def _quantities(rep: Json, case: Json, place: str) -> Iterator[Record]:
    judged, unit = _word(case.get("quantity"), "quantity"), _word(case.get("unit"), "unit")
    samples = mapping(rep.get("samples") or {}, f"{place}.samples")
    held: Iterable[tuple[str | None, Any]] = samples.items() or [(judged, [])]
    for quantity, values in held:
        at = f"{place}.samples.{quantity}"
        found = {"quantity": quantity, "unit": unit if quantity == judged or case.get("bounds") else None}
        yield found | _summary(sizes(sequence(values or [], at), at))


def _summary(values: list[float]) -> Record:
    if not values:
        return {"samples": 0} | dict.fromkeys(STATISTICS)
    return {
        "samples": len(values),
        "median": median(values),
        "mean": fmean(values),
        "p90": quantile(values, 0.9),
        "min": min(values),
        "max": max(values),
    }


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
