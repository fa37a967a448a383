"""swap-cache on a kernel with a multi-generational LRU and groups of version 2: switched, seen at work, put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from liebench.contract import Case, Disturbs, Rep, Turn
from liebench.errors import StageRefused
from liebench.host import read_host
from liebench.probes.swap_cache.bench import KNOB, MGLRU, by_reclaim
from liebench.probes.swap_cache.verdict import DEFAULT
from liebench.runner.track import rig_of
from liebench.stage.stage import Stage

from tests.helpers.live import Bench

pytestmark = pytest.mark.guest
HOST = read_host()
ON, OFF = "0x0007", "0x0000"


def mglru() -> str:
    return Path(MGLRU).read_text().strip()


@pytest.fixture(params=[OFF, ON])
def before(request: pytest.FixtureRequest) -> Iterator[str]:
    """The switch as a test finds it. Debian's kernel has it off, others on."""
    found = mglru()
    Path(MGLRU).write_text(request.param)
    yield request.param
    Path(MGLRU).write_text(found)


def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """(arm, the switch, the knob) whenever the core works."""
    found, core = [], Stage.core

    def noted(stage: Stage, kernel: str, turn: Turn, **args: str | float) -> Rep:
        if kernel == "swap-cache" and "build" not in args:
            found.append((turn.arm.id, mglru(), Path(KNOB).read_text().strip()))
        return core(stage, kernel, turn, **args)

    monkeypatch.setattr(Stage, "core", noted)
    return found


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Emulated rounds are dear; the cold memory is swapped out in these too."""
    monkeypatch.setattr("liebench.probes.swap_cache.bench.ROUNDS", 600)


def bench(folder: Path, consent: Disturbs = Disturbs.HOST) -> Bench:
    return Bench("swap-cache", read_host(), folder, consent=consent)


def block(found: Bench, name: str) -> dict[str, Rep]:
    case: Case = next(c for c in found.part.cases if c.id == name)
    with rig_of(found.part, found.stage) as rig:
        return dict(rig.once(case, [Turn(a, a.id) for a in case.arms]))


def test_the_other_way_to_choose_pages_is_in_force_in_its_arm_only(
    before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = seen(monkeypatch)
    reps = block(bench(tmp_path), "mglru")
    other = OFF if before == ON else ON
    assert [row[:2] for row in found] == [("as-it-is", before), ("switched", other)]
    assert mglru() == before
    assert all(min(rep.samples["us"]) > 0 for rep in reps.values())


def test_it_is_not_switched_without_consent(tmp_path: Path) -> None:
    before, found = mglru(), bench(tmp_path, Disturbs.NEIGHBOURS)
    assert "mglru" not in [c.id for c in found.part.cases]
    with pytest.raises(StageRefused, match="not declared"), found.stage.value(MGLRU, OFF if before == ON else ON):
        raise AssertionError
    assert mglru() == before


def test_what_is_swapped_follows_the_swappiness_in_whichever_way_this_kernel_takes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, before = seen(monkeypatch), Path(KNOB).read_text()
    reps = block(bench(tmp_path), "cold-to-spare")
    assert reps["swappiness-0"].facts["swapped_kib"] == 0
    assert reps["swappiness-200"].facts["swapped_kib"] > 0.4 * 24 * 1024
    told = {arm: knob for arm, _, knob in found}
    expected = {f"swappiness-{n}": before.strip() if by_reclaim(HOST) else str(n) for n in (0, DEFAULT, 100, 200)}
    assert told == expected
    assert Path(KNOB).read_text() == before


def test_what_was_paged_out_comes_from_swap(tmp_path: Path) -> None:
    reps = block(bench(tmp_path), "page")
    assert reps["swap"].facts["paged_out"] > 0.6
    assert not list(Path("/var/tmp").glob("liebench-*"))
    assert len(Path("/proc/swaps").read_text().splitlines()) == 1
