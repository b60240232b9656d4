"""Headless Chromium over its debugging pipe: messages of JSON with a zero byte between them, no package needed."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync",
    "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip


def program() -> str | None:
    """Path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


@dataclass
class Browser:
    """A page of a running Chromium.

    Attributes
    ----------
    seen : list of dict
        Events of the page since it was last emptied.
    """

    write: int
    read: int
    session: str = ""
    seen: list[dict[str, Any]] = field(default_factory=list)
    _held: bytes = b""
    _number: int = 0

    def call(self, method: str, seconds: float = 180.0, **params: Any) -> dict[str, Any]:
        """Answer to a command of the DevTools protocol."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write, json.dumps(message).encode() + b"\0")
        for found in self._messages(seconds):
            if found.get("id") == number:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return found.get("result", {})
            self.seen.append(found)
        raise TimeoutError(f"{method}: no answer within {seconds:g} s")

    def wait(self, event: str, seconds: float = 180.0) -> None:
        """Read events until one of this name has come."""
        if any(found.get("method") == event for found in self.seen):
            return
        for found in self._messages(seconds):
            self.seen.append(found)
            if found.get("method") == event:
                return
        raise TimeoutError(f"no {event} within {seconds:g} s")

    def evaluate(self, script: str) -> Any:
        """Value of an expression of JavaScript; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(str(found["exceptionDetails"]))
        return found["result"].get("value")

    def open(self, address: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.seen.clear()
        self.call("Page.navigate", url=address)
        self.wait("Page.loadEventFired")

    def resize(self, width: int, height: int = 900) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def _messages(self, seconds: float) -> Iterator[dict[str, Any]]:
        until = time.monotonic() + seconds
        while True:
            while b"\0" in self._held:
                message, self._held = self._held.split(b"\0", 1)
                yield json.loads(message)
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                return
            more = os.read(self.read, 1 << 20)
            if not more:
                raise RuntimeError("Chromium closed its pipe")
            self._held += more


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A running Chromium with one empty page, ended on leaving."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="statinf-chromium-", ignore_cleanup_errors=True) as home:
        # It reads commands from descriptor 3 and writes to 4.
        shell = f'exec 3<&{to_read} 4>&{from_write}; exec "$0" "$@"'
        command = ["bash", "-c", shell, path, *_SWITCHES, f"--user-data-dir={home}", "about:blank"]
        with open(Path(home) / "log", "wb") as log:
            process = subprocess.Popen(command, pass_fds=(to_read, from_write), stdout=log, stderr=log)
        os.close(to_read)
        os.close(from_write)
        try:
            browser = Browser(to_write, from_read)
            targets = browser.call("Target.getTargets")["targetInfos"]
            page = next(t["targetId"] for t in targets if t["type"] == "page")
            browser.session = browser.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                browser.call(f"{domain}.enable")
            yield browser
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            os.close(to_write)
            os.close(from_read)
