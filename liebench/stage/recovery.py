"""What a killed process left behind, the next start takes back."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from liebench.errors import HostBusy, NeedUnmet
from liebench.stage.acts import act_of, is_theirs, unknown
from liebench.state.journal import is_alive, journals, ourselves, pending
from liebench.state.lock import exclusive

ENDS_S = 1.0


def recover(state: Path, boot: str | None) -> list[str]:
    """Take back what dead processes left. Returns one sentence per thing done, left or reported.

    Values of the host are taken back under the lock alone (``liebench.state.lock``). Whoever holds it has taken them
    back before it changed any; to compare them with what it has set since would find a stranger's value, and forget
    ours for good.
    """
    said: list[str] = []
    for path in journals(state):
        try:
            if any(e["kind"] == "value" for e in pending(path)):
                with suppress(HostBusy, NeedUnmet), exclusive(state, "taking back what was left"):
                    if path.stem != ourselves() and _has_ended(path):
                        _recover_all(path, boot, said)
            elif not is_alive(path):
                _recover_all(path, boot, said)
        except FileNotFoundError:
            continue  # another start, or the guardian, has taken it back meanwhile
        except OSError as error:
            said.append(f"{path} cannot be read: {error.strerror}; look at it as the user who owns it")
    return said


def _has_ended(path: Path) -> bool:
    """A killed process gives back its lock a moment before the kernel calls it ended."""
    until = time.monotonic() + ENDS_S
    while is_alive(path):
        if time.monotonic() > until:
            return False  # it changes values without the lock: they are its own
        time.sleep(0.01)
    return True


def _recover_all(path: Path, boot: str | None, said: list[str]) -> None:
    left = [s for s in (_recover_one(e, boot, said) for e in pending(path)) if s]
    if not left:
        path.unlink(missing_ok=True)


def _recover_one(entry: dict[str, Any], boot: str | None, said: list[str]) -> bool:
    """True where the entry must stay in its journal."""
    if entry["uid"] != os.getuid():
        said.append(f"{entry['what']} was changed by user {entry['uid']}; run liebench as that user to take it back")
        return True
    act = act_of(entry["kind"])
    outlives = act.outlives_boot if act else is_theirs(entry["kind"])
    if entry["boot"] != boot and not outlives:
        return False  # the boot has taken it back
    if act is None:
        said.append(f"{entry['what']} is still changed: {unknown(entry['kind'])}")
        return True
    try:
        word = act.undo(entry)
    except OSError as error:
        said.append(f"{entry['what']} could not be taken back: {error.strerror}; its old value is {entry['old']!r}")
        return True
    except Exception as error:
        if not is_theirs(entry["kind"]):
            raise
        said.append(f"{entry['what']} could not be taken back by {entry['kind']!r}: {type(error).__name__}: {error}")
        return True  # a package's mistake must not stop every start
    if word:
        said.append(word)
    return False
