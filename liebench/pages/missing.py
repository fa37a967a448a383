"""What a page must say of probes that gave no number. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from liebench.words import clean


@dataclass(frozen=True, slots=True)
class Missing:
    """``skipped``: probe, what it needs, its cure. ``failed``: probe, why."""

    skipped: Sequence[tuple[str, str, str]]
    failed: Sequence[tuple[str, str]]


def missing(skipped: Mapping[str, tuple[str, str]], failed: Mapping[str, str]) -> Missing:
    """As verdicts of a run and tables of a gate hold them."""
    return Missing(
        [(clean(k, 60), clean(needs), clean(cure)) for k, (needs, cure) in skipped.items()],
        [(clean(k, 60), clean(why)) for k, why in failed.items()],
    )
