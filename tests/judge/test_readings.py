"""From blocks to a decision: readings that wander, hard bounds, rare things, competing arms."""

import math
import random

import pytest

from liebench.contract import Word
from liebench.judge.effects import effects
from liebench.judge.readings import best_arm, narrow, read
from liebench.judge.run import case_verdict, judge_run, look
from liebench.judge.verdicts import Evidence
from liebench.stats.intervals import hodges_lehmann

from tests.helpers.run_documents import Doc, arm, block, built, case, document, logged, pairs, reading, rep, windows


def steady(n: int, center: float, spread: float = 0.1, seed: int = 1) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(center, spread) for _ in range(n)]


def test_a_steady_reading_has_an_interval() -> None:
    found = read(built(reading()), windows(steady(12, 5.0, seed=4)), "measured", "claimed")
    assert (found.how, found.merged, found.decision.word) == ("interval", 1, Word.HARMLESS)
    assert found.decision.low < 5.0 < found.decision.high


def test_a_trend_is_told_as_a_range_without_plus_minus() -> None:
    blocks = windows([0.2 * i + e for i, e in enumerate(steady(24, 0.0, 0.05))])
    verdict = case_verdict(Evidence(case=built(reading()), blocks=blocks))
    assert verdict.statistic == "range"
    assert verdict.why == "wanders 0.0644 to 4.58 ppm"
    assert (verdict.word, verdict.at_least, verdict.at_most) == (Word.INCONCLUSIVE, Word.HONEST, Word.HARMLESS)


def test_a_trend_inside_one_region_still_has_that_word() -> None:
    verdict = case_verdict(Evidence(case=built(reading(target=0.1)), blocks=windows([0.03 * i for i in range(20)])))
    assert (verdict.word, verdict.statistic) == (Word.HONEST, "range")


def test_a_trend_smaller_than_the_target_is_no_wander() -> None:
    found = read(built(reading()), windows([0.001 * i for i in range(20)]), "measured", "claimed")
    assert (found.how, found.why, found.decision.word) == ("range", "alike", Word.HONEST)


def test_neighbours_that_resemble_each_other_are_merged() -> None:
    rng = random.Random(3)
    values, now = [], 0.0
    for _ in range(96):
        now = 0.6 * now + rng.gauss(0, 0.1)
        values.append(now + 5)
    found = read(built(reading()), windows(values), "measured", "claimed")
    assert found.how == "interval"
    assert found.merged >= 2
    assert found.units * found.merged <= 96
    assert len(found.effects.location) == found.units


def test_a_slow_wave_of_few_windows_has_no_interval() -> None:
    values = [0.0, 1, 2, 3, 2, 1, 0, -1, -2, -1, 0, 1]
    found = read(built(reading()), windows(values), "measured", "claimed")
    assert (found.how, found.why) == ("range", "alike")
    said = case_verdict(Evidence(case=built(reading()), blocks=windows(values)))
    assert said.why.startswith("too few windows, each like the one before; all lie in ")


def test_a_wandering_reading_is_not_stopped_as_narrow() -> None:
    blocks = windows([0.9 + 0.01 * i for i in range(20)])
    seen = look(built(reading(target=0.2)), blocks, "measured", "claimed")
    assert seen.reading is not None
    assert seen.reading.how in ("interval", "range")
    wandering = look(built(reading(target=0.15)), blocks, "measured", "claimed")
    assert wandering.reading is not None
    assert (wandering.reading.how, wandering.stop) == ("range", "continue")


def test_direction_and_sign_of_readings() -> None:
    less = case_verdict(Evidence(case=built(reading(better="higher")), blocks=windows(steady(12, -5.0))))
    assert less.word is Word.HARMLESS
    assert less.value == pytest.approx(-5, abs=0.2)
    assert less.low is not None
    assert less.high is not None
    assert less.low < -5 < less.high
    both = case_verdict(Evidence(case=built(reading(better="target")), blocks=windows(steady(12, -50.0))))
    assert both.word is Word.COSTLY
    assert both.value == pytest.approx(-50, abs=0.2)
    assert case_verdict(Evidence(case=built(reading()), blocks=windows(steady(12, -50.0)))).word is Word.HELPFUL


def bounded(held: list[tuple[float, float]], **more: object) -> list[dict[str, object]]:
    return [
        block(i, {"claimed": rep({"ppm": [0.0]}), "measured": rep({"low": [low, low - 1], "high": [high, high + 1]})})
        for i, (low, high) in enumerate(held)
    ]


def test_hard_bounds_are_intersected() -> None:
    found = read(built(reading(bounds=True)), bounded([(-3, 0.5), (-0.2, 4)]), "measured", "claimed")
    assert (found.decision.low, found.decision.high, found.how) == (-0.2, 0.5, "bounds")
    assert found.decision.word is Word.HONEST
    verdict = case_verdict(Evidence(case=built(reading(bounds=True)), blocks=bounded([(2, 5)])))
    assert (verdict.word, verdict.low, verdict.high, verdict.statistic) == (Word.HARMLESS, 2, 5, "bounds")


def test_bounds_that_contradict_each_other_mean_that_it_moved() -> None:
    found = read(built(reading(bounds=True)), bounded([(-3, -1), (2, 4)]), "measured", "claimed")
    assert (found.decision.low, found.decision.high, found.how) == (-3, 4, "range")
    assert "contradict" in found.why


def test_what_was_seen_a_few_times_has_a_range_and_no_word() -> None:
    stored = built(reading(rhythm="once"))
    few = case_verdict(Evidence(case=stored, blocks=windows([30.0, 35.0, 50.0])))
    assert (few.word, few.at_least, few.at_most) == (Word.INCONCLUSIVE, None, None)
    assert (few.value, few.low, few.high, few.why) == (35.0, 30.0, 50.0, "too few times: 3 of at least 6")
    enough = case_verdict(Evidence(case=stored, blocks=windows([30.0, 35.0, 50.0, 33.0, 31.0, 34.0])))
    assert enough.word is Word.COSTLY


def test_a_block_rhythm_with_few_blocks_is_open() -> None:
    verdict = case_verdict(Evidence(case=built(case()), blocks=pairs(8, {"a": 100, "b": 130})))
    assert (verdict.word, verdict.low, verdict.limit) == (Word.INCONCLUSIVE, None, None)
    assert verdict.value == pytest.approx(1.3, rel=0.02)
    assert verdict.why == "too few blocks: 8 of at least 12"


def test_few_visits_are_said() -> None:
    blocks = [b | {"visit": i // 4} for i, b in enumerate(pairs(20, {"a": 100, "b": 130}))]
    verdict = case_verdict(Evidence(case=built(case(rhythm="visit")), blocks=blocks))
    assert (verdict.word, verdict.why) == (Word.INCONCLUSIVE, "too few visits: 5 of at least 8")


def competing() -> Doc:
    return case(arms=[arm("a", promised=True), arm("b"), arm("c")])


def test_the_best_arm_is_chosen_on_one_half_and_judged_on_the_other() -> None:
    blocks = pairs(24, {"a": 100, "b": 80, "c": 90})
    for one_block in blocks[1::2]:  # on the judging half the chosen arm turns out bad
        one_block["reps"]["b"]["samples"]["ns"] = [150.0] * 20
    stored = built(competing())
    assert best_arm(stored, blocks) == "b"
    verdict = case_verdict(Evidence(case=stored, blocks=blocks))
    assert (verdict.arm, verdict.word, verdict.blocks) == ("b", Word.COSTLY, 12)
    details = judge_run(document({"c": competing()}, blocks)).details["p", "c"]
    assert set(details.arms) == {"b", "c"}


def test_the_controls_of_a_case_with_rivals_use_all_their_blocks() -> None:
    found = read(built(competing()), pairs(12, {"promised": 100, "plant": 150}), "plant", "promised")
    assert (found.units, found.decision.word) == (12, Word.COSTLY)


def test_choosing_the_luckiest_of_equal_arms_earns_nothing() -> None:
    """Ten equal arms: the lowest of all would look 1 % better; the judging half does not agree."""
    names = [f"x{i}" for i in range(10)]
    stored = built(case(arms=[arm("a", promised=True), *map(arm, names)]))
    values, naive = [], []
    for seed in range(30):
        blocks = pairs(48, dict.fromkeys(["a", *names], 100.0), seed=seed, spread=0.2)
        values.append(read(stored, blocks, best_arm(stored, blocks), "a").decision.location.estimate)
        naive.append(min(hodges_lehmann(effects(stored, blocks, n, "a").location) for n in names))
    assert abs(sum(values) / len(values)) < 0.007
    assert sum(naive) / len(naive) < -0.01


def test_narrow_follows_the_limits() -> None:
    assert narrow(built(case())) == pytest.approx(math.log(1.02))
    assert narrow(built(case(quantile=0.99))) == pytest.approx(0.82 * math.log(1.05))
    assert narrow(built(case(quantile=0.99, matters=1.10))) == pytest.approx(math.log(1.05))
    assert narrow(built(case(matters=1.01))) < 0.005
    assert narrow(built(reading())) == pytest.approx(0.41)
    assert narrow(built(reading(target=0.2))) == 0.2


def test_the_log_of_a_reading_can_be_written() -> None:
    doc = logged(document({"c": reading()}, windows(steady(12, 5.0))))
    assert doc["looks"][0]["cost"] is None
    assert doc["looks"][0]["stop"] == "decided"
