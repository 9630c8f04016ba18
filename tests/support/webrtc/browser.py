"""Windows of a Chromium that tests share."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from support.waiting import until
from support.webrtc import chromium


class _Process:
    """A Chromium that outlives the event loops of tests."""

    def __init__(self) -> None:
        program = shutil.which("chromium")
        if program is None:
            raise chromium.BrowserError("chromium is not installed: run deploy/system-packages.sh test")
        self.profile = Path(tempfile.mkdtemp(prefix="partstream-chromium-"))
        self._process = subprocess.Popen(
            [program, *chromium.FLAGS, f"--user-data-dir={self.profile}", "--remote-debugging-port=0", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def address(self) -> str:
        """Return where it listens; empty until it does."""
        file = self.profile / "DevToolsActivePort"
        lines = file.read_text().splitlines() if file.exists() else []
        return f"ws://127.0.0.1:{lines[0]}{lines[1]}" if len(lines) >= 2 else ""

    def kill(self) -> None:
        """Kill it with the processes that it started, and delete its profile."""
        if self.is_running:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class BrowserWindow(chromium.Browser):
    """A window of a Chromium that the tests of a worker share, because its start takes a second of a core.

    The window has cookies, storage and cache of its own, which are deleted when it is closed.
    """

    _shared: _Process | None = None
    _context = ""

    async def start(self) -> None:
        if BrowserWindow._shared is not None and not BrowserWindow._shared.is_running:
            BrowserWindow.end()
        if BrowserWindow._shared is None:
            BrowserWindow._shared = _Process()
        shared = BrowserWindow._shared
        await until(lambda: shared.address() or not shared.is_running)
        if not shared.is_running:
            raise chromium.BrowserError("chromium did not start")
        await self._connect(shared.address())
        self._context = (await self.send("Target.createBrowserContext", disposeOnDetach=True))["browserContextId"]

    async def send(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        if method == "Target.createTarget":
            parameters["browserContextId"] = self._context
        return await super().send(method, session, **parameters)

    async def _ask_to_exit(self) -> None:
        """Close the window, and wait until it is closed, so that it takes no time from the next test.

        If the event loop is ending, nothing answers, and Chromium closes the window with the connection.
        """
        if self._context and self._socket is not None and not self._socket.closed:
            with suppress(TimeoutError, chromium.BrowserError, ConnectionError, aiohttp.ClientError):
                async with asyncio.timeout(chromium.CLOSE_WITHIN_S):
                    await self.send("Target.disposeBrowserContext", browserContextId=self._context)

    @staticmethod
    def end() -> None:
        """Kill the shared Chromium, if there is one."""
        shared, BrowserWindow._shared = BrowserWindow._shared, None
        if shared is not None:
            shared.kill()
