"""What ``liebench audit`` prints, and its ``--json`` form. Pure: settings in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from liebench.settings.audit import Departure, Setting
from liebench.words import clean, tally, wrapped

ORDER = (Departure.LOWERS, Departure.NO_EFFECT, Departure.DIFFERS, Departure.UNKNOWN, Departure.DEFAULT)
SHAPES = {
    Departure.LOWERS: "◆",
    Departure.NO_EFFECT: "○",
    Departure.DIFFERS: "◇",
    Departure.UNKNOWN: "?",
    Departure.DEFAULT: "●",
}


def as_text(settings: Sequence[Setting], release: str | None, everything: bool) -> str:
    """A paragraph per setting that is worth one, the gravest first; with ``everything`` all of them."""
    shown = [s for s in settings if everything or s.notable]
    kernel = f"Linux {release}" if release else "this kernel, of an unknown version,"
    lines = [*_hanging(f"Settings against what {kernel} does by itself; nothing was changed."), ""]
    for standing in ORDER:
        for setting in (s for s in shown if s.standing is standing):
            lines += _paragraph(setting)
    if not shown:
        lines += ["Every setting that is known here is the kernel's own.", ""]
    counts = {standing.value: sum(s.standing is standing for s in settings) for standing in ORDER}
    lines += ["", *_hanging(f"{len(settings)} settings: {tally(counts, '')}")]
    lines += _hanging("Defaults are those of kernel.org's releases; a distribution's kernel may have its own.")
    if not everything:
        lines.append("`liebench audit --all` shows every one, and where its default is written.")
    return "\n".join(lines)


def _paragraph(setting: Setting) -> list[str]:
    now = "is not there" if setting.now is None else f"= {setting.now}"
    lines = _hanging(f"{SHAPES[setting.standing]} {setting.key} {now}: {setting.standing.value}")
    if setting.standing is not Departure.DEFAULT and setting.default is not None:
        lines += _hanging(f"the kernel's own is {setting.default} ({setting.source})", "  ")
    elif setting.source and setting.now is not None:
        lines += _hanging(f"source: {setting.source}", "  ")
    lines += _hanging(f"set by {setting.by}", "  ")
    return lines + (_hanging(setting.note, "  ") if setting.note else [])


def _hanging(text: str, indent: str = "") -> list[str]:
    """A paragraph whose first line stands two columns before the others."""
    return wrapped(clean(text), indent, indent + "  ")


def as_json(settings: Sequence[Setting], release: str | None) -> dict[str, Any]:
    """Every setting by its key; what is not known is null."""
    rows = {
        s.key: {
            "now": s.now,
            "default": s.default,
            "standing": s.standing.value,
            "by": s.by,
            "note": s.note or None,
            "source": s.source,
            "owners": [asdict(o) for o in s.owners],
        }
        for s in settings
    }
    return {"schema": "liebench.audit/1", "exit": 0, "kernel": release, "settings": rows}
