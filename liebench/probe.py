"""A probe as one value, and the planted lies that it must find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from liebench.contract import NOTHING, Case, Claim, Cost, Events, Need, Option, Options, Proposal, Rig, Touches, Verdict
from liebench.host import Host
from liebench.judge.verdicts import Judge
from liebench.stage.stage import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Plant:
    """A planted lie of known size, which must be found.

    ``set`` are kernel arguments. ``expect`` is the answer in the case's own terms (a ratio, or a difference in the
    unit), and ``tolerance`` what may be missing from it, in the same terms (relative for a ratio).
    ``case`` may be a pattern (``pair-*``): the first case that it names carries the plant.
    ``control`` plants run in every run; the others in selftest and tests. ``put`` puts the lie into the layer itself
    (a wrong rate of the clock, a quota) instead of the kernel's arguments; ``touches`` declares what that writes.
    """

    id: str
    set: Mapping[str, float]
    case: str
    expect: float
    tolerance: float
    control: bool = False
    put: Callable[[Stage], AbstractContextManager[object]] | None = None
    touches: Touches = NOTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """One lie. See the module docstring of any probe, and CONTRIBUTING.md, "write a probe in an hour".

    ``core``: the probe's own executable, which speaks the protocol of liebench-core (``liebench/core/PROTOCOL.md``);
    the stage runs there whatever kernel it lists, and every other in liebench-core. ``contract``: the version of
    ``liebench.contract`` that the probe was written for; a newer one than is installed is refused.
    """

    claim: Claim
    cases: Callable[[Host, Options], tuple[Case, ...]]
    cost: Cost
    measure: Callable[[Stage], Iterator[Rig]] | None = None  # None: the verdict comes from runs and inputs
    needs: tuple[Need, ...] = ()
    judge: Judge | None = None  # one case's samples -> its verdict; None: the common judges
    advise: Callable[[Verdict, Host], Sequence[Proposal]] | None = None
    delivers: Callable[[Verdict, Host], str] | None = None  # the sentence "It is ..." of the report; None: a common one
    events: Events | None = None
    plants: tuple[Plant, ...] = ()
    options: tuple[Option, ...] = ()
    preview: bool = False
    core: Path | None = None
    contract: int = 1
