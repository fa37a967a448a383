"""liebench measures what the layers below an application promise against what they deliver.

``liebench.frames(runs)``: run files as one pandas frame, a row per repetition (``liebench.runfile.frames``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liebench.runfile.frames import frames

__version__ = "0.1.0"
__all__ = ["__version__", "frames"]


def __getattr__(name: str) -> Any:
    """pandas costs half a second to import: only who asks for a frame pays."""
    if name != "frames":
        raise AttributeError(f"module 'liebench' has no attribute {name!r}")
    from liebench.runfile.frames import frames

    return frames
