"""Every change that a probe may name, by id."""

from __future__ import annotations

from collections.abc import Mapping

from liebench import plugins
from liebench.advice import block, clock, container, cpu, files, limits, memory, net
from liebench.advice.change import Change


def theirs() -> plugins.Brought[Change]:
    """The changes of other packages, and why some were refused."""
    return plugins.brought(plugins.CHANGES, Change, lambda change: (change.id,), _built_in().values())


def _built_in() -> Mapping[str, Change]:
    areas = (block, clock, container, cpu, files, limits, memory, net)
    return {change.id: change for area in areas for change in area.CHANGES}


def catalogue() -> Mapping[str, Change]:
    """Every change, by id, with those of other packages."""
    return {**_built_in(), **{change.id: change for _, change in theirs().values}}
