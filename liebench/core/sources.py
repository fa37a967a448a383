"""Which C and assembler files make up liebench-core, and the id that names one state of them.

Standard library only and no import of ours: ``setup.py`` runs this file before anything is installed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

COMPILED = (".c", ".S")
SOURCES = (*COMPILED, ".h")
FOLDERS = ("liebench/core", "liebench/core/kernels", "liebench/core/rigs", "probes/*")


def files(root: Path, *suffixes: str) -> list[Path]:
    """The core's files below the checkout ``root`` that end in one of ``suffixes``, in a fixed order."""
    found = {path for folder in FOLDERS for suffix in suffixes for path in root.glob(f"{folder}/*{suffix}")}
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def compiled(root: Path) -> list[Path]:
    """What the compiler is given: every C and assembler file, in a fixed order."""
    return files(root, *COMPILED)


def build_id(root: Path) -> str:
    """12 hex digits over names and contents of all sources: equal sources, equal id, wherever they lie."""
    digest = hashlib.sha256()
    for path in files(root, *SOURCES):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()[:12]
