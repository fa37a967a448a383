"""Thousands of damaged, hostile, mixed, repeated and empty files: a clear error that names the place, or an answer.

Never another exception, and nothing is written: the files are held against their bytes afterwards.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liebench.compare.baseline import promote, read_baseline, write_baseline
from liebench.compare.history import lines_of
from liebench.compare.metrics import run_metrics
from liebench.compare.sides import alike, compare, compare_table, open_side
from liebench.errors import LiebenchError
from liebench.gate.noise import culprits_of, noise_of
from liebench.gate.policy import parse_policy
from liebench.gate.stored import fleet_table, history_table, trend_table
from liebench.gate.table import gate_family, gate_table
from liebench.judge.family import Limits
from liebench.runfile.frames import DTYPES, frames
from liebench.runfile.reader import read_run
from liebench.text.table import table_text

from tests.helpers.gate_documents import failed, gate_doc, pair_blocks
from tests.helpers.many_runs import LIE_KEY, run
from tests.helpers.run_documents import arm, block, case, controls, document, reading, rep, windows

Path_ = tuple[Any, ...]
POLICY = parse_policy("[levels]\np = { worse-than = 'harmless' }", "f")
LIMITS = alike(Limits())
HOSTILE: list[object] = [
    None, True, "", "x", "1e999", -1, 0, 0.5, 10**400, 2**63, 1e308, 1e150, -1e-320, 1e-300, math.inf, -math.inf,
    math.nan, [], {}, [[]], {"": None}, [None], "higher", "reading", "law", "fact", "visit", "watch", "candidate",
]  # fmt: skip


def many(examples: int) -> settings:
    return settings(derandomize=True, deadline=None, max_examples=examples, suppress_health_check=list(HealthCheck))


def head(n: int) -> dict[str, Any]:
    return {
        "id": f"r{n}", "started": f"2026-01-01T00:00:{n:02d}Z", "kind": "run", "tool": {"core": "1", "rule": 1},
        "hashes": {"host": "h", "kind": "k", "config": "x"}, "instrument": {"loop_s": 3.0},
        "host": {"cpu": {"model": "m", "online": 2}, "kernel": {"release": "6"}, "lists": [{"a": 1}, 2]},
    }  # fmt: skip


def small_run(n: int) -> dict[str, Any]:
    """One case of each kind, few samples: every leaf of it is somebody's to damage."""
    rng = random.Random(n)
    law = [arm("a", promised=True, number=1.0), arm("b", number=2.0), arm("c", number=3.0)]
    cases = {
        "c": case(), "r": reading(), "q": case(quantile=0.9), "l": case(kind="law", linear=True, arms=law),
        "f": case(kind="fact", quantity="way", words={"kvm": {"word": "honest", "says": "s"}}),
        "v": case(rhythm="visit"),
    }  # fmt: skip
    blocks = [
        block(i, {k: rep({"ns": [100 + rng.random() + 9 * j]}, flags=["PREEMPTED"]) for j, k in enumerate("abc")},
              name=name, visit=i // 2)
        for i in range(7) for name in ("c", "q", "l", "v")
    ]  # fmt: skip
    blocks += windows([rng.gauss(0, 1) for _ in range(7)], name="r")
    blocks += [block(90, {"a": rep({}, facts={"way": "kvm"})}, name="f")]
    doc = document(cases, blocks + controls()["blocks"][:4], controls=controls()["controls"], **head(n))
    for stored in doc["blocks"]:
        for one in stored["reps"].values():
            one["sentinel"] = {"chain1_ns": 0.3, "chain8_ns": 0.05}
            one["samples"] = {k: v[:2] for k, v in one["samples"].items()}
    return doc


def small_gate() -> dict[str, Any]:
    levels = {"a": 100.0, "b": 120.0}
    blocks = pair_blocks(13, levels, levels, samples=2) + controls()["blocks"][:4]
    doc = gate_doc({"c": case(), "d": reading(unit="ns")}, blocks, controls=controls()["controls"])
    doc |= {k: v for k, v in head(0).items() if k not in ("id", "started", "kind")}
    return failed(doc, "q", cases={"d": case()})


RUN, RUNS, GATE = small_run(1), [small_run(n) for n in range(2, 7)], small_gate()
OTHERS = open_side(RUNS)


def leaves(node: Any, path: Path_ = ()) -> list[Path_]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path] * bool(path) + [leaf for k, v in items for leaf in leaves(v, (*path, k))]


def spoiled(doc: dict[str, Any], damage: list[tuple[Path_, object]]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(doc))
    for path, value in damage:
        target: Any = copy
        try:
            for step in path[:-1]:
                target = target[step]
            target[path[-1]] = value
        except (TypeError, KeyError, IndexError):  # an earlier damage took this place away
            continue
    return copy


def damages(doc: dict[str, Any]) -> st.SearchStrategy[list[tuple[Path_, object]]]:
    places = leaves(doc)
    top = [p for p in places if len(p) < 6 or p[0] != "blocks"]  # blocks are many, and alike
    one = st.tuples(st.sampled_from(places) | st.sampled_from(top), st.sampled_from(HOSTILE))
    return st.lists(one, min_size=1, max_size=3)


def answered(work: Callable[[], object]) -> bool:
    """Whether it ended with an answer, or with one of our errors that says something; else it raises."""
    try:
        work()
    except LiebenchError as error:
        return len(str(error)) > 20
    return True


@pytest.mark.slow
@many(1200)
@given(damages(RUN))
def test_damaged_runs(damage: list[tuple[Path_, object]]) -> None:
    doc = spoiled(RUN, damage)

    def all_of_it() -> None:
        ours = open_side([doc])
        compare_table(compare(OTHERS, ours, LIMITS), ours[-1], "t")
        table_text(compare_table(compare(ours, OTHERS[:1], LIMITS), OTHERS[0], "t"))
        lines_of("p", [*OTHERS, *ours], 0.05)
        table_text(fleet_table(OTHERS, ours[0], POLICY))

    assert answered(all_of_it)
    assert answered(lambda: frames([doc]))


@many(800)
@given(damages(GATE))
def test_damaged_gates(damage: list[tuple[Path_, object]]) -> None:
    doc = spoiled(GATE, damage)

    def noise() -> None:
        family = gate_family(doc, POLICY)
        noise_of(family, doc, doc["blocks"], OTHERS)
        culprits_of(family, doc["blocks"])

    def table() -> None:
        found = gate_table(doc, POLICY)
        table_text(found)
        assert found.exit in (0, 1, 3, 4)

    assert answered(table)
    assert answered(noise)
    assert answered(lambda: frames(doc))


BLOCKS = st.lists(st.integers(0, len(RUN["blocks"]) - 1), max_size=60)


@many(100)
@given(BLOCKS, st.permutations(range(len(RUNS))), st.integers(0, 6))
def test_repeated_reordered_and_missing_blocks(chosen: list[int], order: list[int], n: int) -> None:
    """Doubled, shuffled and lost blocks are another run; doubled and shuffled files are the same runs."""
    doc = RUN | {"blocks": [RUN["blocks"][i] for i in chosen]}
    assert answered(lambda: compare(OTHERS, open_side([doc]), LIMITS))
    assert answered(lambda: frames(doc))
    mixed = [RUNS[i] for i in order]
    assert open_side(mixed + mixed[:n]) == open_side(RUNS)


def _baseline(folder: Path) -> dict[str, Any]:
    found = promote(None, "b", open_side(RUNS), *_times(), anchor=False)
    write_baseline(folder / "b.json", found)
    loaded: dict[str, Any] = json.loads((folder / "b.json").read_text())
    return loaded


def _times() -> tuple[Any, Any]:
    from datetime import UTC, datetime, timedelta

    return datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=30)


def test_damaged_baselines(tmp_path: Path) -> None:
    good, rng = _baseline(tmp_path), random.Random(1)
    places, after, file = leaves(good), open_side([RUN])[0], tmp_path / "b.json"
    short = [p for p in places if len(p) < 4]
    for _ in range(500):
        damage = [(rng.choice(rng.choice((places, short))), rng.choice(HOSTILE)) for _ in range(rng.randint(1, 3))]
        raw = json.dumps(spoiled(good, damage)).encode()
        file.write_bytes(raw)
        assert answered(lambda: table_text(history_table(read_baseline(file), after, POLICY))), damage
        assert file.read_bytes() == raw


@pytest.mark.parametrize("source", [RUN, GATE], ids=["run", "gate"])
def test_truncated_and_flipped_files(tmp_path: Path, source: dict[str, Any]) -> None:
    raw, rng, file = json.dumps(source).encode(), random.Random(2), tmp_path / "r.json"
    for i in range(300):
        cut = rng.randrange(len(raw))
        at = rng.randrange(len(raw))
        broken = raw[:cut] if i % 2 else raw[:at] + bytes([rng.randrange(256)]) + raw[at + 1 :]
        file.write_bytes(broken)

        def work() -> None:
            doc = read_run(file)
            frames(doc)
            gate_table(doc, POLICY) if source is GATE else run_metrics(doc)

        assert answered(work), (cut, at)
        assert file.read_bytes() == broken
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize(
    "schema", ["liebench.run/0", "liebench.run/3", "liebench.run/999999", "liebench.gate/1", "", None, 5]
)
def test_other_schemas_are_refused(tmp_path: Path, schema: object) -> None:
    file = tmp_path / "r.json"
    file.write_text(json.dumps(RUN | {"schema": schema}))
    with pytest.raises(LiebenchError, match="schema"):
        read_run(file)


def test_numbers_at_the_edge_of_what_is_allowed() -> None:
    """Sums and squares of the largest that is read stay finite, so no interval is born of an overflow."""
    places = [
        ("blocks", i, "reps", k, "samples", q)
        for i, b in enumerate(RUN["blocks"]) for k, r in b["reps"].items() for q in r["samples"]
    ]  # fmt: skip
    for values in ([1e308, 1e308], [1e150, 1e150], [-1e150, 1e150], [0.0, -0.0], [1e-150, 1e150], [5e-324, 1.0]):
        doc = spoiled(RUN, [(p, values) for p in places])
        assert answered(lambda doc=doc: compare(OTHERS, open_side([doc]), LIMITS))  # type: ignore[misc]
        assert answered(lambda doc=doc: frames(doc))  # type: ignore[misc]
    wide = [run(n, {LIE_KEY: 1e150 * (-1) ** n}) for n in range(40)]
    assert answered(lambda: table_text(compare_table(compare(wide[:9], wide[9:], LIMITS), wide[-1], "t")))
    assert answered(lambda: table_text(trend_table(wide, POLICY)))


def test_deep_facts_are_compared_to_a_depth() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = {"a": deep}
    ours, others = open_side([RUN | {"host": deep}]), OTHERS
    assert compare(others, ours, LIMITS).notes


def test_frames_of_nothing_have_all_columns() -> None:
    assert {k: str(v) for k, v in frames([]).dtypes.items()} == dict(DTYPES)
