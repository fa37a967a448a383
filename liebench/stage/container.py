"""Containers of one file: liebench-core alone in a root, by a real runtime (runc) or by namespaces of our own."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.contract import Need
from liebench.errors import StageRefused
from liebench.host import program
from liebench.journal import a_name, undoes
from liebench.stage.core import ENVIRONMENT
from liebench.stage.place import PATHS, Place, place

if TYPE_CHECKING:
    from liebench.stage import Stage

RUNC = Need(
    "runc", lambda host: program(host, "runc") and host.can("CAP_SYS_ADMIN"), "apt install runc; run as root"
)  # rootless it needs a delegated control group
CONTAINERS = "a container of ours"  # what an arm declares in Touches.other
KINDS = ("pid", "network", "ipc", "uts", "mount")
PATIENCE_S = 20.0
CURE = "apt install runc; `runc run` must work here"


def spec(words: list[str]) -> dict[str, Any]:
    """A bundle's config.json: the Open Container Initiative's runtime specification, version 1.0.2."""
    quick = ["nosuid", "strictatime", "mode=755", "size=65536k"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": words,
            "env": [f"{key}={value}" for key, value in ENVIRONMENT.items()],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "root", "readonly": False},
        "hostname": "liebench",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": quick},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": quick},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in KINDS]},
    }


def _root(stage: Stage, folder: Path) -> Path:
    root = folder / "root"
    root.mkdir()
    shutil.copy2(stage.core_path, root / "liebench-core")
    return root


def _runc(state: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["runc", "--root", str(state), *args], capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        env=ENVIRONMENT | PATHS,
    )  # fmt: skip


@contextlib.contextmanager
def _bundled(stage: Stage, words: list[str]) -> Iterator[list[str]]:
    """The command that runs ``words`` in a new container; what runc keeps of it is taken back, also after a kill."""
    if not any(CONTAINERS in t.other for t in stage.touches):
        raise StageRefused(f"{CONTAINERS!r} is not declared in this probe's touches (other)")
    with stage.scratch("", 8, local=False) as folder:
        _root(stage, folder)
        (folder / "config.json").write_text(json.dumps(spec(words)))
        name, state = a_name(), folder / "state"
        with stage.journal.acting("container", name, str(state), None):
            yield ["runc", "--root", str(state), "run", "--bundle", str(folder), name]


@contextlib.contextmanager
def by_runc(stage: Stage, processor: int) -> Iterator[Place]:
    """A place in a container of runc's. Raises NeedUnmet where it does not run here."""
    with (
        _bundled(stage, ["/liebench-core", "place"]) as command,
        place("a container (runc)", command, processor, PATIENCE_S, CURE) as found,
    ):
        yield found


@contextlib.contextmanager
def by_namespaces(stage: Stage, processor: int) -> Iterator[Place]:
    """A place in namespaces of our own, as an ordinary user too. Raises NeedUnmet where none may be made."""
    cure = "run as root, or allow user namespaces"
    with stage.scratch("", 8, local=False) as folder:
        command = [str(stage.core_path), "place", f"root={_root(stage, folder)}"]
        with place("namespaces of ours", command, processor, PATIENCE_S, cure) as found:
            yield found


@contextlib.contextmanager
def starting(stage: Stage) -> Iterator[list[str]]:
    """The command that starts a container, does nothing in it, and ends it."""
    with _bundled(stage, ["/liebench-core", "--nothing"]) as command:
        yield command


@undoes("container")
def _undo_container(entry: Mapping[str, Any]) -> str:
    """Whatever runc still knows of it: its process is ended, its control groups and its state are removed."""
    state = Path(entry["old"])
    if not state.exists():
        return ""
    _runc(state, "delete", "--force", entry["what"])
    shutil.rmtree(state, ignore_errors=True)
    return f"the container {entry['what']} was removed"
