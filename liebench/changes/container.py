"""Changes around containers."""

from __future__ import annotations

from liebench.changes import Change, unknown

CHANGES = (
    Change(
        "keep-containers",
        "how long a container lives",
        "container",
        "as the orchestrator has it",
        "what one piece of work leaves behind, the next one finds",
        "use {to}",
        "start one for each piece again ({now})",
        "container-vm",
        unknown,
    ),
)
