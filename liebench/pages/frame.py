"""The frame of every page: templates, style and the data inside. No script, no network, hostile text escaped.

Only this module touches files (templates and the READMEs of probes); the rest of ``liebench.pages`` is pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from liebench.advice.advise import Advice
from liebench.host import Host, stored_host
from liebench.judge.run import RunVerdicts
from liebench.pages.cards import About
from liebench.pages.prose import how
from liebench.pages.run import page
from liebench.registry import Registered, find_probes
from liebench.runfile.embed import TYPE, pack, reduced


def _template(name: str) -> str:
    return (resources.files("liebench.reports") / "templates" / name).read_text(encoding="utf-8")


def draw(template: str, data: Mapping[str, Any] | None = None, **context: Any) -> str:
    """A template of ``reports/templates/`` filled. ``data``: what the page holds to be read back, if anything."""
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    held = None if data is None else Markup(pack(data))
    styles = {name: Markup(_template(f"{file}.css")) for name, file in (("css", "report"), ("many", "many"))}
    environment.globals.update(styles, data=held, type=TYPE)
    return environment.get_template(template).render(**context)


def _sentence(registered: Registered, verdicts: RunVerdicts, host: Host) -> str:
    try:
        delivers = registered.probe.delivers
        return delivers(verdicts.probes[registered.id], host) if delivers else ""
    except Exception:  # facts of a foreign or edited run file; the common sentence is used instead
        return ""


def run_page(
    doc: dict[str, Any], verdicts: RunVerdicts, advice: Sequence[Advice], *, raw: bool = False, of_run: str = ""
) -> str:
    """The page of one run. ``raw`` embeds every sample instead of a few numbers that give the same words.

    ``of_run``: SHA-256 of the run file, so that a page can be held against it.
    """
    host = stored_host(doc)
    try:
        words: Mapping[str, str] = host.words
    except (KeyError, TypeError):
        words = {}
    probes = {name: found for name, found in find_probes().probes.items() if name in verdicts.probes}
    about = {
        name: About(words, _sentence(found, verdicts, host), how(found.readme(), name))
        for name, found in probes.items()
    }
    plain = {name for name, found in probes.items() if found.probe.judge is None}
    model = page(doc, verdicts, advice, about)
    held = {**(doc if raw else reduced(doc, plain)), "of_run": of_run or doc.get("of_run", "")}
    return draw("run.html.j2", held, page=model)
