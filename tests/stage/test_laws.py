"""Laws: both sides of a block are one repetition's, and cases that ask about the same repetition share it."""

from __future__ import annotations

from liebench.contract import Arm, Case, Kind, Rep, Turn
from liebench.stage.laws import Law


def case(name: str) -> Case:
    arms = (
        Arm(id="formula", says="", promised=True, args={"part": "said"}),
        Arm(id="measured", says="", args={"part": "seen"}),
    )
    return Case(id=name, quantity="us", unit="us", arms=arms, kind=Kind.LAW)


def law(done: list[str]) -> Law:
    def work(turn: Turn) -> Rep:
        done.append(turn.label)
        return Rep(samples={"said": [float(len(done))], "seen": [float(len(done))]})

    return Law(work)


def turns(of: Case) -> list[Turn]:
    return [Turn(a, a.id) for a in of.arms]


def test_both_sides_are_of_one_repetition() -> None:
    done: list[str] = []
    found, one = law(done), case("one")
    for n in (1.0, 2.0):
        reps = found.once(one, turns(one))
        assert {k: r.samples for k, r in reps.items()} == {"formula": {"us": [n]}, "measured": {"us": [n]}}
    assert len(done) == 2


def test_cases_that_share_a_repetition_look_at_it_once_each() -> None:
    done: list[str] = []
    found, one, two = law(done), case("one"), case("two")
    seen = [found.once(c, turns(c), "both")["measured"].samples["us"] for c in (one, two, two, one, one)]
    assert seen == [[1.0], [1.0], [2.0], [2.0], [3.0]]


def test_in_a_control_every_turn_works_for_itself() -> None:
    done: list[str] = []
    found, one = law(done), case("one")
    measured = one.arms[1]
    reps = found.once(one, [Turn(measured, "promised"), Turn(measured, "plant", {"less": 0.5})])
    assert done == ["promised", "plant"]
    assert reps["promised"].samples != reps["plant"].samples
