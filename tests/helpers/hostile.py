"""Tables and run documents in which every text is as bad as can be."""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from liebench.contract import Outcome, Word
from liebench.judge.rows import Row, Table

from tests.helpers import run_documents as docs

NASTY = (
    "]]>", "::error::pwned", "::set-output name=x::y", "\n::error::pwned", "|", "a|b|c", "`", "```", "***", "__a__",
    "<script>alert(1)</script>", "</details>", "-->", "<!--", "<img src=x onerror=y>", "@everyone", "#1", "~~~", "1.",
    "https://evil.example/", "www.evil.example", "![x](y)", "[a](b)", "a@b.example", '"', "'", "\\", "\\\\n", "\\|",
    "\r\n", "\n", "\t", "\x00", "\x1b[31m", "\u202e", "\u2066", "\u200b", "\u2028", "\x85", "\ud800", "\udfff",
    "\ufffe", "\uffff", "=1+1", "@SUM(A1)", "+1", "-1", "- x", "%0A", "&#10;", "&lt;", "EOF", "# EOF", '{x="y"}',
    "verdict<<", "Unit ns/op", "key: value", "BenchmarkX 1 2 ns/op", "\u00a0", "\u3000", "é", "名", "🐢",
)  # fmt: skip
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is none
hostile = st.lists(st.one_of(st.text(st.characters(), max_size=8), st.sampled_from(NASTY)), max_size=4).map("".join)
finite = st.floats(allow_nan=False, allow_infinity=False)
sizes = st.floats(-1e150, 1e150)  # what a sample may be
numbers = st.one_of(st.none(), finite)
wild = st.one_of(numbers, st.sampled_from([float("nan"), float("inf"), float("-inf")]))
KNOWN = [*(w.value for w in Word), *(o.value for o in Outcome)]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A table whose texts come from a few hostile ones: every field may hold each, and names may be the same."""
    pool = draw(st.lists(hostile, min_size=2, max_size=5))
    bad = st.sampled_from(pool)

    def mostly(*good: str) -> st.SearchStrategy[str]:
        return st.sampled_from([*good, *good, *pool])

    rows = st.builds(
        Row, probe=bad, case=bad, arm=bad, what=mostly("lie", "level"), word=mostly(*KNOWN), value=wild, low=wild,
        high=wild, unit=mostly("ratio", "ratio"), limit=wild, statistic=mostly("median"), blocks=st.integers(0, 10**6),
        why=bad, level=mostly("", "error", "warn", "off"), before=wild, after=wild, of_unit=bad,
    )  # fmt: skip
    return Table(
        kind=draw(mostly("run", "compare", "gate")),
        title=draw(bad),
        rows=draw(st.lists(rows, max_size=4)),
        host=draw(bad),
        machine=draw(bad),
        started=draw(mostly("2026-01-01T00:00:00Z")),
        seconds=draw(wild),
        exit=draw(st.sampled_from([0, 1, 3, 4, 70])),
        notes=draw(st.lists(bad, max_size=3)),
        skipped=draw(st.dictionaries(bad, st.tuples(bad, bad), max_size=2)),
        failed=draw(st.dictionaries(bad, bad, max_size=2)),
    )


def _worst() -> Table:
    """Every bad text in every field, each at the start of one."""
    texts = (*NASTY, "".join(NASTY))
    rows = [
        Row(
            probe=t,
            case=t,
            arm=t,
            what=t,
            word=t,
            value=1.5,
            low=0.1,
            high=1e300,
            unit=t,
            limit=1e-300,
            statistic=t,
            blocks=7,
            why=t,
            level=t,
            before=None,
            after=-0.0,
            of_unit=t,
        )
        for t in texts
    ]
    pairs = {t: (t, t) for t in texts}
    return Table(
        kind=texts[0],
        title=texts[1],
        rows=rows,
        host=texts[-1],
        machine=texts[2],
        started=texts[-1],
        seconds=1.0,
        exit=0,
        notes=texts,
        skipped=pairs,
        failed={t: t for t in texts},
    )


WORST = _worst()


def row(word: str, **more: Any) -> Row:
    """An ordinary row of a gate: +8 % with its interval, at level error unless said."""
    fields: dict[str, Any] = {
        "probe": "clock-read",
        "case": "read",
        "arm": "vdso",
        "what": "level",
        "value": 1.08,
        "low": 1.06,
    }
    fields |= {"high": 1.11, "limit": 1.03, "blocks": 48, "level": "error", "before": 20.0, "after": 21.6}
    return Row(**(fields | {"word": word, "of_unit": "ns"} | more))


def table(*given: Row, kind: str = "gate", **more: Any) -> Table:
    return Table(**({"kind": kind, "title": "gate of x", "rows": given, "host": "abc", "machine": "m"} | more))


def run(**more: Any) -> dict[str, Any]:
    """A run with one ratio case (delivered 1.5 times as dear), 12 blocks; its head as a real one."""
    head = {
        "id": "20260101T000000Z-00000000", "kind": "run", "started": "2026-01-01T00:00:00Z",
        "finished": "2026-01-01T00:01:00Z", "stopped": "done", "tool": {"version": "0.1.0"},
        "settings": {"profile": "quick"}, "hashes": {"host": "hh", "kind": "kk", "config": "cc"},
        "host": {"cpu": {"model": "CPU", "online": 2}, "kernel": {"release": "6.1"}},
    }  # fmt: skip
    return docs.document({"c": docs.case()}, docs.pairs(12, {"a": 100.0, "b": 150.0}), **(head | more))


def shows_nothing(text: str) -> bool:
    """No control character but the line end, no direction, nothing invisible: what readers are shown."""
    kinds = {unicodedata.category(c) for c in text.replace("\n", "").replace("\r", "")}
    return not kinds & {"Cc", "Cs", "Zl", "Zp"} and not set(text) & set("\u202e\u2066\u200b\u061c\ufeff")
