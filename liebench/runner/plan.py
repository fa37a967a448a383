"""What a run would do: which probes and cases, under which needs and consent, at what cost. Touches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from liebench.contract import Case, Disturbs, Kind, Need, Turn
from liebench.errors import UsageError
from liebench.facts.secrets import hidden
from liebench.host import Host
from liebench.probe import Plant, Probe
from liebench.registry import Registered
from liebench.runfile.encode import stored_case

NULL_MOST = 0.2  # band of a null test where much is needed to matter


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """One of the three sizes of a run. ``most_setup_s``: rigs dearer than this are left out unless named."""

    name: str
    budget_s: float
    window_s: float
    headline_only: bool
    most_setup_s: float
    once: int  # how often an exclusive case of rhythm ``once`` is repeated


PROFILES = {
    "quick": Profile(name="quick", budget_s=90.0, window_s=0.5, headline_only=True, most_setup_s=2.0, once=1),
    "default": Profile(name="default", budget_s=360.0, window_s=1.7, headline_only=False, most_setup_s=30.0, once=3),
    "deep": Profile(name="deep", budget_s=1800.0, window_s=5.0, headline_only=False, most_setup_s=600.0, once=6),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    profile: Profile
    seed: int
    budget_s: float
    disturb: Disturbs = Disturbs.NOBODY
    options: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()  # probes named on the command line

    def stored(self) -> dict[str, Any]:
        return {
            "profile": self.profile.name,
            "seed": self.seed,
            "budget_s": self.budget_s,
            "disturb": self.disturb.value,
            "options": {name: hidden(value) for name, value in self.options.items()},
        }


@dataclass(frozen=True, slots=True)
class Skip:
    needs: str
    cure: str


Admit = Callable[[Sequence[Case]], tuple[tuple[Case, ...], Mapping[str, Skip]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """One probe's part of a run: the cases that can run, and why others cannot."""

    id: str
    probe: Probe
    cases: tuple[Case, ...]
    left_out: Mapping[str, Skip] = field(default_factory=dict)
    skipped: Skip | None = None
    admit: Admit = lambda cases: (tuple(cases), {})  # the same choice for cases that a rig finds out about


@dataclass(frozen=True, slots=True)
class Control:
    """A null or planted experiment in the same stream as the cases: both turns carry the same arm."""

    id: str
    kind: str  # null | plant
    probe: str
    case: Case
    plant: Plant | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """A reading's claim does no work, and neither does a promised arm without arguments beside one with some."""
        promised, delivered = self.case.promised, self.case.delivered
        idle = self.case.kind is Kind.READING or (not promised.args and any(a.args for a in delivered))
        arm = delivered[0] if idle else promised
        return Turn(arm, "promised"), Turn(arm, self.kind, dict(self.plant.set) if self.plant else {})

    def stored(self) -> dict[str, Any]:
        ratio = self.case.kind not in (Kind.READING, Kind.FACT)
        b = min(self.case.matters - 1, NULL_MOST) if ratio else self.case.matters
        b = 0.0 if self.case.kind is Kind.FACT else b
        return {
            "id": self.id,
            "work": self.case.work,
            "kind": self.kind,
            "probe": self.probe,
            "case": self.case.id,
            "arm": self.turns[0].arm.id,
            "set": dict(self.plant.set) if self.plant else {},
            "expect": self.plant.expect if self.plant else (1.0 if ratio else 0.0),
            "tolerance": self.plant.tolerance if self.plant else b,
        }


def _unmet(needs: Iterable[Need], host: Host) -> Skip | None:
    return next((Skip(n.what, n.cure) for n in needs if not n.met(host)), None)


def _barred(case: Case, host: Host, settings: Settings) -> Skip | None:
    """Why a case cannot run here and now; None where it can."""
    most = max((t.disturbs.rank for t in case.touches), default=0)
    if most > settings.disturb.rank:
        word = list(Disturbs)[most].value
        return Skip(f"consent to disturb the {word}", f"liebench run --disturb {word}")
    if any(t.clock for t in case.touches):
        return Skip("a run that sets no clock", "clock plants run only in liebench selftest --disturb host")
    return _unmet(case.needs, host)


def options_of(name: str, probe: Probe, settings: Settings) -> dict[str, str]:
    """The options of one probe by their own names, as set on the command line or as they are."""
    return {o.name: settings.options.get(f"{name}.{o.name}", o.default) for o in probe.options}


def refuse_unknown_options(chosen: Iterable[Registered], settings: Settings) -> None:
    """Raises UsageError for an option that no chosen probe has."""
    known = {f"{r.id}.{o.name}": o.says for r in chosen for o in r.probe.options}
    for name in settings.options:
        if name not in known:
            there = "; ".join(f"{k}: {v}" for k, v in known.items()) or "no chosen probe has any"
            raise UsageError(f"no chosen probe has the option {name!r}; {there}")


def plan_probe(registered: Registered, host: Host, settings: Settings) -> Planned:
    """The part of one probe. A named probe always gets its rig; ``--quick`` takes headline cases only."""
    probe = registered.probe
    named = registered.id in settings.named
    skip = _unmet(probe.needs, host)
    if skip is None and probe.cost.setup_seconds > settings.profile.most_setup_s and not named:
        took = f"{probe.cost.setup_seconds:g} s of set-up"
        skip = Skip(took, f"liebench run {registered.id}")
    if skip or probe.measure is None:
        return Planned(
            id=registered.id,
            probe=probe,
            cases=(),
            left_out={},
            skipped=skip or Skip("run files to judge", "liebench report"),
        )

    def admit(cases: Sequence[Case]) -> tuple[tuple[Case, ...], Mapping[str, Skip]]:
        wanted = [c for c in cases if c.headline or not settings.profile.headline_only]
        barred = {c.id: _barred(c, host, settings) for c in wanted}
        left_out = {k: v for k, v in barred.items() if v is not None}
        return tuple(c for c in wanted if c.id not in left_out), left_out

    cases, left_out = admit(probe.cases(host, options_of(registered.id, probe, settings)))
    none = None if cases else next(iter(left_out.values()), Skip("a longer run", f"liebench run {registered.id}"))
    return Planned(id=registered.id, probe=probe, cases=cases, left_out=left_out, skipped=none, admit=admit)


def carrier(plant: Plant, cases: Iterable[Case]) -> Case | None:
    """The case that carries a plant: the first that its pattern (``pair-*``) names."""
    return next((c for c in cases if fnmatchcase(c.id, plant.case)), None)


def controls_of(planned: Sequence[Planned]) -> tuple[Control, ...]:
    """One null and one planted control for each class of work that has a control plant among the planned cases."""
    found: dict[str, tuple[Control, ...]] = {}
    for part in planned:
        for plant in part.probe.plants:
            case = carrier(plant, part.cases)
            if plant.control and case is not None and case.work not in found:
                where = f"{part.id}/{case.id}"
                found[case.work] = (
                    Control(f"null:{where}", "null", part.id, case),
                    Control(f"plant:{where}", "plant", part.id, case, plant),
                )
    return tuple(c for pair in found.values() for c in pair)


def estimate_s(planned: Sequence[Planned], settings: Settings) -> float:
    """Seconds this run will take at most: the probes' own costs, within the budget."""
    share = 0.5 if settings.profile.headline_only else 4.0 if settings.profile.name == "deep" else 1.0
    active = [p for p in planned if p.cases]
    return min(settings.budget_s, sum(p.probe.cost.seconds * share for p in active)) + sum(
        p.probe.cost.setup_seconds for p in active
    )


def writes(planned: Sequence[Planned]) -> list[str]:
    """Every key, module, device and byte this plan declares, in words; empty where it writes nothing."""
    said: list[str] = []
    for part in planned:
        for case in part.cases:
            for touch in case.touches:
                where = f"{part.id}/{case.id}"
                said += [f"{where} writes {key} and restores it" for key in touch.keys]
                said += [f"{where} may load the module {name}" for name in touch.modules]
                said += [f"{where} uses the device {name}" for name in touch.devices]
                said += [f"{where} touches {what}" for what in touch.other]
                if touch.bytes_written:
                    said.append(f"{where} writes {touch.bytes_written} bytes")
    return list(dict.fromkeys(said))


def stored_probe(part: Planned) -> dict[str, Any]:
    """A probe's row of the run file, as far as it is known before it measured."""
    probe = part.probe
    left: Mapping[str, Any] = {k: {"needs": s.needs, "cure": s.cure} for k, s in part.left_out.items()}
    return {
        "state": "skipped" if part.skipped or not part.cases else "measured",
        "claim": asdict(probe.claim),
        "preview": probe.preview,
        "cost": asdict(probe.cost),
        "needs": part.skipped.needs if part.skipped else None,
        "cure": part.skipped.cure if part.skipped else None,
        "error": None,
        "cases": {c.id: stored_case(c) for c in part.cases},
        "left_out": left,
        "events": None,
        "facts": {},
        "setup_s": 0.0,
    }
