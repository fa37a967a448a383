"""Small run documents with known answers, as the runner would store them."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from liebench.contract import Case
from liebench.judge.run import look
from liebench.runfile.fields import case_of

Doc = dict[str, Any]


def case(**fields: Any) -> Doc:
    """A stored case: promised arm ``a``, delivered arm ``b``, a ratio at 5 % and 20 % unless said."""
    stored: Doc = {
        "kind": "ratio", "quantity": "ns", "unit": "ns", "better": "lower", "matters": 1.05, "hurts": 1.2,
        "rhythm": "block", "subject": "this host", "headline": True, "work": "read", "bounds": False,
        "quantile": None, "linear": False, "asks": "How much?", "words": {}, "target": None, "skipped": None,
        "arms": [arm("a", promised=True), arm("b")],
    }  # fmt: skip
    return stored | fields


def arm(name: str, *, promised: bool = False, number: float | None = None) -> Doc:
    return {"id": name, "says": name, "promised": promised, "number": number, "args": {}}


def reading(**fields: Any) -> Doc:
    """A stored reading in ppm with limits of 1 and 10."""
    fields = {"quantity": "ppm", "unit": "ppm", "matters": 1.0, "hurts": 10.0, "kind": "reading"} | fields
    return case(**{"arms": [arm("claimed", promised=True), arm("measured")]} | fields)


def built(stored: Doc, name: str = "c") -> Case:
    return case_of(name, stored, f"probes.p.cases.{name}")


def rep(samples: dict[str, list[float]], **more: Any) -> Doc:
    stored: Doc = {"samples": samples, "offsets_ns": [], "alibi": {"cpu_first": 0}, "sentinel": {}, "facts": {}}
    return stored | {"args": {}, "flags": []} | more


def block(n: int, reps: dict[str, Doc], *, name: str = "c", control: str | None = None, **more: Any) -> Doc:
    return {
        "n": n,
        "probe": "p",
        "case": name,
        "control": control,
        "order": list(reps),
        "t_ns": n,
        "reps": reps,
        **more,
    }


def noisy(rng: random.Random, center: float, spread: float = 0.01, samples: int = 20) -> list[float]:
    return [center * rng.lognormvariate(0, spread) for _ in range(samples)]


def pairs(
    count: int, levels: dict[str, float], *, seed: int = 1, start: int = 0, quantity: str = "ns", spread: float = 0.01,
    name: str = "c", control: str | None = None,
) -> list[Doc]:  # fmt: skip
    """Blocks whose repetitions scatter around known levels."""
    rng = random.Random(seed)
    return [
        block(start + i, {k: rep({quantity: noisy(rng, v, spread)}) for k, v in levels.items()},
              name=name, control=control)
        for i in range(count)
    ]  # fmt: skip


def windows(values: list[float], quantity: str = "ppm", claim: float = 0.0, **more: Any) -> list[Doc]:
    """One block per window of a reading."""
    return [
        block(i, {"claimed": rep({quantity: [claim]}), "measured": rep({quantity: [v]})}, **more)
        for i, v in enumerate(values)
    ]


def document(cases: dict[str, Doc], blocks: list[Doc], **more: Any) -> Doc:
    """A run of one probe ``p``; goes through JSON once, as a real one does."""
    probe = {"state": "measured", "cases": cases, "events": None, "facts": {}, "claim": {}, "preview": False}
    doc = {"schema": "liebench.run/1", "probes": {"p": probe}, "controls": [], "blocks": blocks, "looks": []}
    loaded: Doc = json.loads(json.dumps(doc | more))
    return loaded


def controls(null: float = 1.0, plant: float = 1.5, *, expect: float = 1.5, start: int = 1000) -> Doc:
    """``controls`` and their ``blocks``: what the null showed and what the plant showed."""
    entry = {"work": "read", "probe": "p", "case": "c", "arm": "a", "set": {}}
    return {
        "controls": [
            entry | {"id": "null:p/c", "kind": "null", "expect": 1.0, "tolerance": 0.05},
            entry | {"id": "plant:p/c", "kind": "plant", "expect": expect, "tolerance": 0.03},
        ],
        "blocks": [
            *pairs(12, {"promised": 100, "null": 100 * null}, start=start, control="null:p/c", seed=2),
            *pairs(12, {"promised": 100, "plant": 100 * plant}, start=start + 12, control="plant:p/c", seed=3),
        ],
    }


def logged(doc: Doc) -> Doc:
    """The document with the log of one look at its case ``c`` after 12 blocks."""
    doc = copy.deepcopy(doc)
    stored = built(doc["probes"]["p"]["cases"]["c"])
    blocks = [b for b in doc["blocks"] if b["case"] == "c" and b["control"] is None][:12]
    doc["looks"] = [look(stored, blocks, stored.delivered[0].id, stored.promised.id).record()]
    return json.loads(json.dumps(doc))  # type: ignore[no-any-return]
