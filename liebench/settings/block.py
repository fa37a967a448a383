"""Queues of disks."""

from __future__ import annotations

from collections.abc import Mapping

from liebench.errors import UsageError
from liebench.facts.volumes import folder_on
from liebench.host import Host
from liebench.settings.knob import Knob, Scope, Trial, named, one_of, whole

QUEUE = "/sys/block/*/queue"
SOURCE = "Documentation/block/queue-sysfs.rst"


def _folder(knob: Knob, host: Host) -> Mapping[str, str]:
    """A folder on the disk whose queue was named."""
    disk = knob.path.split("/")[3]
    folder = folder_on(host, disk)
    if folder is None:
        raise UsageError(
            f"no file system that may be written lies on {disk}; try it on your own work: --with 'COMMAND'"
        )
    return {"path": folder}


def _trial(*cases: str, arm: str = "*", guarded: bool = True) -> Trial:
    return Trial(probe="block-remote", cases=cases, scope=Scope.HOST, arm=arm, options=_folder, guarded=guarded)


KNOBS = (
    Knob(
        id="readahead",
        key=f"{QUEUE}/read_ahead_kb",
        path=f"{QUEUE}/read_ahead_kb",
        scope=Scope.HOST,
        valid=whole(0, 65536),
        risk="random reads of a mapping fetch what nobody asked for; reads in order wait more often where it is small",
        default="128, or twice the device's best size",
        source=SOURCE,
        # what a value gains in order it may lose at random; all other cases go past the page cache
        trial=_trial("ahead", "around", arm="cached", guarded=False),
    ),
    Knob(
        id="io-scheduler",
        key=f"{QUEUE}/scheduler",
        path=f"{QUEUE}/scheduler",
        scope=Scope.HOST,
        valid=named(r"[a-z0-9_-]{1,31}", "a scheduler that the queue lists"),
        risk="fairness between processes against time in the queue",
        default="none with several hardware queues, mq-deadline with one",
        source=SOURCE,
        bracketed=True,
        trial=_trial("small", "ahead"),
    ),
    Knob(
        id="not-rotational",
        key=f"{QUEUE}/rotational",
        path=f"{QUEUE}/rotational",
        scope=Scope.HOST,
        valid=one_of("0", "1"),
        risk="another disk of that name later keeps the setting where a udev rule sets it",
        default="as the device says; 1 where it says nothing",
        source=SOURCE,
        trial=_trial("small", "ahead"),
    ),
)
