"""The README of a probe as HTML inside the page. Raw HTML in it stays text, and nothing in it links or loads."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

SHOWN, MOST = "How it is measured", 600
SENTENCE = re.compile(r"(?<=[.:]) (?=[A-Z`*])|\n\n")
SECTION = re.compile(r"^## (.+?)\s*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
RENDER = MarkdownIt("commonmark", {"html": False}).disable(["image", "link", "autolink", "reference"])


def how(readme: str, probe: str) -> Markup:
    """How a probe measures, from its README, as HTML: whole sentences up to some ``MOST`` characters.

    What is left out is named with the command that prints it. Empty where the README does not say.
    """
    found = {heading: text.strip() for heading, text in SECTION.findall(readme)}
    shown: list[str] = []
    for sentence in SENTENCE.split(found.get(SHOWN, "")):
        if sum(map(len, shown)) + len(sentence) > MOST and shown:
            shown.append(f"`liebench explain {probe}` says the rest.")
            break
        shown.append(sentence)
    return Markup(RENDER.render(" ".join(shown)).strip())
