"""Headless Firefox, driven over WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi).

Playwright drives only its own build of Firefox, and Selenium needs geckodriver, which Debian does
not package.
"""

import asyncio
import base64
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from browser import find_program

_SECONDS = 30  # for the browser to start, and for each command
_PREFERENCES = {
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,  # blank
    "dom.ipc.processPrelaunch.enabled": False,  # fewer processes, a faster start
    "media.volume_scale": "0.0",
}
_SCHEME = "layout.css.prefers-color-scheme.content-override"
_KEYS = {
    "Shift": "\ue008", "Control": "\ue009", "Alt": "\ue00a", "Tab": "\ue004", "Enter": "\ue007",
    "Escape": "\ue00c", "Home": "\ue011", "End": "\ue010", "PageUp": "\ue00e",
    "PageDown": "\ue00f", "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014",
    "ArrowDown": "\ue015", "Space": " ",
}  # fmt: skip
# Only promises are awaited: one of a page that is replaced is never resolved.
_TO_JSON = """(value) => value instanceof Promise
  ? value.then((result) => JSON.stringify(result) ?? "null") : JSON.stringify(value) ?? "null"
"""
# Firefox's own messages about its content security policy may come after the test.
_REPORT_VIOLATIONS = """() => addEventListener("securitypolicyviolation", (event) =>
  console.error(`${event.effectiveDirective} forbids ${event.blockedURI}: ${event.sample}`))"""
_EVENTS = ["log.entryAdded", "network.fetchError", "network.responseCompleted"]


class Tab:
    """A page in Firefox.

    Attributes
    ----------
    complaints : list of str
        The page's console errors and warnings, uncaught exceptions, violations of its content
        security policy and failed requests.
    """

    def __init__(self, connection: "_Connection", context: str) -> None:
        self.complaints = connection.complaints
        self._connection, self._context = connection, context

    def goto(self, url: str) -> None:
        """Open an address, and wait until it is loaded."""
        self._send("browsingContext.navigate", url=url, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited."""
        outcome = self._connection.send(
            "script.evaluate",
            expression=f"({_TO_JSON})({expression})",
            target={"context": self._context},
            awaitPromise=True,
        )
        if outcome["type"] == "exception":
            raise AssertionError(f"{expression}: {outcome['exceptionDetails']['text']}")
        return json.loads(outcome["result"]["value"])

    def wait_until(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(AssertionError):  # the page is being replaced
                if self.evaluate(expression):
                    return
            time.sleep(0.02)
        pytest.fail(f"timed out waiting for {expression}; {self.complaints}")

    def press(self, *keys: str) -> None:
        """Press keys one after the other, such as ``a``, ``Tab`` or ``Shift+Tab``."""
        actions = []
        for combination in keys:
            pressed = [_KEYS.get(key, key) for key in combination.split("+")]
            actions += [{"type": "keyDown", "value": key} for key in pressed]
            actions += [{"type": "keyUp", "value": key} for key in reversed(pressed)]
        self._act({"type": "key", "id": "keyboard", "actions": actions})

    def click(self, selector: str) -> None:
        """Click in the middle of the first element that matches a CSS selector."""
        locator = {"type": "css", "value": selector}
        nodes = self._send("browsingContext.locateNodes", locator=locator)["nodes"]
        assert nodes, f"no element matches {selector}"
        self.evaluate(
            f"document.querySelector({json.dumps(selector)})"
            ".scrollIntoView({block: 'center', behavior: 'instant'})"
        )
        origin = {"type": "element", "element": {"sharedId": nodes[0]["sharedId"]}}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._act({"type": "pointer", "id": "mouse", "actions": actions})

    def resize(self, width: int, height: int = 900) -> None:
        """Set the size of the viewport."""
        self._send("browsingContext.setViewport", viewport={"width": width, "height": height})

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page (PNG)."""
        picture = self._send("browsingContext.captureScreenshot", origin="document")["data"]
        path.write_bytes(base64.b64decode(picture))

    def _act(self, source: dict[str, Any]) -> None:
        self._send("input.performActions", actions=[source])

    def _send(self, method: str, **parameters: Any) -> Any:
        return self._connection.send(method, context=self._context, **parameters)


@contextmanager
def firefox_tab(
    *, scheme: str = "light", width: int = 1200, offline: bool = False
) -> Iterator[Tab]:
    """Start Firefox with a page; fail if the page complains, skip if Firefox is not installed."""
    executable = find_program("firefox-esr", "firefox")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        preferences = {**_PREFERENCES, _SCHEME: 0 if scheme == "dark" else 1}
        (Path(folder) / "user.js").write_text(
            "".join(
                f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
                for name, value in preferences.items()
            )
        )
        command = [executable, "--headless", "--remote-debugging-port=0", "--profile", folder]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            connection = _Connection(_address(process, Path(folder)))
            connection.send("session.new", capabilities={})
            connection.send("session.subscribe", events=_EVENTS)
            connection.send("script.addPreloadScript", functionDeclaration=_REPORT_VIOLATIONS)
            context = connection.send("browsingContext.getTree")["contexts"][0]["context"]
            if offline:
                connection.send(
                    "emulation.setNetworkConditions",
                    networkConditions={"type": "offline"},
                    contexts=[context],
                )
            tab = Tab(connection, context)
            tab.resize(width)
            yield tab
            tab.evaluate("0")  # all earlier events come before the response
        finally:
            process.kill()
            process.wait()
    assert tab.complaints == [], tab.complaints


def _address(process: "subprocess.Popen[bytes]", profile: Path) -> str:
    """Return the address of the browser's WebSocket, which it writes into its profile."""
    file = profile / "WebDriverBiDiServer.json"
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and (text := file.read_text()):
            server = json.loads(text)
            return f"ws://{server['ws_host']}:{server['ws_port']}/session"
        time.sleep(0.02)
    pytest.fail(f"Firefox did not start: {(profile / 'log').read_text('utf-8', 'replace')[-2000:]}")


class _Connection:
    """A WebSocket to the browser, in a thread: Playwright's loop runs in the test's own one."""

    def __init__(self, address: str) -> None:
        self.complaints: list[str] = []
        self._responses: dict[int, asyncio.Future[Any]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._serve, daemon=True).start()
        self._socket = self._run(self._connect(address))

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command, and return its result."""
        return self._run(self._send(method, parameters))

    def _serve(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _connect(self, address: str) -> aiohttp.ClientWebSocketResponse:
        self._session = aiohttp.ClientSession()
        socket = await self._session.ws_connect(address, max_msg_size=0)
        self._reader = asyncio.create_task(self._read(socket))
        return socket

    async def _send(self, method: str, parameters: dict[str, Any]) -> Any:
        number = len(self._responses)
        response = self._responses[number] = self._loop.create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        message = await response
        if message["type"] == "error":
            raise AssertionError(f"{method}: {message['error']}: {message['message']}")
        return message["result"]

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for frame in socket:
            message = frame.json()
            if message["type"] == "event":
                self.complaints += _complaint(message["method"], message["params"])
            elif message["id"] is not None:
                self._responses[message["id"]].set_result(message)
        await self._session.close()
        self._loop.stop()


def _complaint(event: str, details: dict[str, Any]) -> list[str]:
    """Return what is wrong, if anything."""
    if event == "log.entryAdded":
        return [f"{details['level']}: {details['text']}"] * (details["level"] in ("warn", "error"))
    url = details["request"]["url"]
    if event == "network.fetchError":
        aborted = details["errorText"] == "NS_BINDING_ABORTED"  # the page was left
        return [] if aborted else [f"{url}: {details['errorText']}"]
    status = details["response"]["status"]
    return [f"{url}: {status}"] * (status >= 400)
