"""The only door to the machine. What goes through it is declared, journalled, undone in reverse order, replaceable."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from liebench.contract import Disturbs, Rep, Touches, Turn
from liebench.errors import CoreFailed, NeedUnmet, StageRefused
from liebench.facts.clock import stated_ppm
from liebench.host import Host
from liebench.stage import files
from liebench.stage.act import FOLDER, VALUE, acting, poke
from liebench.stage.core import call, kernels_of, watching
from liebench.stage.flags import below_timer, flags
from liebench.stage.watches import Watches
from liebench.state.journal import Journal, a_name
from liebench.state.traces import Traces

Run = Callable[[str, Mapping[str, object]], dict[str, Any]]
SAMPLE_NS = 500_000  # one sample: a thousand steps of any sane clock, and short against a scheduler tick
STAGED = ("source", "held")  # arguments of an arm that the probe gives to stage, not to the kernel


def _since(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _planted(plant: Mapping[str, float]) -> dict[str, Any]:
    """A plant's arguments as a kernel takes them: whole numbers where they override one of its own."""
    return {k: int(v) if not k.startswith("plant_") and float(v).is_integer() else v for k, v in plant.items()}


@dataclass(slots=True)
class Stage:
    """One probe's stage. ``rep_ms`` is the aimed length of a repetition, ``window_s`` that of a watcher's window."""

    host: Host
    core_path: Path
    journal: Journal
    touches: tuple[Touches, ...] = ()
    consent: Disturbs = Disturbs.NOBODY
    rep_ms: float = 40.0
    window_s: float = 1.7
    options: Mapping[str, str] = field(default_factory=dict)  # of this probe, by their own names
    group: Path | None = None  # control group in which the core runs
    own: Path | None = None  # the probe's own executable: it runs the kernels that it lists
    calibrations: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    setup_s: float = 0.0  # of rigs that are set up when they are first asked for

    @property
    def traces(self) -> Traces:
        """Where this stage's own doings to the kernel's counters are noted."""
        return Traces(self.journal.folder.parent, self.journal.boot)

    def note(self, key: str, value: Any) -> None:
        """Keep a fact of this probe's set-up in the run file."""
        self.notes[key] = value

    @contextlib.contextmanager
    def setting_up(self) -> Iterator[None]:
        """What happens inside is set-up of a rig, which the run accounts apart."""
        before = time.monotonic()
        try:
            yield
        finally:
            self.setup_s += time.monotonic() - before

    def stated_ppm(self) -> float | None:
        """The rate the kernel states for its clocks at this moment (adjtimex)."""
        return stated_ppm()

    def core(self, kernel: str, turn: Turn, **extra: str | float) -> Rep:
        """One repetition of a kernel of liebench-core, with the work that was calibrated once for these arguments."""
        return self.core_by(self._call, kernel, turn, **extra)

    def _core_of(self, kernel: str) -> Path:
        """The executable that runs a kernel: the probe's own where that lists it."""
        return self.own if self.own is not None and kernel in kernels_of(self.own) else self.core_path

    def _call(self, kernel: str, args: Mapping[str, object]) -> dict[str, Any]:
        return call(self._core_of(kernel), kernel, args, self.group)

    def core_by(self, run: Run, kernel: str, turn: Turn, **extra: str | float) -> Rep:
        """The same, run by ``run`` (``Place.call``): elsewhere, with the work that was calibrated here."""
        base: dict[str, Any] = {k: v for k, v in turn.arm.args.items() if k not in STAGED} | extra
        base.setdefault("cpu", self.host.processors[-1])
        args = {**base, **self._work(kernel, base)}
        args |= _planted(turn.plant)
        throttled = self.host.throttled_us()
        answer = run(kernel, args)
        alibi = {**answer.get("alibi", {}), "throttled_us": _since(throttled, self.host.throttled_us())}
        marks = flags(alibi, answer["elapsed_ns"], alibi["throttled_us"])
        timer = answer.get("timer", {})
        if "ops" in args and below_timer(answer["samples"].get("ns", ()), answer["ops"], timer.get("step_ns", 0)):
            marks = (*marks, "BELOW_TIMER_RES")
        return Rep(
            samples=answer["samples"],
            offsets_ns=answer.get("offsets_ns", ()),
            start_ns=answer["start_ns"],
            elapsed_ns=answer["elapsed_ns"],
            alibi=alibi,
            sentinel=answer.get("sentinel") or {},
            args=answer.get("args", {}),
            facts={**answer.get("facts", {}), "timer": timer},
            flags=marks,
        )

    def attempt(self, kernel: str, what: str, cure: str, **args: str | float) -> None:
        """Run a kernel once to see whether it can run here. Raises NeedUnmet with what it said where it cannot."""
        try:
            self._call(kernel, args)
        except CoreFailed as error:
            raise NeedUnmet(f"{what} ({error})", cure) from error

    def trigger(self, path: str, text: str) -> None:
        """Write to a file that does something and keeps nothing, such as drop_caches: there is nothing to take back."""
        self._allowed(path)
        poke(self.host.root / path.lstrip("/"), text)

    def events(self, each_us: float) -> int:
        """How many events of that length make a repetition."""
        return max(4, min(60, int(self.rep_ms * 1000 / each_us)))

    def _work(self, kernel: str, base: Mapping[str, Any]) -> dict[str, Any]:
        if "ops" in base or kernels_of(self._core_of(kernel)).get(kernel) != "batched":
            return {}
        ops = self._calibrate(kernel, base)["ops"]
        return {"ops": ops, "samples": max(10, int(self.rep_ms * 1e6 / SAMPLE_NS))}

    def _calibrate(self, kernel: str, base: Mapping[str, Any]) -> dict[str, Any]:
        """Work is calibrated once and stored: calibrating every repetition would hide a change."""
        key = " ".join([kernel, *(f"{k}={v}" for k, v in sorted(base.items()))])
        if key not in self.calibrations:
            answer = call(self._core_of(kernel), kernel, {**base, "calibrate": 1, "target_ns": SAMPLE_NS})
            self.calibrations[key] = {k: answer[k] for k in ("ops", "op_ns") if k in answer}
        return self.calibrations[key]

    def watches(self, kernel: str, **args: str | float) -> Watches:
        """The watchers of this probe, one per planted lie; see ``Watches``."""

        def start(plant: Mapping[str, float]) -> contextlib.AbstractContextManager[Any]:
            whole = {k: int(v) if k.endswith("_at") else v for k, v in plant.items()}
            return watching(self._core_of(kernel), kernel, {**args, **whole})

        return Watches(start, self.window_s)

    @contextlib.contextmanager
    def value(self, path: str, new: str) -> Iterator[None]:
        """A sysctl or sysfs file holds ``new`` inside this block; what was found is put back after it.

        Raises StageRefused for an undeclared path or without consent, HostDirty where no undo can be noted.
        """
        self._allowed(path)
        target = self.host.root / path.lstrip("/")
        old = target.read_text().strip()
        if old == new:
            yield
            return
        with acting(self.journal, VALUE, str(target), old, new):
            poke(target, new)
            now = target.read_text().strip()
            if now != new:
                raise StageRefused(f"{target} was given {new!r} and reads {now!r}; the kernel does not take it")
            yield

    @contextlib.contextmanager
    def held(self, device: str, data: bytes) -> Iterator[None]:
        """A device that keeps a request for as long as it is open, such as /dev/cpu_dma_latency (kernel, pm_qos).

        The kernel takes it back when the file closes, also after a kill, so there is nothing to journal.
        """
        self._allowed(device)
        try:
            fd = os.open(self.host.root / device.lstrip("/"), os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise StageRefused(
                f"{device} cannot be opened ({error.strerror}); run as root outside a container"
            ) from error
        try:
            os.write(fd, data)
            yield
        finally:
            os.close(fd)

    def _allowed(self, path: str) -> None:
        owners = [t for t in self.touches if any(fnmatch.fnmatchcase(path, key) for key in (*t.keys, *t.devices))]
        self.consented(path, owners)

    def consented(self, what: str, owners: Sequence[Touches]) -> None:
        """Raises StageRefused where nobody declared ``what`` (no ``owners``), or the user does not allow it."""
        if not owners:
            raise StageRefused(f"{what} is not declared in this probe's touches; declare it in the arm that needs it")
        least = min(t.disturbs.rank for t in owners)
        if least > self.consent.rank:
            word = list(Disturbs)[least]
            raise StageRefused(f"{what} disturbs {word}; allow it with --disturb {word}")

    @contextlib.contextmanager
    def scratch(self, named: str = "", mib: int = 1, local: bool = True) -> Iterator[Path]:
        """An empty folder of ours, removed on every way out and after a kill; see ``files.home`` for where."""
        folder = files.home(named, mib, local) / a_name()
        with acting(self.journal, FOLDER, str(folder), None, None):
            folder.mkdir(mode=0o700)
            yield folder
