"""The summary of a fleet on a terminal: odd hosts first, then the costliest lies. Pure."""

from __future__ import annotations

from liebench.compare.fleet import LIE_OF, Fleet
from liebench.words import clean, short


def fleet_text(found: Fleet) -> str:
    """The summary for a terminal: odd hosts first, then the costliest lies."""
    odd = found.hosts[found.hosts["odd"] > 0]
    lines = [f"{len(odd)} of {len(found.hosts)} hosts stand out"]
    for row in odd.to_dict("records"):
        lines.append(
            f"  {clean(row['host'], 64)}: {row['odd']} of {row['lies']} lies, most of all {clean(row['worst'], 80)}"
        )
    for row in found.lies[found.lies["matter"] > 0].to_dict("records"):
        name = clean("/".join(str(row[c]) for c in LIE_OF), 80)
        size = f"{short(row['median'])} {'×' if row['unit'] == 'ratio' else clean(row['unit'], 16)}"
        lines.append(f"  {name}: costly on {row['costly']} of {row['hosts']} hosts, median {size}")
    return "\n".join(lines)
