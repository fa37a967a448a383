"""Every kind of page from files that do not change: what the browser tests open, and the pictures beside them show.

``python -m tests.helpers.golden_pages`` draws the pictures anew (``tests/golden/``); look at
them before you commit them.
"""

from __future__ import annotations

import copy
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from liebench.cli.common import judged
from liebench.compare.sides import alike, compare, compare_table, open_side
from liebench.contract import Word
from liebench.gate.table import gate_table, stored_policy
from liebench.judge.family import Limits
from liebench.pages.frame import run_page
from liebench.pages.many import comparison_page, fleet_page, gate_page, history_page, trials_page
from liebench.runfile.reader import read_run

from tests.helpers.browser import Browser, Tab
from tests.helpers.gate_documents import gate_doc, pair_blocks
from tests.helpers.many_docs import HEAD, stored, trial
from tests.helpers.run_documents import case

HERE = Path(__file__).parents[1]
Doc = dict[str, Any]
LOOKS: dict[str, Doc] = {
    "light": {}, "dark": {"dark": True}, "narrow": {"width": 360}, "print": {"media": "print", "width": 720},
}  # fmt: skip


def golden() -> Doc:
    """A real quick run of a cloud guest with two processors, thinned, and without what names a machine."""
    return read_run(HERE / "golden" / "run.json")


def _only(*words: Word) -> Doc:
    """The golden run with those probes only whose verdict is one of these."""
    doc = golden()
    verdicts, _ = judged(doc)
    return _of(doc, [name for name, v in verdicts.probes.items() if v.word in words])


def _of(doc: Doc, names: list[str]) -> Doc:
    rows = {k: v for k, v in doc["probes"].items() if k in names}
    parts = {part: [x for x in doc[part] if x["probe"] in names] for part in ("blocks", "controls")}
    return doc | {"probes": rows, **parts}


def failures() -> Doc:
    doc = _of(golden(), ["clock-read", "swap-cache", "timer-wake"])
    doc = copy.deepcopy(doc)
    doc["probes"]["swap-cache"] |= {"state": "failed", "error": "the control group could not be made: no space left"}
    doc["probes"]["timer-wake"] |= {"state": "skipped", "needs": "a timer", "cure": "sudo modprobe timer"}
    doc["receipt"] = {"difference": ["/proc/sys/vm/swappiness: 60 -> 61"]}
    return doc | {"stopped": "interrupted"}


def page_of(doc: Doc) -> str:
    return run_page(doc, *judged(doc))


def _history() -> str:
    rng = random.Random(1)
    return history_page(open_side([stored(i, rng.lognormvariate(0.7 if i < 25 else 1.0, 0.03)) for i in range(50)]))


def _fleet() -> str:
    rng = random.Random(2)
    docs = [stored(i, rng.lognormvariate(0.1 + (i == 5), 0.02), host=f"{i:016x}") for i in range(20)]
    return fleet_page(open_side(docs))


def _comparison() -> str:
    a, b = (open_side([stored(i + at, ratio) for i in range(5)]) for at, ratio in ((0, 2.0), (10, 2.6)))
    found = compare(a, b, alike(Limits(0.05, 0.01)))
    return comparison_page(compare_table(found, b[-1], "5 runs against 5 runs"))


def _gate() -> str:
    doc = HEAD | gate_doc({"c": case()}, pair_blocks(24, {"a": 100, "b": 200}, {"a": 100, "b": 230}))
    return gate_page(gate_table(doc, stored_policy(doc)))


PAGES: dict[str, Callable[[], str]] = {
    "run": lambda: page_of(golden()),
    "run-calm": lambda: page_of(_only(Word.HARMLESS, Word.HONEST, Word.HELPFUL)),
    "run-open": lambda: page_of(_only(Word.INCONCLUSIVE)),
    "run-one": lambda: page_of(_of(golden(), ["clock-read"])),
    "run-failures": lambda: page_of(failures()),
    "comparison": _comparison,
    "history": _history,
    "fleet": _fleet,
    "trials": lambda: trials_page([trial(1, 0.5), trial(2, 0.52) | {"started": "2026-01-02T00:00:00Z"}, trial(3, 1.0)]),
    "gate": _gate,
}


def draw(folder: Path) -> None:
    """A small picture of every page in every look."""
    with tempfile.TemporaryDirectory() as scratch:
        browser = Browser(Path(scratch) / "profile")
        for name, page in PAGES.items():
            path = Path(scratch) / f"{name}.html"
            path.write_text(page())
            for look, how in LOOKS.items():
                if name.startswith("run-") and look != "light":
                    continue
                tab = Tab(browser, path, scale=0.6, **how)
                (folder / f"{name}-{look}.webp").write_bytes(tab.picture("webp", quality=40))
                tab.close()
        browser.close()


if __name__ == "__main__":
    draw(HERE / "golden")
