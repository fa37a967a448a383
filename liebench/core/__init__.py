"""The native half: where liebench-core lies, and whether it was built from the sources beside it."""

from __future__ import annotations

import os
from pathlib import Path

from liebench.core import sources
from liebench.errors import CoreMissing

__all__ = ["core_path", "is_static", "source_build_id"]

_HERE = Path(__file__).resolve().parent


def core_path() -> Path:
    """The executable: ``$LIEBENCH_CORE`` where that is set, else the one installed with this package.

    Raises ``CoreMissing`` where there is none that can be executed.
    """
    named = os.environ.get("LIEBENCH_CORE")
    path = Path(named) if named else _HERE / "bin" / "liebench-core"
    if path.is_file() and os.access(path, os.X_OK):
        return path
    if named:
        raise CoreMissing(f"LIEBENCH_CORE names {path}, which is no executable file; unset it or name the right one")
    raise CoreMissing(
        f"there is no executable {path}; build it: `pip install -e .` in the checkout (needs a C compiler)"
    )


def source_build_id() -> str | None:
    """The build id that the C sources beside this package would give, or None where they are not installed.

    Compare it with the id that ``liebench-core --version`` prints: where they differ, the executable is stale.
    """
    return sources.build_id(_HERE.parents[1]) if (_HERE / "main.c").is_file() else None


def is_static(path: Path) -> bool:
    """Whether the ELF executable at ``path`` runs without anything beside it (it names no program interpreter).

    A dynamic core measures as well, but cannot run alone in a container's root or as init of a guest.
    """
    image = path.read_bytes()
    if image[:5] != b"\x7fELF\x02":
        return False
    table, size, count = (int.from_bytes(image[a:b], "little") for a, b in ((32, 40), (54, 56), (56, 58)))
    interpreter = 3  # PT_INTERP, elf(5)
    return all(int.from_bytes(image[table + i * size :][:4], "little") != interpreter for i in range(count))
