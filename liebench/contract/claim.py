"""What a probe says of itself before it measures: the promise, its needs, its cost, its options, its counter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from liebench.contract.vocabulary import Layer
from liebench.host import Host


@dataclass(frozen=True, slots=True)
class Claim:
    """The promise in the layer's own words.

    ``says`` may hold ``{facts}`` of the host (``Host.words``). ``read_from``: where the promise is written: a file, a
    man page. ``title``: what the figure and the card are called, e.g. "reading the clock".
    """

    layer: Layer
    says: str
    read_from: str
    title: str


@dataclass(frozen=True, slots=True)
class Need:
    """A condition on the host. ``met`` is pure over ``Host``; ``cure`` is the command or step that meets it."""

    what: str
    met: Callable[[Host], bool]
    cure: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What the probe costs to run in the default profile, for the estimate and ``--plan``.

    ``setup_seconds``: a profile leaves out rigs that take longer to set up than it allows, unless they are named.
    """

    seconds: float
    setup_seconds: float = 0.0
    memory_mib: int = 8
    disk_mib: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """How often this host does the thing: a kernel counter, read at both ends of the run.

    ``what``        is counted, in words: "page faults"
    ``read_from``   the file of the counter
    ``count``       a monotonic counter, or None where the host does not tell
    ``case``        whose delivered minus promised is the cost of one event
    ``to_seconds``  the unit of that case in seconds: 1e-9 for ns, 1e-6 for us
    ``is_cpu``      the cost is CPU time (a share of a CPU); else it is waiting time
    """

    what: str
    read_from: str
    count: Callable[[Host], int | None]
    case: str
    to_seconds: float = 1e-9
    is_cpu: bool = True


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of a probe; the command line adds it as ``--set probe.name=value``, the run file stores it."""

    name: str
    default: str
    says: str


Options = Mapping[str, str]  # of one probe, by their own names
