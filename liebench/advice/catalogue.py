"""Every change that a probe may name, by id."""

from __future__ import annotations

from collections.abc import Mapping

from liebench.advice import block, clock, container, cpu, files, limits, memory, net
from liebench.advice.change import Change


def catalogue() -> Mapping[str, Change]:
    """Every change, by id."""
    areas = (block, clock, container, cpu, files, limits, memory, net)
    return {change.id: change for area in areas for change in area.CHANGES}
