"""In CI a test skips only as ci/allowed-skips.toml says. Tests marked ``guest`` run in a guest
(helpers/guest_plugin.py).

The state folder of every command that a test starts is a fresh one (``LIEBENCH_STATE``), never the host's own.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest

ALLOWED = Path(__file__).parents[1] / "ci" / "allowed-skips.toml"


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("LIEBENCH_USAGE_S", "0.1")  # every run asks for usage: three seconds, many times
    os.environ["LIEBENCH_STATE"] = tempfile.mkdtemp(prefix="liebench-tests-")
    from tests.helpers.guest_plugin import GuestTests

    config.pluginmanager.register(GuestTests(allowed))


def _patterns() -> list[str]:
    return [str(row["pattern"]) for row in tomllib.loads(ALLOWED.read_text())["skip"]]


def allowed(report: pytest.TestReport) -> pytest.TestReport:
    """A skip that is not allowed is a failure where CI=true."""
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not any(re.search(pattern, reason) for pattern in _patterns()):
            report.outcome = "failed"
            report.longrepr = (
                f"{report.nodeid} skipped in CI: {reason}; meet its need, or list it in ci/allowed-skips.toml"
            )
    return report


AUTOGROUP = Path("/proc/self/autogroup")


def pytest_sessionstart() -> None:
    """Whoever else works on this machine works behind us, where we may say so: the kernel's tests need a processor.

    ``LIEBENCH_TESTS_NICE`` says otherwise (ci/run_tests.py): 0 leaves all as it is. sched(7): with autogroups a nice
    value counts within a session only, and the session has one of its own.
    """
    if nice := int(os.environ.get("LIEBENCH_TESTS_NICE", "-20")):
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, nice)
        with contextlib.suppress(OSError):
            AUTOGROUP.write_text(str(nice))


def pytest_sessionfinish() -> None:
    shutil.rmtree(os.environ["LIEBENCH_STATE"], ignore_errors=True)
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text("0")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return allowed((yield))
