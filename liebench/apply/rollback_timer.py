"""Takes back what nobody confirms: a process of its own, which a lost connection does not end.

``python -P -m liebench.apply.rollback_timer STATE ROOT``: by a timer of systemd where systemd runs, else as the
leader of a session of its own. It may die, too: the next start of liebench does its work then, and a reboot ends in
the old state in any case, since nothing that is not confirmed stands in a file.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from liebench.errors import LiebenchError

if TYPE_CHECKING:
    from liebench.apply.ledger import Change
    from liebench.apply.target import Hands

TRIES, PAUSE_S, LOCK_S = 120, 5.0, 30.0
READY_S = 20.0
SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)


def by_systemd(state: Path, root: Path, seconds: float, unit: str) -> list[str]:
    """The command that starts it by a timer of systemd; an argument each, no shell."""
    timer = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", f"--on-active={seconds:.0f}s"]
    return [*timer, "--timer-property=AccuracySec=1s", *_ourselves(state, root)]


def _ourselves(state: Path, root: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "liebench.apply.rollback_timer", str(state.resolve()), str(root.resolve())]


def start(state: Path, root: Path, seconds: float) -> None:
    """Returns when it stands ready. Raises LiebenchError where it cannot be started; nothing should be changed then."""
    if root == Path("/") and SYSTEMD.is_dir():
        command = by_systemd(state, root, seconds, f"liebench-confirm-{os.getpid()}-{int(time.time())}")
        try:
            if subprocess.run(command, capture_output=True, timeout=READY_S, check=False).returncode == 0:
                return
        except (OSError, subprocess.TimeoutExpired):
            pass  # the process of our own does as well
    _as_a_process(state, root)


def _as_a_process(state: Path, root: Path) -> None:
    devnull = subprocess.DEVNULL
    try:
        child = subprocess.Popen(
            _ourselves(state, root),
            stdin=devnull,
            stdout=subprocess.PIPE,
            stderr=devnull,
            cwd="/",
            start_new_session=True,
        )
        assert child.stdout is not None
        with child.stdout as answer:
            ready = answer.readline()
    except OSError as error:
        raise LiebenchError(f"what takes it back cannot be started: {error.strerror}; nothing was changed") from error
    if ready != b"ready\n":
        raise LiebenchError("what takes it back ended at once; nothing was changed; see `liebench doctor`")
    child.returncode = 0  # it lives on by itself: nobody waits for it


def _waiting(hands: Hands) -> list[Change]:
    states = ("intent", "live", "undoing")
    return [c for c in hands.ledger().open if c.confirm_s is not None and c.state in states]


def watch(state: Path, root: Path) -> None:
    """Until nothing waits: sleep, and settle what has run out. What fails is tried again for ten minutes."""
    from liebench.apply.settle import settle
    from liebench.apply.target import Hands
    from liebench.host import read_host
    from liebench.state.lock import exclusive

    hands, failed = Hands(read_host(root), state), 0
    while failed < TRIES:
        try:
            waiting = _waiting(hands)
            if not waiting:
                return
            left = min(c.left_s(hands.boot, hands.now_s()) for c in waiting)
            if left > 0:
                time.sleep(min(left, 1.0))
                continue
            with exclusive(state, "taking back what nobody confirmed", LOCK_S):
                settle(hands)
            if {c.number for c in _waiting(hands)} & {c.number for c in waiting}:
                raise LiebenchError("it could not be taken back yet")
        except (LiebenchError, OSError):
            failed += 1
            time.sleep(PAUSE_S)


def main() -> None:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    state, root = Path(sys.argv[1]), Path(sys.argv[2])
    from liebench import host  # noqa: F401  what is replaced by an upgrade meanwhile is loaded already

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    watch(state, root)


if __name__ == "__main__":
    main()
