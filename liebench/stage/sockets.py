"""The host's own live TCP connections to others, asked of ss(8)."""

from __future__ import annotations

import subprocess

from liebench.contract import Need
from liebench.facts.sockets import Connection, parse
from liebench.host import program
from liebench.stage.core import ENVIRONMENT

PATIENCE_S = 10
SS = Need("ss", lambda host: program(host, "ss"), "apt install iproute2")


def connections() -> list[Connection] | None:
    """Every established connection to another host in our network namespace; None where ss does not say."""
    try:
        done = subprocess.run(
            ["ss", "-tinH", "state", "established"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
            env=ENVIRONMENT | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse(done.stdout)
