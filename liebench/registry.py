"""Finds every probe: the folders of ``liebench.probes`` and the entry-point group of the same name.

Nothing registers itself. A probe that cannot be imported is reported as broken and stops no other probe; so is one
that takes a name which is not free, and one that was written for a newer contract.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import liebench
from liebench import plugins
from liebench.contract import VERSION, Layer
from liebench.errors import UsageError, meant
from liebench.judge.verdicts import Judge
from liebench.probe import Probe

GROUP = plugins.PROBES  # the built-in probes are modules of a package of that name
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


Load = Callable[[], tuple[Probe, Path | None]]  # imports one probe; its folder holds its README


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


def _checked(value: object, where: str) -> Probe:
    """Raises TypeError for what is no probe, UsageError for one that was written for a newer contract."""
    if not isinstance(value, Probe):
        raise TypeError(f"{where} is a {type(value).__name__}, not a Probe")
    if value.contract > VERSION:
        raise UsageError(
            f"it was written for contract {value.contract}, and liebench {liebench.__version__} has contract "
            f"{VERSION}; install a newer liebench, or an older version of the probe"
        )
    return value


def _folder(module: object) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).parent if file else None


def _built_in() -> Iterator[tuple[str, Load]]:
    try:
        package = importlib.import_module(GROUP)
    except ImportError as error:
        raise UsageError(
            f"liebench.probes cannot be imported ({error}); in a checkout, run `pip install -e .` first"
        ) from error

    def load(name: str) -> tuple[Probe, Path | None]:
        module = importlib.import_module(name)
        return _checked(module.PROBE, f"{name}.PROBE"), _folder(module)

    for info in pkgutil.iter_modules(package.__path__):
        if info.ispkg:
            yield _identify(info.name), partial(load, f"{GROUP}.{info.name}.probe")


def _brought(point: plugins.Point) -> tuple[Probe, Path | None]:
    """One that was written for a newer contract may fail before it can say so, hence the version in every message."""
    try:
        found = _checked(point.load(), point.module)
    except UsageError:
        raise
    except Exception as error:
        whence = f"package {point.package}; this liebench has contract {VERSION}"
        raise UsageError(f"{type(error).__name__}: {error} ({whence})") from error
    return found, _folder(sys.modules.get(point.module))


def _refused(point: plugins.Point, built_in: Container[str], others: Iterable[plugins.Point]) -> str:
    """Why a package may not give a probe that name; an empty text where it may."""
    if point.name in built_in:
        taken = f"{point.name} is the name of a built-in probe"
    elif point.name in list(Layer):
        taken = f"{point.name} is the name of a layer"
    elif not ID.fullmatch(point.name):
        taken = f"{point.name!r} is no name: small letters, digits and single hyphens"
    elif sharing := [p.package for p in others if p.name == point.name and p != point]:
        return f"the packages {point.package} and {', '.join(sharing)} both bring it; uninstall one of them"
    else:
        return ""
    return f"{taken}; the package {point.package} must name its entry point otherwise"


def find_probes() -> Registry:
    """Import every probe once. Ids are folder names with ``-`` for ``_``, or the entry point's name."""
    sources: dict[str, Load] = dict(_built_in())
    broken: dict[str, str] = {}
    points, built_in = plugins.points(GROUP), frozenset(sources)
    for point in points:
        why = _refused(point, built_in, points)
        if why:
            broken[point.name] = why
        else:
            sources[point.name] = partial(_brought, point)
    probes: dict[str, Registered] = {}
    for name, load in sorted(sources.items()):
        try:
            probe, folder = load()
        except UsageError as error:
            broken[name] = str(error)
        except Exception as error:  # one broken probe must not take the others with it
            broken[name] = f"{type(error).__name__}: {error}"
        else:
            probes[name] = Registered(name, probe, folder)
    ordered = sorted(probes.values(), key=lambda p: (list(Layer).index(p.probe.claim.layer), p.id))
    return Registry({p.id: p for p in ordered}, broken)
