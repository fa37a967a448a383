"""The native half: where liebench-core lies, and whether it was built from the sources beside it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from liebench.core import sources
from liebench.errors import CoreMissing

__all__ = ["Identity", "core_path", "identity", "include_dir", "is_static", "source_build_id"]

_HERE = Path(__file__).resolve().parent
KINDS = ("batched", "plain")


def core_path() -> Path:
    """The executable: ``$LIEBENCH_CORE`` where that is set, else the one installed with this package.

    Raises ``CoreMissing`` where there is none that can be executed.
    """
    named = os.environ.get("LIEBENCH_CORE")
    path = Path(named) if named else _HERE / "bin" / "liebench-core"
    if closed := closed_folder(path):
        raise CoreMissing(f"{path} cannot be reached: this user may not enter {closed}; install liebench elsewhere")
    if path.is_file() and os.access(path, os.X_OK):
        return path
    if named:
        raise CoreMissing(f"LIEBENCH_CORE names {path}, which is no executable file; unset it or name the right one")
    raise CoreMissing(
        f"there is no executable {path}; build it: `pip install -e .` in the checkout (needs a C compiler)"
    )


def closed_folder(path: Path) -> Path | None:
    """The topmost folder above ``path`` that this user may not enter; None where all may be entered."""
    return next((p for p in reversed(path.absolute().parents) if p.is_dir() and not os.access(p, os.X_OK)), None)


def include_dir() -> Path:
    """The folder of ``lb.h``, and of the C files to link with kernels of your own: ``cc -I DIR my.c DIR/*.c -lm``."""
    return _HERE


@dataclass(frozen=True, slots=True)
class Identity:
    """What an executable says of itself, the kernels that it lists (name -> batched or plain), and its own hash."""

    version: str
    build: str
    sha256: str
    kernels: Mapping[str, str]

    def stored(self) -> dict[str, str]:
        """What a run file keeps of it: never where it lay."""
        return {"version": self.version, "build": self.build, "sha256": self.sha256}


def identity(path: Path) -> Identity:
    """Ask a probe's own executable who it is. Raises CoreMissing, without its folder, where it is none of ours."""
    what, cure = f"the executable {path.name} that this probe brings", "install the probe's package again"
    if closed_folder(path) or not path.is_file() or not os.access(path, os.X_OK):
        raise CoreMissing(f"{what} is missing, or this user may not execute it; {cure}")
    name, version, build = (_asked(path, "--version").split() + [""] * 3)[:3]
    rows = [line.split("\t") for line in _asked(path, "--list").splitlines()]
    fits = bool(name and version and build and rows) and all(len(r) == 3 and r[1] in KINDS for r in rows)
    if not fits:
        raise CoreMissing(f"{what} does not speak the protocol of liebench-core (--version, --list); {cure}")
    return Identity(version, build, sha256(path.read_bytes()).hexdigest(), {row[0]: row[1] for row in rows})


def _asked(path: Path, question: str) -> str:
    """Its answer; an empty one where it gives none, or fails."""
    try:
        done = subprocess.run([path, question], stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def source_build_id() -> str | None:
    """The build id that the C sources beside this package would give, or None where they are not installed.

    Compare it with the id that ``liebench-core --version`` prints: where they differ, the executable is stale.
    """
    return sources.build_id(_HERE.parents[1]) if (_HERE / "kernels/null.c").is_file() else None


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
