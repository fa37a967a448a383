"""A run file gives back what was put into it, whatever that was, and a damaged one is refused by its frame."""

from __future__ import annotations

import json
import random
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liebench.errors import RunUnreadable
from liebench.runfile.binary import document, packed, records
from liebench.runfile.chunks import HEAD, SIGNATURE, TAIL, Kind, framed, frames
from liebench.runfile.column import get_column, get_table, put_column, put_table
from liebench.runfile.ints import Cursor, put_ints
from liebench.runfile.lists import get_lists, put_lists
from liebench.runfile.rounding import rounded

settings.register_profile("fixed", derandomize=True, max_examples=120, deadline=None)
settings.load_profile("fixed")
whole = st.integers(-(2**61), 2**61)
leaf = st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
plain = st.recursive(leaf, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=3), x, max_size=3))


@given(st.lists(whole, max_size=80))
def test_whole_numbers_come_back(values: list[int]) -> None:
    out = bytearray()
    put_ints(out, values)
    cursor = Cursor(bytes(out), "x")
    assert cursor.ints() == values
    assert cursor.at == len(out)


@given(st.lists(plain, max_size=30))
def test_columns_of_any_values_come_back(values: list[Any]) -> None:
    out = bytearray()
    put_column(out, values)
    assert get_column(Cursor(bytes(out), "x")) == values


@given(st.lists(st.dictionaries(st.sampled_from("abc"), plain, max_size=3), max_size=12))
def test_tables_of_any_rows_come_back(rows: list[dict[str, Any]]) -> None:
    out = bytearray()
    put_table(out, rows)
    assert get_table(Cursor(bytes(out), "x")) == rows


lists = st.lists(st.lists(st.floats(-1e9, 1e9) | st.integers(-(2**53), 2**53), max_size=9), max_size=9)


@given(lists)
def test_lists_of_samples_come_back(values: list[list[float]]) -> None:
    rows = []
    for held in values:
        kept, steps = rounded({"q": held}, frozenset(), 0.0)
        rows += [(kept["q"], steps.get("q"))] * 2  # two arms of one call
    out = bytearray()
    put_lists(out, rows)
    found = list(get_lists(Cursor(bytes(out), "x"), [step for _, step in rows]))
    assert found == [values for values, _ in rows]


def run(blocks: int = 40, seed: int = 1) -> dict[str, Any]:
    """A document with everything that a run can hold."""
    dice = random.Random(seed)

    def rep(label: str, n: int) -> dict[str, Any]:
        samples: dict[str, list[float]] = {
            "ns": [dice.gauss(100, 3) for _ in range(20)],
            "raw_ns": sorted(dice.randrange(10**15) for _ in "abc"),
        }
        kept, steps = rounded(samples, frozenset(), 0.0)
        offsets = [500_000 * i for i in range(20)] if label == "a" else []
        alibi = {"majflt": n % 3, "run_delay_ns": dice.randrange(9) * 1000, "throttled_us": None}
        return {
            "samples": kept, "steps": steps, "offsets_ns": offsets,
            "start_ns": 10**12 + n * 10**7, "elapsed_ns": 10**7 + n,
            "alibi": alibi, "sentinel": {"chain1_ns": 1.25 + n / 1000}, "args": {"cpu": 1},
            "facts": {"timer": {"step_ns": 20}, **({"why": f"n{n}"} if n % 7 == 0 else {})},
            "flags": ["PREEMPTED"] if n % 5 == 0 else [],
        }  # fmt: skip

    rows = [
        {"n": n, "probe": "p", "case": "cd"[n % 2], "control": "null:p/c" if n % 9 == 0 else None,
         "order": dice.sample(["a", "b"], 2), "t_ns": 10**12 + n * 10**8, "reps": {x: rep(x, n) for x in "ab"},
         **({"visit": n // 3} if n % 4 == 0 else {})}
        for n in range(blocks)
    ]  # fmt: skip
    case = {"quantity": "ns", "bounds": False, "arms": []}
    return {
        "schema": "liebench.run/2", "id": "x", "host": {"cpu": {"model": "naïve ☃"}},
        "probes": {"p": {"state": "measured", "cases": {"c": case, "d": case}}}, "controls": [{"id": "null:p/c"}],
        "looks": [{"probe": "p", "blocks": 12, "location": {"low": 0.1}}, {"probe": "p", "stop": "decided"}],
        "blocks": rows,
    }  # fmt: skip


def test_a_run_comes_back_whole() -> None:
    doc = run()
    assert document(packed(doc)) == doc
    assert document(packed(run(0))) == run(0)


def test_the_head_is_read_without_what_follows() -> None:
    data = packed(run())
    cut = data[: next(f.at for f in frames(data) if f.kind == Kind.BLOCKS) + HEAD.size]
    found = document(cut, samples=False)
    assert "blocks" not in found
    assert found["looks"] == run()["looks"]
    with pytest.raises(RunUnreadable, match=r"frame 4 at byte \d+ is damaged: it is cut off"):
        document(cut)


def test_every_damaged_byte_is_found() -> None:
    """A checksum stands over every frame: any bit that flips anywhere is refused, and nothing else happens."""
    data = packed(run(6))
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 1 << at % 8
        with pytest.raises(RunUnreadable):
            document(bytes(bad))
    for end in range(len(data)):
        with pytest.raises(RunUnreadable):
            document(data[:end])


def remade(data: bytes, change: Any) -> bytes:
    """The same file with frames that somebody rewrote, checksums and all."""
    return SIGNATURE + b"".join(framed(Kind(f.kind), change(f.kind, bytearray(f.data()))) for f in frames(data))


@pytest.mark.parametrize("seed", range(400))
def test_hostile_frames_end_in_one_clear_error(seed: int) -> None:
    dice = random.Random(seed)
    data = packed(run(6))
    kind = dice.choice(list(Kind)[1:])

    def change(found: int, raw: bytearray) -> bytes:
        if found == kind and raw:
            for _ in range(dice.randint(1, 3)):
                raw[dice.randrange(len(raw))] = dice.randrange(256)
        return bytes(raw)

    try:
        json.dumps(document(remade(data, change)))
    except RunUnreadable as error:
        said = str(error)
    else:
        said = "frame"  # what was changed can be another run
    assert "frame" in said


def test_a_frame_that_says_less_than_it_holds_is_refused() -> None:
    body = zlib.compress(b"\0" * 1_000_000)
    whole = HEAD.pack(Kind.HEAD, 1, len(body), 10) + body
    with pytest.raises(RunUnreadable, match="10 are stated"):
        document(SIGNATURE + whole + TAIL.pack(zlib.crc32(whole)))


def test_a_missing_frame_is_named() -> None:
    data = packed(run(2))
    rest = [f for f in frames(data) if f.kind != Kind.REPS]
    with pytest.raises(RunUnreadable, match="its frame of reps is missing"):
        document(SIGNATURE + b"".join(framed(Kind(f.kind), f.data()) for f in rest))


def test_a_growing_file_is_read_up_to_its_last_whole_record() -> None:
    rows = [{"record": "header", "id": "x"}, *({"record": "block", "n": n} for n in range(5))]
    data = SIGNATURE + b"".join(framed(Kind.RECORD, json.dumps(row).encode()) for row in rows)
    ends = [*[f.at for f in frames(data)][1:], len(data)]
    for cut in range(len(SIGNATURE), len(data) + 1):
        assert [row for _, row in records(data[:cut])] == rows[: sum(end <= cut for end in ends)]


def test_a_file_sent_as_text_says_so() -> None:
    data = packed(run(2)).replace(b"\r\n", b"\n")
    with pytest.raises(RunUnreadable, match="sent as text"):
        document(data)
