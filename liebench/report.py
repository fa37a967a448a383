"""The report: one HTML page, no script, no network. Imports jinja2, so the measuring half never imports this."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from liebench.advise import Advice
from liebench.embed import TYPE, pack, reduced
from liebench.host import Host
from liebench.judge import RunVerdicts
from liebench.registry import Registered, find_probes
from liebench.result import doc_hash
from liebench.view import page

SECTION = re.compile(r"^## How it is measured\s*\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def _template(name: str) -> str:
    return (resources.files("liebench.reports") / "templates" / name).read_text(encoding="utf-8")


def _how(registered: Registered) -> str:
    found = SECTION.search(registered.readme())
    return found[1].strip() if found else ""


def _sentence(registered: Registered, verdicts: RunVerdicts, host: Host) -> str:
    try:
        delivers = registered.probe.delivers
        return delivers(verdicts.probes[registered.id], host) if delivers else ""
    except Exception:  # facts of a foreign or edited run file; the common sentence is used instead
        return ""


def render(doc: dict[str, Any], verdicts: RunVerdicts, advice: Sequence[Advice], *, raw: bool = False) -> str:
    """The page of one run. ``raw`` embeds every sample instead of a few numbers that give the same words."""
    host = Host(doc["host"])
    try:
        words: Mapping[str, str] = host.words
    except (KeyError, TypeError):
        words = {}
    known = {k: r for k, r in find_probes().probes.items() if k in verdicts.probes}
    sentences = {k: _sentence(r, verdicts, host) for k, r in known.items()}
    model = page(doc, verdicts, advice, words, sentences, {k: _how(r) for k, r in known.items()})
    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["css"] = Markup(_template("report.css"))
    data = Markup(pack({**(doc if raw else reduced(doc)), "of_run": doc_hash(doc)}))
    return environment.get_template("report.html.j2").render(page=model, data=data, type=TYPE)
