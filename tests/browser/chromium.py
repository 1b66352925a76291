"""A real Chromium without a window, driven by its own protocol over two pipes, and what it did when it showed a page."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.clients.debian import PLACES
from tests.needs import missing

PATIENCE = 60.0
"""Seconds within which it must answer, on however busy a machine."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
)


@attrs.define
class Seen:
    """What came of showing a page."""

    dialogs: list[str] = attrs.field(factory=list)
    """What scripts said by `alert` and the like."""
    said: list[str] = attrs.field(factory=list)
    """What they said on the console."""
    refused: list[str] = attrs.field(factory=list)
    """What the browser kept the page from doing, as it puts it."""
    asked: list[str] = attrs.field(factory=list)
    """Every address that was asked for, the page's own first."""
    bytes: int = 0
    """What all of it weighed on the line."""


@attrs.define(eq=False)
class Tab:
    """One page at a time."""

    browser: Chromium
    session: str
    seen: Seen = attrs.field(factory=Seen)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask something of the page."""
        return self.browser.call(method, parameters, self.session)

    def show(self, url: str) -> Seen:
        """Go there, and come back when the page is loaded and its scripts have run."""
        self.seen = Seen()
        self.browser.tab = self
        self.browser.loaded = False
        self.call("Page.navigate", url=url)
        while not self.browser.loaded:
            self.browser.hear()
        # What was set off by the page and waits for its turn has had it when these are answered.
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))")
        return self.seen

    def run(self, script: str) -> Any:
        """What the script comes to; promises are waited for."""
        told = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def screen(self, width: int, height: int, *, dark: bool = False) -> None:
        """Be a screen of that size, whose owner likes it light or dark."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, into: Path) -> None:
        """What is on the screen, as a PNG."""
        into.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def without_policy(self) -> None:
        """Let the page do what its Content-Security-Policy forbids, so that nothing but what stands in it keeps it from doing harm."""
        self.call("Page.setBypassCSP", enabled=True)


@attrs.define(eq=False)
class Chromium:
    """The browser."""

    process: subprocess.Popen[bytes]
    sending: int
    hearing: int
    tab: Tab | None = None
    loaded: bool = False
    _last: int = 0
    _buffer: bytes = b""
    _answers: dict[int, dict[str, Any]] = attrs.field(factory=dict)

    def open(self) -> Tab:
        """A new tab, in a profile of its own."""
        context = self.call("Target.createBrowserContext", {})["browserContextId"]
        target = self.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.call(f"{domain}.enable")
        return tab

    def call(self, method: str, parameters: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """Ask, and wait for the answer."""
        self._last += 1
        asked = {"id": self._last, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self.sending, json.dumps(asked).encode() + b"\0")
        number = self._last
        while number not in self._answers:
            self.hear()
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        found: dict[str, Any] = answer["result"]
        return found

    def hear(self) -> None:
        """Wait for the next thing that it says."""
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self.hearing], [], [], max(deadline - time.monotonic(), 0))
            assert ready, "the browser does not answer"
            data = os.read(self.hearing, 1 << 20)
            assert data, f"the browser has ended: {self.process.poll()}"
            self._buffer += data
        said, _, self._buffer = self._buffer.partition(b"\0")
        told = json.loads(said)
        if "id" in told:
            self._answers[told["id"]] = told
        elif self.tab is not None and told.get("sessionId") == self.tab.session:
            self._happened(told["method"], told["params"], self.tab)

    def _happened(self, method: str, told: dict[str, Any], tab: Tab) -> None:
        seen = tab.seen
        match method:
            case "Page.javascriptDialogOpening":
                seen.dialogs.append(told["message"])
                self._last += 1
                closing = {"id": self._last, "method": "Page.handleJavaScriptDialog", "params": {"accept": False}, "sessionId": tab.session}
                os.write(self.sending, json.dumps(closing).encode() + b"\0")
            case "Page.loadEventFired":
                self.loaded = True
            case "Runtime.consoleAPICalled":
                seen.said.append(" ".join(str(one.get("value")) for one in told["args"]))
            case "Log.entryAdded" if told["entry"]["source"] in {"security", "violation"}:
                seen.refused.append(told["entry"]["text"])
            case "Network.requestWillBeSent":
                seen.asked.append(told["request"]["url"])
            case "Network.loadingFinished":
                seen.bytes += int(told["encodedDataLength"])


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """
    The machine's Chromium, which ends with the block.

    :param profile: a folder for what it keeps.
    """
    found = next((path for name in _NAMES if (path := shutil.which(name, path=PLACES))), None)
    if found is None:
        missing("there is no Chromium")
    down, up = os.pipe(), os.pipe()

    def wired() -> None:
        # The protocol is on these two; what they were in the child is of no use there.
        inputs, outputs = os.dup(down[0]), os.dup(up[1])
        os.dup2(inputs, 3)
        os.dup2(outputs, 4)

    process = subprocess.Popen(
        [found, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=False,
        preexec_fn=wired,  # noqa: PLW1509  # nothing else runs here
        start_new_session=True,
    )
    os.close(down[0])
    os.close(up[1])
    browser = Chromium(process, down[1], up[0])
    try:
        yield browser
    finally:
        os.killpg(process.pid, 9)
        process.wait()
        os.close(down[1])
        os.close(up[0])
