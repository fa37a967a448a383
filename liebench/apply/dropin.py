"""The files that hold applied changes through a reboot (sysctl.d(5), tmpfiles.d(5)). Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from liebench.apply.ledger import SYSCTLS, Change
from liebench.errors import UsageError

PLAIN = re.compile(r"[A-Za-z0-9 ._,:/+=@-]*")  # what no format that is written here reads as its own


COMMENT = re.compile(r"[^ !-~]|[{}$`\\%]")


def comment(text: str) -> str:
    """Text for a comment: one line of printable ASCII without what templates and shells expand."""
    return COMMENT.sub("?", " ".join(text.split())[:400])


def plain(text: str, what: str) -> str:
    """Raises UsageError for text that a configuration file could read as something else."""
    if not PLAIN.fullmatch(text) or text != text.strip():
        raise UsageError(
            f"{what} {text[:40]!r} holds characters that a configuration file would read as its own; "
            "nothing was written: such a value can only be set by hand"
        )
    return text


def sysctl_name(path: str) -> str:
    """Dots between the parts, or slashes where a part itself has a dot, as an interface eth0.7 (sysctl.d(5))."""
    parts = path.removeprefix("/proc/sys/").split("/")
    return ("/" if any("." in p for p in parts) else ".").join(parts)


def comments(change: Change) -> list[str]:
    """The evidence of a change, for whoever finds the file: lines of at most 78 characters."""
    lines = [f"{change.key}: {change.from_} -> {change.to}, {change.time}", change.evidence]
    if change.number:
        lines.append(f"to take it back: liebench undo {change.number}")
    wide = [comment(line) for line in [*lines, f"what can get worse: {change.risk}"]]
    return [part for line in wide for part in textwrap.wrap(line, 78, subsequent_indent="  ")]


def dropin_text(file: str, changes: Sequence[Change]) -> str:
    """The whole drop-in; empty where it would hold nothing."""
    if not changes:
        return ""
    lines = ["# Written by liebench, which removes it again: liebench undo all", "# To keep a line, move it elsewhere."]
    for change in changes:
        lines += ["", *(f"# {line}" for line in comments(change)), setting_line(file, change)]
    return "\n".join(lines) + "\n"


def setting_line(file: str, change: Change) -> str:
    value = plain(" ".join(change.text.split()), f"the value of {change.key}")
    if file == SYSCTLS:
        return f"{plain(sysctl_name(change.path), 'the key')} = {value}"
    if " " in plain(change.path, "the path"):
        raise UsageError(f"{change.path} holds a space, which tmpfiles.d would read as an end; set it by hand")
    return f"w {change.path} - - - - {value}"
