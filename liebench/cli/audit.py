"""liebench audit: what differs from this kernel's defaults, who set it, and what is known of it."""

from __future__ import annotations

from typing import Annotated

import typer


def audit(
    everything: Annotated[bool, typer.Option("--all", help="Every setting, also those that are the default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object with every setting.")] = False,
) -> None:
    """Compare this host's settings with what its kernel does by itself. Reads only; needs no root."""
    from liebench.cli.common import emit
    from liebench.host import read_host
    from liebench.settings import audit as audits
    from liebench.text import audit as audit_text

    host = read_host()
    settings, release = audits.audit(host), host.facts["kernel"]["release"]
    if as_json:
        emit(audit_text.as_json(settings, release))
    else:
        print(audit_text.as_text(settings, release, everything))
