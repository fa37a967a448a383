"""One way to do the work of a case, and what that writes on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from liebench.contract.vocabulary import Disturbs

Args = Mapping[str, str | int | float]  # what an arm gives to a kernel of liebench-core, or to its probe


@dataclass(frozen=True, kw_only=True, slots=True)
class Touches:
    """What an arm or a plant writes on the host. ``liebench run --plan`` lists it before anything is written.

    ``stage`` refuses a key, a device, a clock, and whatever it sets up under a word of ``other`` (control groups,
    swap, servers, containers: ``CONTROLLERS``, ``SWAP`` ... of its modules), where no arm declares it.

    ``keys``           sysctls and sysfs files that may be set; absolute paths, ``*`` is one path part
    ``modules``        kernel modules that may be loaded on the way; said in the plan
    ``devices``        device files that are held open, such as /dev/cpu_dma_latency
    ``clock``          sets or steers a clock of the kernel: in selftest and tests only, never in a run
    ``bytes_written``  to a disk, at most; said in the plan
    ``other``          what no path names, in words: control groups, swap, servers, queues, burst credits, money
    ``disturbs``       who notices; a run leaves the case out without ``--disturb`` of at least this
    """

    keys: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    clock: bool = False
    bytes_written: int = 0
    other: tuple[str, ...] = ()
    disturbs: Disturbs = Disturbs.NOBODY


NOTHING = Touches()


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to do the work. Exactly one arm of a case is ``promised``: the constructors of ``Case`` see to it.

    ``id``       its label in the run file, unique in its case
    ``says``     the words of it on pages: "through the vDSO"
    ``args``     go to the kernel of liebench-core as they are, or to the probe, which makes them so
    ``number``   of layers, MiB, hops: the x axis of a line
    ``touches``  what this arm writes on the host
    """

    id: str
    says: str = ""
    promised: bool = False
    args: Args = field(default_factory=dict)
    number: float | None = None
    touches: Touches = NOTHING
