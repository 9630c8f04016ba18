"""Driver of a headless Chromium over the DevTools protocol (CDP).

    async with Browser() as browser:
        page = await browser.open(address)
        await page.wait_for("document.title === 'ready'")
        assert page.errors == []

A `Browser` runs one process with its own profile from `start` to `close`. Pages may use its camera without a prompt: it
shows Chromium's test picture.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from support.waiting import until

CLOSE_WITHIN_S = 5.0
"""Time that Chromium has to exit when it is asked to; then it is killed."""
MAX_KEPT = 1000
"""Limit of the console lines and errors kept for a page."""
RELOADING = ("Inspected target navigated or closed", "Execution context was destroyed", "Cannot find context")
"""Chromium's answers to a script while the page is being replaced."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--password-store=basic",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    # Otherwise the address of the page in ICE candidates is a .local name, which needs multicast DNS.
    "--disable-features=WebRtcHideLocalIpsWithMdns,Translate",
)


class BrowserError(AssertionError):
    """Chromium is missing or does not respond, or a script failed."""


AT_REST = """(async () => {
  const element = document.querySelector(SELECTOR)
  let before = ""
  for (let frames = 0; element && frames < 100; frames++) {
    element.scrollIntoView({behavior: "instant", block: "center"})
    const now = JSON.stringify(element.getBoundingClientRect())
    if (now === before) return JSON.parse(now)
    before = now
    await new Promise(requestAnimationFrame)
  }
  return element && JSON.parse(before)
})()"""
"""Where an element is in two frames one after the other: what loads above it moves it meanwhile."""


class Page:
    """A tab, with its console and errors."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self.errors: list[str] = []
        """Uncaught exceptions, `console.error`, and errors reported by Chromium, such as failed loads."""
        self.console: list[str] = []
        """Console messages as `level: text`."""
        self._browser = browser
        self._session = session
        self._target = target

    def __repr__(self) -> str:
        return f"page that logged {self.console[-20:]}"

    async def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the protocol and return its answer."""
        return await self._browser.send(method, self._session, **parameters)

    async def go(self, address: str) -> None:
        """Load an address and wait until it is complete."""
        answer = await self.send("Page.navigate", url=address)
        if answer.get("errorText"):
            raise BrowserError(f"{address}: {answer['errorText']}")
        await self.wait_for("document.readyState === 'complete'")

    async def evaluate(self, script: str) -> Any:
        """Return the JSON value of an expression; a promise is awaited. Raises `BrowserError` with a thrown error."""
        answer = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise BrowserError(_thrown(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def wait_for(self, condition: str) -> Any:
        """Wait until an expression is true, and return its value. The page may be reloaded meanwhile."""
        return await until(lambda: self._evaluate_unless_reloading(condition))

    async def _evaluate_unless_reloading(self, script: str) -> Any:
        try:
            return await self.evaluate(script)
        except BrowserError as error:
            if any(reason in str(error) for reason in RELOADING):
                return None
            raise

    async def screenshot(self, path: Path | None = None) -> bytes:
        """Return the visible part as PNG, and write it to `path` if given."""
        picture = base64.b64decode((await self.send("Page.captureScreenshot", format="png"))["data"])
        if path is not None:
            await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
            await asyncio.to_thread(path.write_bytes, picture)
        return picture

    async def resize(self, width: int, height: int, *, phone: bool = False, scale: float = 1.0) -> None:
        """Set the size in CSS pixels; `phone` enables touch and a phone's viewport rules."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        await self.send("Emulation.setTouchEmulationEnabled", enabled=phone)

    async def prefer(self, scheme: str) -> None:
        """Set the preferred colour scheme, `light` or `dark`."""
        await self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    async def click(self, selector: str) -> None:
        """Click in the middle of the first matching element."""
        box = await self.box_at_rest(selector)
        place = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            await self.send("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def box_at_rest(self, selector: str) -> dict[str, float]:
        """Scroll to the first matching element, and return where it is once the page around it has stopped moving."""
        found = await self.evaluate(AT_REST.replace("SELECTOR", json.dumps(selector)))
        if found is None:
            raise BrowserError(f"no element matches {selector}")
        return found

    async def press(self, key: str) -> None:
        """Press and release a key: a character, or a name such as `Escape`, `Enter`, `ArrowDown` or `Tab`."""
        text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
        code = KEY_CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def write(self, text: str) -> None:
        """Type text into the focused element."""
        await self.send("Input.insertText", text=text)

    async def close(self) -> None:
        """Close the tab."""
        self._browser.forget(self._session)
        await self._browser.send("Target.closeTarget", targetId=self._target)

    def handle_event(self, method: str, event: Mapping[str, Any]) -> None:
        """Process an event of the protocol."""
        if method == "Runtime.consoleAPICalled":
            text = " ".join(str(one.get("value", one.get("description", ""))) for one in event["args"])
            self._store(self.console, f"{event['type']}: {text}")
            if event["type"] in ("error", "assert"):
                self._store(self.errors, text)
        elif method == "Runtime.exceptionThrown":
            self._store(self.errors, _thrown(event["exceptionDetails"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] == "error":
            self._store(self.errors, f"{event['entry']['text']} ({event['entry'].get('url', '')})")

    def _store(self, kept: list[str], line: str) -> None:
        if len(kept) < MAX_KEPT:
            kept.append(line)


KEY_CODES = {
    "Enter": 13,
    "Escape": 27,
    "Tab": 9,
    "Backspace": 8,
    "Delete": 46,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    "Home": 36,
    "End": 35,
}


class Browser:
    """A Chromium process. `flags` are added to its command line."""

    def __init__(self) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="partstream-chromium-"))
        self._process: asyncio.subprocess.Process | None = None
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._listener: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._number = 0

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start Chromium and connect to it. Raises `BrowserError` if it is not installed or does not start."""
        program = shutil.which("chromium")
        if program is None:
            raise BrowserError("chromium is not installed: run deploy/system-packages.sh test")
        self._process = await asyncio.create_subprocess_exec(
            program,
            *FLAGS,
            f"--user-data-dir={self._profile}",
            "--remote-debugging-port=0",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        await self._connect(await self._debugging_address(self._process))

    async def _connect(self, address: str) -> None:
        self._http = aiohttp.ClientSession()
        self._socket = await self._http.ws_connect(address, max_msg_size=0)
        self._listener = asyncio.create_task(self._listen(self._socket), name="chromium")

    async def open(self, address: str = "about:blank", *, size: tuple[int, int] = (1280, 800)) -> Page:
        """Open an address in a new tab of this size."""
        target = (await self.send("Target.createTarget", url="about:blank"))["targetId"]
        session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = self._pages[session] = Page(self, session, target)
        for domain in ("Page", "Runtime", "Log"):
            await page.send(f"{domain}.enable")
        await page.resize(*size)
        if address != "about:blank":
            await page.go(address)
        return page

    async def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command to the browser, or to a page's session, and return its answer.

        Raises `BrowserError` if Chromium refuses it, or if answers are no longer received.
        """
        assert self._socket is not None and self._listener is not None, "the browser is not started"
        if self._listener.done():
            raise BrowserError(f"{method}: the connection to chromium has ended")
        self._number += 1
        number = self._number
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        target = {"sessionId": session} if session else {}
        try:
            await self._socket.send_json({"id": number, "method": method, "params": parameters, **target})
            reply = await answer
        finally:
            del self._waiting[number]
        if "error" in reply:
            raise BrowserError(f"{method}: {reply['error'].get('message')}")
        return reply["result"]

    def forget(self, session: str) -> None:
        """Ignore further events for a page's session."""
        self._pages.pop(session, None)

    async def kill(self) -> None:
        """Kill Chromium, as in a crash, with the processes that it started."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()

    async def close(self) -> None:
        """Stop Chromium and delete its profile. Idempotent.

        Chromium is killed if it does not exit, and if the event loop is ending: then nothing receives its answers.
        """
        try:
            await self._ask_to_exit()
        finally:
            await self.kill()
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()
        await asyncio.to_thread(shutil.rmtree, self._profile, ignore_errors=True)

    async def _ask_to_exit(self) -> None:
        if self._process is None or self._socket is None or self._socket.closed:
            return
        with suppress(TimeoutError, BrowserError, ConnectionError, aiohttp.ClientError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self.send("Browser.close")
                await self._process.wait()

    async def _debugging_address(self, process: asyncio.subprocess.Process) -> str:
        """Return the address from the file that Chromium writes into its profile."""
        file = self._profile / "DevToolsActivePort"

        def lines() -> list[str]:
            return file.read_text().splitlines() if file.exists() else []

        await until(lambda: len(lines()) >= 2 or process.returncode is not None)
        if process.returncode is not None:
            raise BrowserError(f"chromium did not start (exit status {process.returncode})")
        port, path = lines()[:2]
        return f"ws://127.0.0.1:{port}{path}"

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._receive(json.loads(message.data))
        finally:  # also if this task is cancelled, as all tasks are when an event loop ends
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(BrowserError("the connection to chromium has ended"))

    def _receive(self, content: Mapping[str, Any]) -> None:
        waiting = self._waiting.get(content.get("id", 0))
        if waiting is not None and not waiting.done():
            waiting.set_result(dict(content))
        elif page := self._pages.get(content.get("sessionId", "")):
            page.handle_event(content.get("method", ""), content.get("params", {}))


def _thrown(details: Mapping[str, Any]) -> str:
    exception = details.get("exception", {})
    return str(exception.get("description") or exception.get("value") or details.get("text", "the script failed"))
