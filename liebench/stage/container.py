"""Containers of one file: liebench-core alone in a root, by a runtime of this host or by namespaces of our own."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.errors import NeedUnmet, StageRefused
from liebench.host import Host, program
from liebench.stage.act import Act, acting
from liebench.stage.core import ENVIRONMENT
from liebench.stage.engine import ENGINES, engine_command, forget_groups
from liebench.stage.place import PATHS, Place, place
from liebench.state.journal import a_name

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

RUNTIMES = ("runc", "crun")  # they take the same words; rootless they need a delegated control group
GVISOR = "runsc"  # takes the same words too, and answers system calls itself: by name only
UNPRIVILEGED = ("bwrap",)
OWN = "own"
CONTAINERS = "a container of ours"  # what an arm declares in Touches.other
KINDS = ("pid", "network", "ipc", "uts", "mount")
PLACE = ("/liebench-core", "place")
PATIENCE_S = 20.0
CURE = "apt install runc and run as root, or allow user namespaces"


def kinds(host: Host) -> tuple[str, ...]:
    """What may make a container here, best first."""
    real = [r for r in RUNTIMES if program(host, r)] if host.can("CAP_SYS_ADMIN") else []
    return (*real, *(r for r in UNPRIVILEGED if program(host, r)), OWN)


def spec() -> dict[str, Any]:
    """A bundle's config.json: the Open Container Initiative's runtime specification, version 1.0.2."""
    quick = ["nosuid", "strictatime", "mode=755", "size=65536k"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(PLACE),
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


@contextlib.contextmanager
def container_command(stage: Stage, kind: str) -> Iterator[list[str]]:
    """The command that makes a place in a new container, by one of ``kinds``; what is kept of it is taken back."""
    if not any(CONTAINERS in t.other for t in stage.touches):
        raise StageRefused(f"{CONTAINERS!r} is not declared in this probe's touches (other)")
    found = shutil.which(kind, path=PATHS["PATH"]) or kind
    with stage.scratch("", 8, local=False) as folder:
        root = _root(stage, folder)
        if kind in ENGINES:
            with engine_command(stage, kind, folder, root, PLACE) as command:
                yield command
        elif kind == OWN:
            yield [str(stage.core_path), PLACE[1], f"root={root}"]
        elif kind in UNPRIVILEGED:
            mounts = ["--bind", str(root), "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
            yield [found, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL", *mounts, *PLACE]
        else:
            (folder / "config.json").write_text(json.dumps(spec()))
            name, state = a_name(), folder / "state"
            own = ["--network=none", "--ignore-cgroups"] if kind == GVISOR else []
            with acting(stage.journal, CONTAINER, name, str(state), found):
                yield [found, "--root", str(state), *own, "run", "--bundle", str(folder), name]


@contextlib.contextmanager
def container(stage: Stage, processor: int, named: str = "") -> Iterator[Place]:
    """A place in a container, by the first of ``kinds`` that works; ``facts["by"]`` names it. Raises NeedUnmet.

    ``named``: only by this one.
    """
    said: list[str] = []
    asked = [k for k in (*ENGINES, GVISOR) if k == named and program(stage.host, k)]
    for kind in (k for k in (*asked, *kinds(stage.host)) if named in ("", k)):
        with contextlib.ExitStack() as stack:
            try:
                command = stack.enter_context(container_command(stage, kind))
                found = stack.enter_context(place(f"a container ({kind})", command, processor, PATIENCE_S, CURE))
            except NeedUnmet as error:
                said.append(error.what)
                continue
            found.facts = {"by": kind, "tried": said}
            yield found
            return
    said = said or [f"no {named}, or not as this user"]
    raise NeedUnmet(f"a container that comes up ({'; '.join(said)})", CURE)


def _undo_container(entry: Mapping[str, Any]) -> str:
    """Whatever its runtime still knows of it: the process is ended, its control groups and its state are removed."""
    state = Path(entry["old"])
    if not (state / entry["what"]).exists():  # killed before it was written down, its groups may stand already
        forget_groups(entry["what"])
        return ""
    command = [entry["new"], "--root", str(state), "delete", "--force", entry["what"]]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False, env=ENVIRONMENT | PATHS)
    if done.returncode:
        return f"{' '.join(command)} failed: {done.stderr.decode('utf-8', 'replace').strip()[-200:]}"
    forget_groups(entry["what"])
    return f"the container {entry['what']} was removed"


CONTAINER = Act("container", _undo_container)
