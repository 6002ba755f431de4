"""A tab of a headless Chromium that a test leads from page to page, with DevTools' protocol."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.support.browser import CHROMIUM, FLAGS
from tests.support.waiting import until

__all__ = ["Tab", "tab"]

SIZE = (1280, 1000)


class Tab:
    """One tab. `problems` has what its console and its exceptions said."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self.problems: list[str] = []
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def open(self, url: str) -> None:
        self._send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        return self._send("Runtime.evaluate", expression=expression)["result"].get("value")

    def text(self) -> str:
        """The text that a reader sees."""
        return str(self.evaluate("document.body ? document.body.innerText : ''") or "")

    def wait_for(self, *words: str) -> str:
        """Wait until the page shows the words; gives its text."""
        until(lambda: all(word in self.text() for word in words), seconds=60)
        return self.text()

    def click(self, label: str) -> None:
        """Click the text that is just the label: a tab or a button."""
        every = "[...document.querySelectorAll('*')].filter(e => !e.children.length)"
        labelled = f"{every}.find(e => e.textContent.trim() === {json.dumps(label)})"
        until(lambda: self.evaluate(f"!!{labelled}"), seconds=60)
        self.evaluate(f"{labelled}.click()")

    def picture(self, path: Path) -> None:
        time.sleep(1)  # pages fade in
        data = self._send("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == self._last:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        content = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(content["exceptionDetails"]))
        if message.get("method") == "Log.entryAdded" and content["entry"]["level"] == "error":
            self.problems.append(f"{content['entry']['text']} {content['entry'].get('url', '')}")


@contextlib.contextmanager
def tab(profile: Path) -> Iterator[Tab]:
    """A new Chromium that reaches this machine only, with one tab."""
    flags = [flag for flag in FLAGS if not flag.startswith("--host-resolver-rules")]
    process = subprocess.Popen(
        [
            str(CHROMIUM),
            *flags,
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={profile}",
            f"--window-size={SIZE[0]},{SIZE[1]}",
            "--remote-debugging-port=0",
            "about:blank",
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port_file = profile / "DevToolsActivePort"
        until(lambda: port_file.exists() and port_file.read_text().count("\n"))
        port = int(port_file.read_text().splitlines()[0])
        with connect(_address_of_page(port), max_size=None) as socket:
            yield Tab(socket)
    finally:
        process.terminate()
        process.wait()


def _address_of_page(port: int) -> str:
    from urllib.request import ProxyHandler, build_opener

    def pages() -> list[str]:
        with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            listed = json.load(answer)
        return [target["webSocketDebuggerUrl"] for target in listed if target["type"] == "page"]

    return str(until(pages)[0])
