"""overlay-first-write: the first byte written to a file of a lower layer copies all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Unpack

from liebench.contract import (
    Args,
    Arm,
    Case,
    Claim,
    Cost,
    Layer,
    Options,
    Proposal,
    Rep,
    Rig,
    Running,
    Touches,
    Turn,
    Verdict,
    Word,
)
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.stage.needs import FUSE_OVERLAY, OVERLAY, PATH
from liebench.stage.stage import Stage

MIB = (1, 4, 8, 16, 32)
TYPICAL = 8  # MiB: a small database file, a log
FILES = 2  # a repetition


def _touches(mib: float) -> Touches:
    return Touches(bytes_written=int(2 * FILES * mib * (1 << 20)))  # the file itself, and what is copied up


def _arm(name: str, says: str, args: Args, mib: float = TYPICAL) -> Arm:
    return Arm(id=name, says=says, args=args, touches=_touches(mib))


def _ratio(name: str, asks: str, promised: Arm, delivered: Arm, hurts: float, **running: Unpack[Running]) -> Case:
    more: Running = {"headline": False, "work": "copy-up", **running}
    return Case.ratio(name, asks, "us", promised, delivered, matters=1.5, hurts=hurts, target=0.2, **more)


def _write(mib: int, headline: bool) -> Case:
    return _ratio(
        f"write-{mib}m",
        f"What does the first byte cost that is written to a file of {mib} MiB?",
        _arm("plain", "in a plain folder", {"kib": mib << 10, "plain": 1}, mib),
        _arm("overlay", "in a lower layer", {"kib": mib << 10, "plain": 0}, mib),
        100.0,
        headline=headline,
    )


def _mode() -> Case:
    """A change that needs no byte of the file. ``metacopy`` is what a trial sets, as an option of its own mount."""
    args: Args = {"kib": TYPICAL << 10, "change": "mode"}
    return _ratio(
        f"mode-{TYPICAL}m",
        f"What does it cost to change the mode of a file of {TYPICAL} MiB?",
        _arm("plain", "in a plain folder", {**args, "plain": 1}),
        _arm("overlay", "in a lower layer", {**args, "metacopy": "host"}),
        100.0,
    )


def _fuse() -> Case:
    """By fuse-overlayfs, which copies in user space."""
    args: Args = {"kib": TYPICAL << 10, "plain": 0}
    return _ratio(
        f"fuse-write-{TYPICAL}m",
        "And through fuse-overlayfs, against the kernel's overlay?",
        _arm("kernel", "by the kernel's overlay", args),
        _arm("fuse", "by fuse-overlayfs", {**args, "fuse": 1}),
        5.0,
        needs=(FUSE_OVERLAY,),
    )


def _size() -> Case:
    arms = (
        Arm(id=f"mib-{n}", says=f"{n} MiB", args={"kib": n << 10, "plain": 0}, number=n, touches=_touches(n))
        for n in MIB
    )
    return Case.line(
        "size",
        "Does it grow with the size of the file, as a copy does?",
        "us",
        *arms,
        matters=1.3,
        hurts=2.0,
        target=0.3,
        headline=False,
        work="copy-up-law",
    )


def cases(host: Host, options: Options) -> tuple[Case, ...]:
    return (_write(TYPICAL, True), _write(1, False), _mode(), _fuse(), _size())


def measure(stage: Stage) -> Iterator[Rig]:
    with stage.scratch(stage.options["path"], 2 * FILES * (sum(MIB) + max(MIB)), local=False) as folder:
        stage.attempt("copy-up", "mounts of its own", "run as root, or allow user namespaces", dir=str(folder))

        def turn(t: Turn) -> Rep:
            return stage.core("copy-up", t, dir=str(folder), samples=FILES)

        def once(case: Case, turns: Sequence[Turn]) -> Mapping[str, Rep]:
            return {t.label: turn(t) for t in turns}

        yield Rig(once)


def _bandwidth(verdict: Verdict) -> float | None:
    """MiB/s of a copy-up, from what a small and a larger file cost."""
    small, large = verdict.cases.get("write-1m"), verdict.cases.get(f"write-{TYPICAL}m")
    if small is None or large is None or not small.delivered or not large.delivered:
        return None
    more = large.delivered - small.delivered
    return (TYPICAL - 1) * 1e6 / more if more > 0.1 * small.delivered else None


def delivers(verdict: Verdict, host: Host) -> str:
    typical = verdict.cases.get(f"write-{TYPICAL}m")
    if typical is None or not typical.delivered or not typical.promised:
        return "Not enough was measured to say what a first write costs."
    said = f"The first byte written to a file of {TYPICAL} MiB takes {typical.delivered / 1000:.1f} ms"
    said += f", {typical.promised:.0f} us in a plain folder"
    speed = _bandwidth(verdict)
    size = verdict.cases.get("size")
    if speed is not None:
        said += f"; it is copied at {speed:.0f} MiB/s"
    elif size is not None and size.promised and size.delivered and size.delivered < 2 * size.promised:
        said += "; its size does not matter: this file system clones instead of copying"
    return said + "."


def advise(verdict: Verdict, host: Host) -> Sequence[Proposal]:
    typical = verdict.cases.get(f"write-{TYPICAL}m")
    if typical is None or typical.word is not Word.COSTLY or not typical.delivered or typical.delivered < 5000:
        return []
    why = f"the first write to a file of {TYPICAL} MiB in an image takes {typical.delivered / 1000:.0f} ms"
    found = [Proposal("data-on-volume", "a volume for files that are written", why)]
    mode = verdict.cases.get(f"mode-{TYPICAL}m")
    if mode is not None and mode.word is Word.COSTLY and mode.delivered:
        why = f"chmod or chown of such a file takes {mode.delivered / 1000:.0f} ms, for all of it is copied"
        found.append(Proposal("overlay-metacopy", "Y", why))
    return found


PROBE = Probe(
    claim=Claim(
        Layer.FILES,
        says="The file is writable.",
        read_from="mode bits; overlayfs below",
        title="the first write to an image's file",
    ),
    cases=cases,
    cost=Cost(seconds=8, disk_mib=400),
    needs=(OVERLAY,),
    measure=measure,
    advise=advise,
    delivers=delivers,
    options=(PATH,),
    plants=(
        Plant(
            id="plant_extra=1",
            set={"plant_extra": 1.0},
            case=f"write-{TYPICAL}m",
            expect=2.0,
            tolerance=0.3,
            control=True,
        ),
    ),
)
