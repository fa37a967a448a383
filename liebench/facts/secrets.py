"""What looks like a secret in a command is kept out of run files. Pure: words in, words out."""

from __future__ import annotations

import re
from collections.abc import Sequence

NAME = r"[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|key|credential)[\w.-]*"
VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"']+)"""
HIDDEN = "(redacted)"
GIVEN = re.compile(rf"({NAME})=({VALUE})", re.IGNORECASE)  # TOKEN=…, --password=…
FLAG = re.compile(rf"(?<![\w-])(--?{NAME})(\s+)({VALUE})", re.IGNORECASE)  # --password …
ALONE = re.compile(rf"--?{NAME}", re.IGNORECASE)
ADDRESS = re.compile(r"(\w+://[^/\s:@]*):[^/\s@]+@")  # scheme://user:password@


def hidden(text: str) -> str:
    """The text without values that are named like secrets: ``name=value``, a flag's value, a password in an address."""
    text = ADDRESS.sub(rf"\1:{HIDDEN}@", text)
    text = GIVEN.sub(rf"\1={HIDDEN}", text)
    return FLAG.sub(rf"\1\2{HIDDEN}", text)


def hidden_words(words: Sequence[str]) -> list[str]:
    """The same for the words of a command line, where a flag's value is the next word."""
    found: list[str] = []
    for before, word in zip(("", *words), words, strict=False):
        found.append(HIDDEN if ALONE.fullmatch(before) and not word.startswith("-") else hidden(word))
    return found
