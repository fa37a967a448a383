"""Every kind of act that a journal may hold: those of this package by name, and those that other packages bring.

Another package's kind is called ``<its distribution>:<name>`` and stands in the entry-point group ``liebench.acts``,
so that the next start, and the guardian, find how to take it back without loading any probe.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from liebench import plugins
from liebench.errors import StageRefused
from liebench.stage import block, cgroup, clock, container, engine, swap
from liebench.stage.act import FOLDER, VALUE, Act, acting

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

OURS = {
    act.kind: act
    for act in (
        VALUE,
        FOLDER,
        block.FUSE,
        cgroup.GROUP,
        clock.RATE,
        clock.STEP,
        container.CONTAINER,
        engine.ENGINE,
        swap.SWAP_FILE,
    )
}


def theirs() -> plugins.Brought[Act]:
    """The kinds of other packages, and why some were refused."""
    return plugins.brought(plugins.ACTS, Act, lambda act: (act.kind,), OURS.values(), prefixed=True)


def act_of(kind: str) -> Act | None:
    """How to take back a kind of act; None where nobody here knows. Packages are asked for kinds that are not ours."""
    return OURS.get(kind) or next((act for _, act in theirs().values if act.kind == kind), None)


def is_theirs(kind: str) -> bool:
    """Whether a kind of act came with another package."""
    return ":" in kind


def unknown(kind: str) -> str:
    """Why a kind cannot be taken back, and what to do."""
    package = kind.partition(":")[0]
    if not is_theirs(kind):
        return f"this liebench does not know how to take back {kind!r}; start the version that changed it"
    why = next((w for name, w in theirs().refused.items() if name == kind or f"(package {package})" in w), "")
    if why:
        return f"the package {package} brought {kind!r}, and it cannot be loaded: {why}; mend it and start liebench"
    return (
        f"the package {package} brought {kind!r}, and it is not installed here any more; "
        f"install {package} again and start liebench, which then takes it back"
    )


@contextlib.contextmanager
def act_on(stage: Stage, act: Act, what: str, old: Any = None, new: Any = None) -> Iterator[None]:
    """The door for another package's act: noted before this block, taken back after it, and after a kill.

    ``what`` is the path or the thing, which an arm or a plant declares in ``Touches`` (keys, devices or other);
    ``old`` and ``new`` are what its ``undo`` needs, as JSON. The block itself acts. Raises StageRefused for what is
    not declared or not consented to, and for a kind that the next start would not find.
    """
    owners = [t for t in stage.touches if any(fnmatchcase(what, key) for key in (*t.keys, *t.devices, *t.other))]
    stage.consented(what, owners)
    if act_of(act.kind) != act:
        raise StageRefused(f"after a kill nobody could take back {act.kind!r}: {_unlisted(act.kind)}")
    with acting(stage.journal, act, what, old, new):
        yield


def _unlisted(kind: str) -> str:
    why = theirs().refused.get(kind, "name it in the entry-point group liebench.acts of its package")
    return f"{why}, then install that again"
