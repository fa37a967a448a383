"""Every error a user can meet, in one tree, each with its exit code.

    LiebenchError                 70  anything of ours that went wrong
    ├── UsageError                 2  the command line or a configuration file cannot be understood
    ├── RunUnreadable              4  a run file is damaged, truncated, newer, or not a run file
    ├── NotComparable              4  two runs must not be compared
    ├── NotMeasurable              4  nothing that was asked for can be measured on this host
    │   ├── NeedUnmet              4  one probe's need is not met; carries the cure
    │   └── CoreMissing            4  liebench-core is not built for this machine
    ├── CoreFailed                70  liebench-core ended with an error or said something unreadable
    │   └── CoreKilled            70  somebody killed it: a memory limit, or a person
    ├── UnknownChange             70  a probe proposes a change that no catalogue holds
    ├── ToolFailed                70  a program that we use (fio) failed, was killed, or said something unreadable
    ├── StageRefused              70  a probe tried to touch what it did not declare, or what consent does not cover
    ├── HostBusy                   4  another liebench changes this host at this moment
    ├── HostDirty                 70  a change of ours could not be taken back; names the journal
    ├── StorageFull               70  the results directory is full or read-only
    ├── BreakerTripped             0  the neighbours suffered; the run stopped and kept what it had
    └── Interrupted              130  Ctrl-C; the host is restored

Every message says what was seen, where, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable


class LiebenchError(Exception):
    """Root of the tree. ``exit_code`` is what the command line ends with."""

    exit_code = 70


class UsageError(LiebenchError):
    exit_code = 2


class RunUnreadable(LiebenchError):
    exit_code = 4


class NotComparable(LiebenchError):
    exit_code = 4


class NotMeasurable(LiebenchError):
    exit_code = 4


class NeedUnmet(NotMeasurable):
    """A need of one probe or case is not met. ``cure`` is the command or step that meets it."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"needs {what}; {cure}")
        self.what, self.cure = what, cure


class CoreMissing(NotMeasurable):
    pass


class CoreFailed(LiebenchError):
    pass


class CoreKilled(CoreFailed):
    pass


class UnknownChange(LiebenchError):
    pass


class ToolFailed(LiebenchError):
    pass


class StageRefused(LiebenchError):
    pass


class HostBusy(LiebenchError):
    exit_code = 4


class HostDirty(LiebenchError):
    pass


class StorageFull(LiebenchError):
    pass


class BreakerTripped(LiebenchError):
    exit_code = 0


class Interrupted(LiebenchError):
    exit_code = 130


def meant(name: str, known: Iterable[str], else_: str, most: int = 3) -> str:
    """``did you mean A or B?``, the nearest first; ``else_`` where nothing is near."""
    import difflib  # only who erred waits for it

    near = difflib.get_close_matches(name, sorted(set(known)), n=most)
    return f"did you mean {' or '.join(near)}?" if near else else_
