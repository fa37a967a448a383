"""Finds every probe: the folders of ``liebench.probes`` and the entry-point group of the same name.

Nothing registers itself. A probe that cannot be imported is reported as broken and stops no other probe.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from liebench.contract import Layer
from liebench.errors import UsageError, meant
from liebench.judge.verdicts import Judge
from liebench.probe import Probe

GROUP = "liebench.probes"


@dataclass(frozen=True, slots=True)
class Registered:
    """A probe with its id, and the folder that holds its README (None for a probe without one)."""

    id: str
    probe: Probe
    folder: Path | None

    def readme(self) -> str:
        """The README of the probe, or an empty text where it has none."""
        if self.folder is None:
            return ""
        try:
            return (self.folder / "README.md").read_text(encoding="utf-8")
        except OSError:
            return ""


@dataclass(frozen=True, slots=True)
class Registry:
    """Every probe found, by id, and why others could not be loaded."""

    probes: Mapping[str, Registered]
    broken: Mapping[str, str]

    @property
    def judges(self) -> dict[str, Judge]:
        """The judges of the probes that bring their own, by id: what ``judge_run`` takes."""
        return {name: found.probe.judge for name, found in self.probes.items() if found.probe.judge is not None}

    def select(self, names: Iterable[str]) -> tuple[Registered, ...]:
        """Probes named by id or by layer, in a fixed order; all of them where nothing is named.

        Raises UsageError for a name that is neither, with the nearest ones.
        """
        wanted = list(names)
        if not wanted:
            return tuple(self.probes.values())
        chosen: dict[str, Registered] = {}
        for name in wanted:
            found = self._named(name)
            if not found:
                raise UsageError(self._unknown(name))
            chosen |= {p.id: p for p in found}
        return tuple(p for p in self.probes.values() if p.id in chosen)

    def _named(self, name: str) -> list[Registered]:
        if name in self.probes:
            return [self.probes[name]]
        return [p for p in self.probes.values() if p.probe.claim.layer == name]

    def _unknown(self, name: str) -> str:
        if name in self.broken:
            return f"the probe {name} cannot be loaded: {self.broken[name]}"
        known = [*self.probes, *(layer.value for layer in Layer)]
        hint = meant(name, known, "`liebench list` shows what there is.")
        return f"no probe and no layer is called {name!r}; {hint}"


def _identify(module_name: str) -> str:
    return module_name.rsplit(".", 1)[-1].replace("_", "-")


def _load(module_name: str, attribute: str = "PROBE") -> tuple[Probe, Path | None]:
    module = importlib.import_module(module_name)
    probe = getattr(module, attribute)
    if not isinstance(probe, Probe):
        raise TypeError(f"{module_name}.{attribute} is a {type(probe).__name__}, not a Probe")
    return probe, Path(module.__file__).parent if module.__file__ else None


def _names_the_group(place: Path) -> bool:
    """Whether a package installed in this folder names the entry-point group; True where that cannot be looked up."""
    if not place.is_dir():
        return place.exists()  # a zip file
    lists = (*place.glob("*.dist-info/entry_points.txt"), *place.glob("*.egg-info/entry_points.txt"))
    return any(f"[{GROUP}]" in path.read_text(errors="replace") for path in lists)


def _entry_points() -> dict[str, tuple[str, str]]:
    """Probes of other packages: id -> (module, attribute). importlib.metadata costs 25 ms, so it is asked last."""
    if not any(_names_the_group(Path(place)) for place in dict.fromkeys(sys.path) if place):
        return {}
    from importlib.metadata import entry_points

    return {point.name: (point.module, point.attr or "PROBE") for point in entry_points(group=GROUP)}


def find_probes() -> Registry:
    """Import every probe once. Ids are folder names with ``-`` for ``_``, or the entry point's name."""
    sources: dict[str, tuple[str, str]] = {}
    try:
        package = importlib.import_module(GROUP)
    except ImportError as error:
        raise UsageError(
            f"liebench.probes cannot be imported ({error}); in a checkout, run `pip install -e .` first"
        ) from error
    for info in pkgutil.iter_modules(package.__path__):
        if info.ispkg:
            sources[_identify(info.name)] = (f"{GROUP}.{info.name}.probe", "PROBE")
    sources |= _entry_points()
    probes: dict[str, Registered] = {}
    broken: dict[str, str] = {}
    for name, (module, attribute) in sorted(sources.items()):
        try:
            probe, folder = _load(module, attribute)
        except Exception as error:  # one broken third-party probe must not take the others with it
            broken[name] = f"{type(error).__name__}: {error}"
        else:
            probes[name] = Registered(name, probe, folder)
    ordered = sorted(probes.values(), key=lambda p: (list(Layer).index(p.probe.claim.layer), p.id))
    return Registry({p.id: p for p in ordered}, broken)
