"""Tests marked ``guest`` run in a guest (guest_machine.py), after all others; their reports come back as our own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import pytest

from liebench.errors import CoreFailed, NeedUnmet

from tests.helpers.guest_machine import INSIDE, Guest


def _said(item: pytest.Item, outcome: str, text: str) -> pytest.TestReport:
    """What happened to a test before it could begin."""
    path, line, _ = item.location
    said = (path, (line or 0) + 1, f"Skipped: {text}") if outcome == "skipped" else text
    return pytest.TestReport(item.nodeid, item.location, {}, outcome, said, "call")  # type: ignore[arg-type]


def _report(item: pytest.Item, row: Mapping[str, object]) -> pytest.TestReport:
    """A report as it was before JSON, which has no tuples: the place and the reason of a skip are one."""
    data = dict(row)
    for key in ("longrepr", "location"):
        if isinstance(found := data[key], list):
            data[key] = tuple(found)
    report: pytest.TestReport = item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
    return report


class GuestTests:
    """Inside the guest it does nothing: there they run as any test does."""

    def __init__(self, allowed: Callable[[pytest.TestReport], pytest.TestReport]) -> None:
        self.allowed = allowed
        self.guest: Guest | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """To the end: no fixture of this host is in use any more when the guest takes its processors."""
        if os.environ.get(INSIDE):
            return
        items.sort(key=lambda item: item.get_closest_marker("guest") is not None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        if os.environ.get(INSIDE) or item.get_closest_marker("guest") is None:
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        if self.guest is None:
            named = [i.nodeid for i in item.session.items if i.get_closest_marker("guest") is not None]
            self.guest = Guest(named)
        try:
            rows = self.guest.run(item.nodeid)
        except NeedUnmet as error:
            return [self.allowed(_said(item, "skipped", str(error)))]
        except CoreFailed as error:
            return [_said(item, "failed", str(error))]
        return [_report(item, row) for row in rows]

    def pytest_sessionfinish(self) -> None:
        if self.guest is not None:
            self.guest.close()
