"""The README of a probe as HTML inside the page. Raw HTML in it stays text, and nothing in it links or loads."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

SHOWN = ("Why it matters", "How it is measured", "Known answer", "What fools it")
SECTION = re.compile(r"^## (.+?)\s*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
RENDER = MarkdownIt("commonmark", {"html": False}).disable(["image", "link", "autolink", "reference"])


def sections(readme: str) -> list[tuple[str, Markup]]:
    """(heading, HTML) of what the page shows of a README: why, how, against what known answer, and what fools it.

    The claim stands on the card, what to do among the changes; sources stay in the repository.
    """
    held = {heading: text.strip() for heading, text in SECTION.findall(readme)}
    return [(name, Markup(RENDER.render(held[name]).strip())) for name in SHOWN if held.get(name)]
