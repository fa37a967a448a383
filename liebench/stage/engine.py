"""Containers by an engine that the user has (podman, docker): asked for by name only, since they keep things.

podman gets a store of its own in our scratch folder and a root that is a plain folder, so the user's images and
containers are not touched. docker knows only its own store: an image of one file is imported under a name of ours
and removed again. What an engine adds by itself (its seccomp filter, its shim) is part of what is measured.
"""

from __future__ import annotations

import contextlib
import io
import resource
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from liebench.errors import NeedUnmet
from liebench.stage.act import Act, acting
from liebench.stage.core import ENVIRONMENT
from liebench.stage.place import PATHS
from liebench.state.journal import a_name

if TYPE_CHECKING:
    from liebench.stage.stage import Stage

ENGINES = ("podman", "docker")
GROUPS = Path("/sys/fs/cgroup")
PATIENCE_S, ENDS_S = 60.0, 10.0
ENOUGH = 1024  # files and processes
CURE = "start the engine, or name another runtime: --set container-vm.runtime=runc"


def _asked(command: Sequence[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command, input=data, capture_output=True, timeout=PATIENCE_S, check=False, env=ENVIRONMENT | PATHS
    )


def _limits() -> list[str]:
    """Limits that are no higher than ours: as root an engine raises them by default, which needs CAP_SYS_RESOURCE."""
    found = []
    for name, kind in (("nofile", resource.RLIMIT_NOFILE), ("nproc", resource.RLIMIT_NPROC)):
        hard = resource.getrlimit(kind)[1]
        most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
        found += ["--ulimit", f"{name}={most}:{most}"]
    return found


@contextlib.contextmanager
def engine_command(stage: Stage, kind: str, folder: Path, root: Path, words: Sequence[str]) -> Iterator[list[str]]:
    """The command that runs ``words`` in a container by this engine, on standard input and output.

    Raises NeedUnmet with the engine's own words where it does not do what it must before.
    """
    found, name = shutil.which(kind, path=PATHS["PATH"]) or kind, a_name()
    run = ["run", "--rm", "--interactive", "--name", name, "--network", "none", *_limits()]
    if kind == "podman":
        runtime = shutil.which("runc", path=PATHS["PATH"])  # crun refuses a hybrid of both versions of control groups
        own = [
            found,
            "--root",
            str(folder / "store"),
            "--runroot",
            str(folder / "run"),
            "--tmpdir",
            str(folder / "tmp"),
        ]
        own += ["--cgroup-manager", "cgroupfs", "--log-level", "error"]
        own += ["--storage-driver", "vfs"]  # the overlay driver leaves a mount behind
        own += ["--runtime", runtime] if runtime else []
        with acting(stage.journal, ENGINE, name, own, None):
            yield [*own, *run, "--log-driver", "none", "--cgroup-parent", f"/{name}", "--rootfs", str(root), *words]
        return
    with acting(stage.journal, ENGINE, name, [found], "image"):
        done = _asked([found, "import", "-", name], _archive(root))
        if done.returncode:
            said = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"])[-1]
            raise NeedUnmet(f"docker that takes an image ({said[-200:]})", CURE)
        yield [found, *run, name, *words]


def _at_work(name: str) -> bool:
    """Whether a process of the engine still deals with this container: its command line names it."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if name.encode() in file.read_bytes():
                return True
    return False


def forget_groups(name: str) -> None:
    """Control groups of a container that its runtime left: podman the parents, runc one that was busy just then."""
    until = time.monotonic() + ENDS_S
    while time.monotonic() < until:
        busy = _at_work(name)  # its cleaner makes the groups once more
        parents = [*GROUPS.glob(name), *GROUPS.glob(f"*/{name}")]
        if not parents and not busy:
            return
        for parent in parents:
            for group in sorted((g for g in (parent, *parent.rglob("*")) if g.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    group.rmdir()
        time.sleep(0.02)


def _archive(root: Path) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, path.name)
    return data.getvalue()


def _undo_engine(entry: Mapping[str, Any]) -> str:
    """The container is ended and forgotten; docker's image of ours goes too. One that is gone already is fine."""
    own, name = list(entry["old"]), entry["what"]
    if entry["new"] != "image" and not Path(own[2]).exists():  # the store of ours went with the scratch folder
        return ""
    _asked([*own, "rm", "--force", name])
    if entry["new"] != "image":
        forget_groups(name)
        return f"the container {name} was removed"
    done = _asked([*own, "rmi", "--force", name])
    said = done.stderr.decode("utf-8", "replace").strip()[-200:]
    missing = "no such image" in said.lower() or "cannot connect" in said.lower()
    return f"the image {name} was removed" if done.returncode == 0 or missing else f"docker rmi {name} failed: {said}"


ENGINE = Act("engine", _undo_engine)
