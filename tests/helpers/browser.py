"""A headless Chromium over its own pipe: opens pages as a reader would, and says what they did. No dependency."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-component-update",
    "--disable-background-networking", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE = 60.0  # seconds for one answer: a browser on a busy machine is slow, not wrong


class Browser:
    """``chromium --remote-debugging-pipe``: JSON that ends in NUL, on file descriptors 3 and 4 (DevTools protocol)."""

    def __init__(self, profile: Path) -> None:
        to_read, self.writes = os.pipe()
        self.reads, to_write = os.pipe()
        # the shell puts the ends where Chromium wants them, whatever numbers they have here
        command = f'exec "$@" 3<&{to_read} 4>&{to_write}'
        args = ["bash", "-c", command, "bash", str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self.process = subprocess.Popen(args, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.count, self.rest, self.events = 0, b"", list[dict[str, Any]]()

    def close(self) -> None:
        """Its children may still write into the profile when the first process is killed, so it is asked to go."""
        with contextlib.suppress(RuntimeError, OSError):
            self.call("Browser.close")
        for end in (self.writes, self.reads):
            os.close(end)
        try:
            self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """The answer to one command; what happens meanwhile is kept in ``events``."""
        self.count += 1
        message: dict[str, Any] = {"id": self.count, "method": method, "params": params}
        message |= {"sessionId": session} if session else {}
        os.write(self.writes, json.dumps(message).encode() + b"\0")
        while True:
            found = self.next()
            if found.get("id") == self.count:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                result: dict[str, Any] = found["result"]
                return result
            self.events.append(found)

    def next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            more = os.read(self.reads, 1 << 16)
            if not more:
                raise RuntimeError("the browser has gone")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\0")
        found: dict[str, Any] = json.loads(line)
        return found

    def wait(self, method: str, session: str) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for event in self.events:
                if event.get("method") == method and event.get("sessionId") == session:
                    return event
            self.events.append(self.next())
        raise TimeoutError(f"no {method} within {PATIENCE:.0f} s")


class Tab:
    """One page, opened anew. ``scripts=False``: as a reader who switched JavaScript off."""

    def __init__(
        self, browser: Browser, page: Path, *, width: int = 1040, height: int = 1300, dark: bool = False,
        media: str = "screen", scripts: bool = True, scale: float = 1.0,
    ) -> None:  # fmt: skip
        self.browser, self.url = browser, page.resolve().as_uri()
        browser.events.clear()
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        self.width, self.height = width, height
        for area in ("Page", "Network", "Log", "Runtime"):
            self._(f"{area}.enable")
        self._("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._("Emulation.setScriptExecutionDisabled", value=not scripts)
        browser.events.clear()
        self._("Page.navigate", url=self.url)
        browser.wait("Page.loadEventFired", self.session)

    def _(self, method: str, **params: Any) -> dict[str, Any]:
        return self.browser.call(method, self.session, **params)

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)

    def value(self, expression: str) -> Any:
        """What an expression of the test's own is, in the page. Raises RuntimeError where it throws."""
        found = self._("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"])[:500])
        return found["result"].get("value")

    def picture(self, kind: str = "png", **more: Any) -> bytes:
        return base64.b64decode(self._("Page.captureScreenshot", format=kind, **more)["data"])

    def requests(self) -> list[str]:
        """What the page asked for beside itself."""
        urls = [e["params"]["request"]["url"] for e in self._seen("Network.requestWillBeSent")]
        return [url for url in urls if url != self.url]

    def alarms(self) -> list[str]:
        """Dialogs that opened, and what the browser refused or complained about."""
        said = [e["params"]["message"] for e in self._seen("Page.javascriptDialogOpening")]
        return said + [e["params"]["entry"]["text"] for e in self._seen("Log.entryAdded")]

    def _seen(self, method: str) -> Sequence[dict[str, Any]]:
        return [e for e in self.browser.events if e.get("method") == method and e.get("sessionId") == self.session]
