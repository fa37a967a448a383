"""Hostile text and numbers, made fit for other tools. Pure.

Names, reasons and notes may hold anything that a run file or a third-party probe put there. What no reader needs
(control characters, directions, invisible ones, halves of surrogate pairs) becomes visible as ``U+XXXX``.
"""

from __future__ import annotations

import re

from liebench.judge.rows import known

INVISIBLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    r"\ufff0-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
BREAK = re.compile(r"[\r\n\t]+")


def visible(text: object) -> str:
    """The text on one line, without a character that hides, turns or ends something."""
    return BREAK.sub(" ", INVISIBLE.sub(lambda m: f"U+{ord(m[0]):04X}", str(text)))


def cut(text: object, most: int) -> str:
    """``visible`` and at most so many characters, the last one an ellipsis where something was cut."""
    whole = str(text)
    line = visible(whole[: 4 * most])  # of a text of a megabyte only its beginning is looked at
    return line if len(line) <= most and len(whole) <= 4 * most else line[: most - 1] + "…"


def exact(value: float | None) -> str:
    """The shortest decimal that reads back as the same number; empty where it is not known."""
    return "" if known(value) is None else repr(value)
