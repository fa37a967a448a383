"""The engine: order, rhythms, looks, budget, controls, failures. No machine is measured here."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from liebench.contract import Case, Kind, Need, Rep, Rig, Touches, Turn, Word
from liebench.errors import CoreFailed, NeedUnmet
from liebench.gate.verify import differences
from liebench.judge.rule import LOOKS
from liebench.judge.run import judge_run
from liebench.probe import Plant
from liebench.runner.session import Session

from tests.helpers import fakes


def blocks_of(session: Session, case: str | None = None, control: str | None = None) -> list[dict[str, Any]]:
    blocks = session.writer.document["blocks"]
    return [b for b in blocks if (case is None or b["case"] == case) and b["control"] == control]


def test_a_clear_lie_is_decided_at_the_first_look(tmp_path: Path) -> None:
    world = fakes.World(1.5)
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(world)))
    assert session.run() == "done"
    assert len(blocks_of(session)) == LOOKS[0]
    verdict = judge_run(session.writer.document).probes["probe-0"]
    assert verdict.word is Word.COSTLY
    assert verdict.value == pytest.approx(1.5, rel=0.02)
    assert differences(session.writer.document) == []


@pytest.mark.parametrize(("factor", "word"), [(1.0, "honest"), (0.8, "helpful"), (1.12, "harmless"), (1.5, "costly")])
def test_every_word_can_be_reached(tmp_path: Path, factor: float, word: str) -> None:
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(factor))))
    session.run()
    assert judge_run(session.writer.document).probes["probe-0"].word == word


def test_noise_that_hides_everything_ends_inconclusive_after_the_last_look(tmp_path: Path) -> None:
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.0, noise=2.0))))
    session.run()
    assert len(blocks_of(session)) == LOOKS[-1]
    assert judge_run(session.writer.document).probes["probe-0"].word is Word.INCONCLUSIVE


def test_the_coin_is_thrown_in_every_block_and_stored(tmp_path: Path) -> None:
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.0, noise=2.0))))
    session.run()
    orders = collections.Counter(tuple(b["order"]) for b in blocks_of(session))
    assert len(orders) == 2
    assert min(orders.values()) > 25  # of 96: five standard deviations from a half
    pairs = {
        (tuple(a["order"]), tuple(b["order"])) for a, b in zip(blocks_of(session), blocks_of(session)[1:], strict=False)
    }
    assert len(pairs) == 4  # no fixed alternation


def test_the_same_seed_gives_the_same_order(tmp_path: Path) -> None:
    seen = []
    for name in ("one", "two"):
        planned, settings = fakes.plan(fakes.probe(fakes.World(), fakes.case("a"), fakes.case("b")))
        session = fakes.session(tmp_path / name, planned, settings)
        session.run()
        seen.append([(b["case"], b["order"]) for b in blocks_of(session)])
    assert seen[0] == seen[1]


def test_orders_of_a_stored_seed_can_be_made_again(tmp_path: Path) -> None:
    """As measured with seed 3 by earlier versions: which case came first, and which arm within it."""
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(), fakes.case("a"), fakes.case("b"))))
    session.run()
    assert [(b["case"], b["order"][0]) for b in blocks_of(session)[:6]] == [
        ("b", "delivered"), ("a", "promised"), ("a", "delivered"), ("b", "delivered"), ("a", "promised"),
        ("b", "delivered"),
    ]  # fmt: skip


def test_cases_take_turns_instead_of_running_to_their_end(tmp_path: Path) -> None:
    world = fakes.World(1.0, noise=0.5)
    session = fakes.session(
        tmp_path, *fakes.plan(fakes.probe(world, fakes.case("a"), fakes.case("b"), fakes.case("c")))
    )
    session.run()
    names = [b["case"] for b in blocks_of(session)][:36]
    assert all(set(names[i : i + 3]) == {"a", "b", "c"} for i in range(0, 36, 3))
    assert len({tuple(names[i : i + 3]) for i in range(0, 36, 3)}) > 1


def test_the_budget_ends_a_run_and_the_log_says_so(tmp_path: Path) -> None:
    planned, settings = fakes.plan(fakes.probe(fakes.World(1.0, noise=2.0)), budget=1e-9)
    session = fakes.session(tmp_path, planned, settings)
    assert session.run() == "budget"
    assert session.writer.document["blocks"] == []


def test_stopping_between_blocks_keeps_what_was_measured(tmp_path: Path) -> None:
    world = fakes.World(1.0, noise=2.0)
    planned, settings = fakes.plan(fakes.probe(world))
    session = fakes.session(
        tmp_path, planned, settings, stopping=lambda: "interrupted" if len(world.asked) >= 5 else None
    )
    assert session.run() == "interrupted"
    assert len(blocks_of(session)) == 5
    assert session.writer.document["looks"][-1]["stop"] == "interrupted"
    assert world.closed == world.opened == 1
    assert differences(session.writer.document) == []


def test_controls_are_in_the_stream_and_found(tmp_path: Path) -> None:
    plant = Plant(id="half", set={"plant_share": 0.5}, case="speed", expect=1.5, tolerance=0.03, control=True)
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.1), plants=[plant])))
    session.run()
    found = judge_run(session.writer.document)
    assert {(c.kind, c.status) for c in found.controls} == {("null", "shown"), ("plant", "shown")}
    assert blocks_of(session, control="null:probe-0/speed")


def test_a_plant_of_another_size_fails_and_lowers_the_verdicts_of_its_class(tmp_path: Path) -> None:
    wrong = Plant(id="half", set={"plant_share": 0.5}, case="speed", expect=1.3, tolerance=0.03, control=True)
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(1.5), plants=[wrong])))
    session.run()
    found = judge_run(session.writer.document)
    assert [c.status for c in found.controls if c.kind == "plant"] == ["failed"]
    assert found.probes["probe-0"].word is Word.INCONCLUSIVE
    assert "control failed" in found.probes["probe-0"].why


def test_one_failing_probe_does_not_stop_the_others(tmp_path: Path) -> None:
    good, bad = fakes.World(1.5), fakes.World(1.5)

    def broken(c: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
        raise CoreFailed("the core fell over")

    bad.once = broken  # type: ignore[method-assign]
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(bad), fakes.probe(good)))
    assert session.run() == "done"
    found = judge_run(session.writer.document)
    assert found.failed == {"probe-0": "the core fell over"}
    assert found.probes["probe-1"].word is Word.COSTLY
    assert bad.closed == 1


def test_an_unmet_need_is_data_with_its_cure(tmp_path: Path) -> None:
    need = Need("a second moon", lambda host: False, "launch one")
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(fakes.World(), needs=(need,))))
    session.run()
    assert judge_run(session.writer.document).skipped == {"probe-0": ("a second moon", "launch one")}


def test_a_need_that_only_the_set_up_finds_is_a_skip_too(tmp_path: Path) -> None:
    class Bare(fakes.World):
        def measure(self, stage: object) -> Iterator[Rig]:
            raise NeedUnmet("mounts of its own", "run as root")
            yield

    planned, settings = fakes.plan(fakes.probe(Bare()), fakes.probe(fakes.World(1.5)))
    session = fakes.session(tmp_path, planned, settings)
    assert session.run() == "done"
    row = session.writer.document["probes"]["probe-0"]
    assert (row["state"], row["needs"], row["cure"]) == ("skipped", "mounts of its own", "run as root")
    assert session.writer.document["probes"]["probe-1"]["state"] == "measured"


def test_without_consent_the_rest_of_a_probe_is_judged(tmp_path: Path) -> None:
    from liebench.contract import Arm, Disturbs

    touches = Touches(keys=("/proc/sys/x",), disturbs=Disturbs.HOST)
    loud = fakes.case("loud", arms=(Arm(id="promised", promised=True), Arm(id="delivered", touches=touches)))
    planned, settings = fakes.plan(fakes.probe(fakes.World(1.5), fakes.case("soft"), loud))
    session = fakes.session(tmp_path, planned, settings)
    session.run()
    assert {b["case"] for b in blocks_of(session)} == {"soft"}
    row = session.writer.document["probes"]["probe-0"]
    assert row["left_out"]["loud"]["cure"] == "liebench run --disturb host"


def test_quick_measures_headline_cases_only(tmp_path: Path) -> None:
    world = fakes.World(1.5)
    cases = (fakes.case("main"), fakes.case("aside", headline=False))
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(world, *cases), profile="quick"))
    session.run()
    assert {name for name, _ in world.asked} == {"main"}


def test_rhythm_visit_sets_its_rig_up_again_for_each_visit(tmp_path: Path) -> None:
    world = fakes.World(1.5)
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(world, fakes.case(rhythm=fakes.VISIT))))
    session.run()
    visits = {b["visit"] for b in blocks_of(session)}
    assert len(visits) >= 8
    assert world.opened == world.closed == len(visits)
    assert judge_run(session.writer.document).probes["probe-0"].word is Word.COSTLY
    assert differences(session.writer.document) == []


def test_rhythm_once_runs_alone_and_after_the_others(tmp_path: Path) -> None:
    world = fakes.World(1.5)
    cases = (fakes.case("long", rhythm=fakes.ONCE), fakes.case("short"))
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(world, *cases)))
    session.run()
    names = [b["case"] for b in blocks_of(session)]
    assert names.index("long") > max(i for i, n in enumerate(names) if n == "short")
    assert names.count("long") == 3


def test_rhythm_watch_is_asked_between_the_blocks_of_others(tmp_path: Path) -> None:
    world = fakes.World(1.5)
    cases = (fakes.case("seen", rhythm=fakes.WATCH, kind=Kind.FACT, words=fakes.FINE), fakes.case("work"))
    session = fakes.session(tmp_path, *fakes.plan(fakes.probe(world, *cases)))
    session.run()
    names = [name for name, _ in world.asked]
    assert all("seen" in names[i : i + 2] for i in range(0, 20, 2))
    assert len(blocks_of(session, "seen")) >= 12
