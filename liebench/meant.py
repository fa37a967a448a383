"""Names that somebody may have meant who wrote one that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def meant(name: str, known: Iterable[str], else_: str, most: int = 3) -> str:
    """``did you mean A or B?``, the nearest first; ``else_`` where nothing is near."""
    import difflib  # only who erred waits for it

    near = difflib.get_close_matches(name, sorted(set(known)), n=most)
    return f"did you mean {' or '.join(near)}?" if near else else_
