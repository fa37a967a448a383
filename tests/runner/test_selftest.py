"""Known answers: every plant is put there and looked for, what may not be put there is skipped with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Case, Kind, Meaning, Rep, Rhythm, Rig, Turn, Word
from liebench.errors import CoreFailed, NeedUnmet, StageRefused
from liebench.judge.rule import VISIT_LOOKS
from liebench.probe import Plant
from liebench.runner.error_rates import rates
from liebench.runner.known_answers import Answer, answers

from tests.helpers import fakes

LIEBENCH = str(Path(sys.executable).parent / "liebench")
READING = fakes.case("rate", kind=Kind.READING, quantity="ppm", unit="ppm", matters=1.0, hurts=50.0)
EVENT = fakes.case(
    "steps",
    kind=Kind.FACT,
    quantity="step_ns",
    rhythm=Rhythm.WATCH,
    arms=fakes.ARMS[:1],
    words={"none": Meaning(Word.HONEST, "none"), "stepped": Meaning(Word.COSTLY, "stepped")},
)


class Layer(fakes.World):
    """A layer that can be told to lie: a rate that is off, a step that happens while a window is open."""

    def __init__(self) -> None:
        super().__init__()
        self.ppm, self.stepped, self.ticks = 0.0, list[float](), 0
        self.lying = 0

    @contextmanager
    def rate(self, stage: object, ppm: float) -> Iterator[None]:
        self.ppm, self.lying = ppm, self.lying + 1
        yield
        self.ppm = 0.0

    @contextmanager
    def step(self, stage: object, ns: float) -> Iterator[None]:
        self.lying += 1
        self.stepped.append(ns)
        yield

    def once(self, c: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        if c.id == "rate":
            return {t.label: Rep(samples={"ppm": [self.ppm + self.rng.gauss(0, 0.001)]}) for t in turns}
        if c.id != "steps":
            return super().once(c, turns)
        self.ticks += 1
        if self.ticks < 5:
            return {}  # the window is still open
        self.ticks, found = 0, self.stepped
        self.stepped = []
        planted = [t.plant["step_ns"] for t in turns if "step_ns" in t.plant]
        value = "stepped" if found or planted else "none"
        return {
            t.label: Rep(
                samples={"step_ns": [*found, *(planted if t.label == "plant" else ())]}, facts={"value": value}
            )
            for t in turns
        }

    def measure(self, stage: object) -> Iterator[Rig]:
        self.ticks, self.stepped = 0, []
        yield from super().measure(stage)


def known(layer: Layer, *plants: Plant, cases: Sequence[Case] = (READING, EVENT)) -> list[Answer]:
    planned, _ = fakes.plan(fakes.probe(layer, fakes.case(), *cases, plants=plants))
    return list(answers(planned[0], None, 1, lambda: None))  # type: ignore[arg-type]


def test_a_lie_put_into_the_layer_is_compared_with_the_same_arm_without_it() -> None:
    layer = Layer()
    plant = Plant(
        id="rate", set={}, case="rate", expect=100.0, tolerance=0.01, put=lambda stage: layer.rate(stage, 100.0)
    )
    (found,) = known(layer, plant)
    assert found.status == "shown"
    assert found.shown is not None
    assert found.shown.value == pytest.approx(100.0, abs=0.01)
    assert layer.lying == VISIT_LOOKS[0]
    assert layer.opened == layer.closed == 2 * VISIT_LOOKS[0]  # a rig of its own for every turn


@pytest.mark.parametrize("really", [90.0, 0.0])
def test_a_lie_of_another_size_is_missed(really: float) -> None:
    layer = Layer()
    plant = Plant(
        id="rate", set={}, case="rate", expect=100.0, tolerance=0.01, put=lambda stage: layer.rate(stage, really)
    )
    assert known(layer, plant)[0].status == "failed"


def test_an_event_is_put_into_an_open_window() -> None:
    layer = Layer()
    real = Plant(
        id="step", set={}, case="steps", expect=5e7, tolerance=1000.0, put=lambda stage: layer.step(stage, 5e7 + 10)
    )
    argued = Plant(id="argument", set={"step_ns": 5e7}, case="steps", expect=5e7, tolerance=1000.0)
    wrong = Plant(id="wrong", set={"step_ns": 6e7}, case="steps", expect=5e7, tolerance=1000.0)
    assert [a.status for a in known(layer, real, argued, wrong)] == ["shown", "shown", "failed"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StageRefused("not allowed"), "skipped"),
        (NeedUnmet("a thing", "get it"), "skipped"),
        (CoreFailed("broke"), "failed"),
    ],
)
def test_what_may_not_be_put_is_skipped_and_what_breaks_has_failed(error: Exception, status: str) -> None:
    def put(stage: object) -> Any:
        raise error

    (found,) = known(Layer(), Plant(id="rate", set={}, case="rate", expect=100.0, tolerance=0.01, put=put))
    assert (found.status, found.why) == (status, str(error))


def test_a_plant_without_its_case_is_skipped() -> None:
    (found,) = known(Layer(), Plant(id="x", set={}, case="no-such-case", expect=1.0, tolerance=0.1))
    assert (found.status, found.why) == ("skipped", "there is no case no-such-case here")


def test_rates_are_taken_of_kernel_arguments_only() -> None:
    layer = Layer()
    share = Plant(id="share", set={"plant_share": 0.5}, case="speed", expect=1.5, tolerance=0.03)
    put = Plant(
        id="rate", set={}, case="rate", expect=100.0, tolerance=0.01, put=lambda stage: layer.rate(stage, 100.0)
    )
    planned, _ = fakes.plan(fakes.probe(layer, fakes.case(), READING, plants=(share, put)))
    found = {r.kind: r for r in rates(planned[0], None, 5, 1)}  # type: ignore[arg-type]
    assert set(found) == {"null", "share"}
    assert (found["null"].hits, found["share"].hits) == (0, 5)
    assert layer.lying == 0


def test_the_controls_of_a_run_may_be_events(tmp_path: Path) -> None:
    from liebench.judge.run import judge_run

    plant = Plant(id="argument", set={"step_ns": 5e7}, case="steps", expect=5e7, tolerance=1000.0, control=True)
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(Layer(), fakes.case(), EVENT, plants=(plant,))))
    session.run()
    found = judge_run(session.writer.document)
    assert {(c.kind, c.status) for c in found.controls} == {("null", "shown"), ("plant", "shown")}
    assert found.probes["probe-0"].cases["steps"].word is Word.HONEST


@pytest.mark.machine
def test_selftest_finds_every_lie_it_may_plant_and_says_why_not_the_others() -> None:
    done = subprocess.run(
        [LIEBENCH, "selftest", "clock-jump", "clock-rate", "--trials", "0", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["schema"] == "liebench.selftest/1"
    status = {p["plant"]: p["status"] for p in said["plants"]}
    assert status["plant_step_ns=50000000"] == status["plant_ppm=100"] == status["plant_ppm=-500"] == "shown"
    assert status["setoffset=+50ms"] == status["adjtimex=+100ppm"] == "skipped"
    assert all("--disturb host" in p["why"] for p in said["plants"] if p["status"] == "skipped")
