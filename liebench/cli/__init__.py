"""The command line: one file per command, each parses, calls and prints. ``main`` is the script ``liebench``."""

from __future__ import annotations

import os
import sys

COMMANDS = (
    *("run", "look", "audit", "list", "explain", "doctor", "report", "verify", "selftest", "export"),
    *("compare", "gate", "noise", "history", "baseline", "try"),
    *("apply", "undo", "status"),
)


def main() -> None:
    """Entry point. Every error ends with its own exit code; one that is ours never reads as a regression (70)."""
    if sys.argv[1:] == ["--version"]:  # answered before anything is imported: scripts ask this often
        from liebench import __version__

        print(f"liebench {__version__}")
        return
    from liebench.errors import LiebenchError

    try:
        from liebench.cli.app import app

        app()
    except LiebenchError as error:
        print(f"liebench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away; say nothing more
        sys.exit(0)
    except Exception as error:  # an uncaught exception would end with 1, which means a regression
        if "--debug" in sys.argv or "LIEBENCH_DEBUG" in os.environ:
            raise
        print(f"liebench: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a defect of liebench. LIEBENCH_DEBUG=1 shows where; please report it.", file=sys.stderr)
        sys.exit(70)
