"""The constructors of cases: what each fills in, and what it leaves to the caller."""

from __future__ import annotations

from typing import Any

import pytest

from liebench.contract import NOTHING, Arm, Better, Case, Kind, Meaning, Need, Rhythm, Subject, Touches, Word
from liebench.host import Host, read_host
from liebench.registry import find_probes
from liebench.runner.plan import Control

from tests.test_host import HOSTS, NAMES

ONE, TWO = Arm(id="one", says="so", args={"n": 1}), Arm(id="two", says="otherwise", args={"n": 2})
ROOT = Need("root", lambda host: False, "be root")
PLANS = [r for r in find_probes().probes.values() if r.probe.measure is not None]


def test_a_ratio_has_the_defaults_of_a_case_and_its_first_arm_is_promised() -> None:
    made = Case.ratio("x", "Which?", "ns", ONE, TWO)
    promised = Arm(id="one", says="so", args={"n": 1}, promised=True)
    assert made == Case(id="x", asks="Which?", quantity="ns", unit="ns", arms=(promised, TWO))
    assert made.promised == promised
    assert made.delivered == (TWO,)


def test_a_ratio_may_have_several_delivered_arms_and_only_one_promise() -> None:
    already = Arm(id="three", promised=True)
    made = Case.ratio("x", "Which?", "ns", ONE, TWO, already)
    assert [(a.id, a.promised) for a in made.arms] == [("one", True), ("two", False), ("three", False)]


def test_every_field_that_a_constructor_takes_reaches_the_case() -> None:
    made = Case.ratio(
        "x", "Which?", "%", ONE, TWO,
        quantity="share", better=Better.HIGHER, matters=1.1, hurts=3.0, target=0.2, quantile=0.9,
        rhythm=Rhythm.ONCE, subject=Subject.RIG, headline=False, work="chase", needs=(ROOT,),
    )  # fmt: skip
    assert made == Case(
        id="x", asks="Which?", unit="%", arms=made.arms,
        quantity="share", better=Better.HIGHER, matters=1.1, hurts=3.0, target=0.2, quantile=0.9,
        rhythm=Rhythm.ONCE, subject=Subject.RIG, headline=False, work="chase", needs=(ROOT,),
    )  # fmt: skip


def test_the_arguments_of_a_reading_are_those_of_what_is_measured() -> None:
    touches = Touches(bytes_written=1)
    made = Case.reading(
        "x", "How far off?", "ns", "nothing", "what was seen", args={"n": 1}, touches=touches, matters=5, hurts=9,
        quantity="offset", better=Better.TARGET, bounds=True, target=0.5, quantile=0.5, work="rate",
    )  # fmt: skip
    claimed, measured = made.arms
    assert (claimed.id, claimed.says, claimed.promised, dict(claimed.args), claimed.touches) == (
        "claimed", "nothing", True, {}, NOTHING,
    )  # fmt: skip
    assert measured == Arm(id="measured", says="what was seen", args={"n": 1}, touches=touches)
    assert made == Case(
        id="x", asks="How far off?", unit="ns", arms=made.arms, kind=Kind.READING, matters=5, hurts=9,
        quantity="offset", better=Better.TARGET, bounds=True, target=0.5, quantile=0.5, work="rate",
    )  # fmt: skip


@pytest.mark.parametrize("linear", [False, True])
def test_a_law_is_equal_and_a_line_is_linear(linear: bool) -> None:
    make: Any = Case.line if linear else Case.law
    made = make("x", "Does it hold?", "us", ONE, TWO, matters=1.02, hurts=1.1, target=0.01, quantity="t", work="w")
    arms = (Arm(id="one", says="so", args={"n": 1}, promised=True), TWO)
    assert made == Case(
        id="x", asks="Does it hold?", kind=Kind.LAW, linear=linear, unit="us", quantity="t", arms=arms,
        matters=1.02, hurts=1.1, target=0.01, work="w",
    )  # fmt: skip


def test_a_fact_has_one_arm_and_words() -> None:
    words = {"yes": Meaning(Word.HONEST, "it is so")}
    made = Case.fact("x", "Is it so?", "/proc/it", words)
    seen = Arm(id="seen", says="/proc/it", promised=True)
    facts: dict[str, Any] = {"kind": Kind.FACT, "unit": "", "words": words, "asks": "Is it so?"}
    assert made == Case(id="x", quantity="value", arms=(seen,), work="facts", **facts)
    touches = Touches(other=("a group",))
    other = Case.fact(
        "x", "Is it so?", "/proc/it", words, arm="fate", args={"n": 1}, touches=touches, quantity="step", work="fates"
    )
    fate = Arm(id="fate", says="/proc/it", promised=True, args={"n": 1}, touches=touches)
    assert other == Case(id="x", quantity="step", arms=(fate,), work="fates", **facts)


BARE = Arm(id="bare")
MADE = {
    "ratio": (Case.ratio("x", "", "ns", ONE, TWO), "one", 0.05),
    "wide": (Case.ratio("x", "", "ns", ONE, TWO, matters=1.5), "one", 0.2),
    "idle": (Case.ratio("x", "", "ns", BARE, TWO), "two", 0.05),
    "law": (Case.law("x", "", "ns", ONE, TWO, matters=1.01), "one", 0.01),
    "reading": (Case.reading("x", "", "ns", "a", "b", matters=7.0, hurts=9.0), "measured", 7.0),
    "fact": (Case.fact("x", "", "a", {}), "seen", 0.0),
}


@pytest.mark.parametrize("name", MADE)
def test_a_control_runs_the_arm_and_holds_the_band_that_the_contract_states(name: str) -> None:
    case, arm, band = MADE[name]
    null = Control("null:p/x", "null", "p", case)
    assert [t.arm.id for t in null.turns] == [arm, arm]
    assert null.stored()["tolerance"] == pytest.approx(band)
    assert null.stored()["expect"] == (0.0 if case.kind in (Kind.READING, Kind.FACT) else 1.0)


@pytest.mark.parametrize("host", [*(read_host(HOSTS / name) for name in NAMES), read_host()], ids=[*NAMES, "this"])
def test_every_case_of_every_probe_keeps_the_contract(host: Host) -> None:
    for registered in PLANS:
        options = {o.name: o.default for o in registered.probe.options}
        cases = registered.probe.cases(host, options)
        assert len({c.id for c in cases}) == len(cases), registered.id
        for case in cases:
            where = f"{registered.id}/{case.id}"
            assert sum(a.promised for a in case.arms) == 1, where
            assert len({a.id for a in case.arms}) == len(case.arms), where
            assert case.asks.endswith("?"), where
            assert case.matters < case.hurts or case.kind is Kind.FACT, where
            assert bool(case.words) == (case.kind is Kind.FACT), where
            assert not case.linear or all(a.number is not None for a in case.arms), where
            if case.kind is Kind.READING:
                assert [a.id for a in case.arms] == ["claimed", "measured"], where
