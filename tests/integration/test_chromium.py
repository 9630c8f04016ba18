"""The browser of the other tests reports correctly what a page shows and does."""

from __future__ import annotations

import asyncio
import io
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from benchmarks.browser import chromium
from benchmarks.browser.chromium import BrowserError
from support.waiting import until, wait_until
from support.webrtc.browser import Browser

PAGE = """<!doctype html><title>one</title><meta name=viewport content="width=device-width">
<body style="margin:0;background:rgb(255,0,0)">
<input id=name><button id=go onclick="document.title = document.querySelector('#name').value">go</button>
<style>@media (prefers-color-scheme: dark) { body { background: rgb(0, 0, 255) !important } }</style>"""


async def test_a_page_is_shown_operated_and_observed(tmp_path: Path) -> None:
    application = web.Application()
    application.router.add_get("/", _page)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with Browser() as browser:
            page = await browser.open(f"http://127.0.0.1:{runner.addresses[0][1]}/")
            assert await page.evaluate("document.title") == "one"
            assert await page.evaluate("(async () => ({a: [1, innerWidth]}))()") == {"a": [1, 1280]}
            with pytest.raises(BrowserError, match="of no use"):
                await page.evaluate("Promise.reject(new Error('of no use'))")

            await page.click("#name")
            await page.write("written")
            await page.click("#go")
            await page.wait_for("document.title === 'written'")
            await page.evaluate("document.addEventListener('keydown', event => document.title = event.key)")
            await page.press("Escape")
            await page.wait_for("document.title === 'Escape'")

            await page.resize(390, 844, phone=True, scale=2)
            assert await page.evaluate("[innerWidth, devicePixelRatio]") == [390, 2]
            await page.prefer("dark")
            picture = Image.open(io.BytesIO(await page.screenshot(tmp_path / "page.png"))).convert("RGB")
            assert picture.size == (780, 1688)
            assert picture.getpixel((700, 1600)) == (0, 0, 255)

            assert [error for error in page.errors if "favicon" not in error] == []
            await page.evaluate("console.log('noted'); console.error('bad'); setTimeout(() => { missing() })")
            await page.evaluate("new Promise(done => setTimeout(done, 50))")
            assert "log: noted" in page.console
            assert "bad" in page.errors
            assert any("missing is not defined" in error for error in page.errors)

            camera = "navigator.mediaDevices.getUserMedia({video: true}).then(s => s.getVideoTracks().length)"
            assert await page.evaluate(camera) == 1
            profile = browser._profile
        assert not profile.exists()
    finally:
        await runner.cleanup()


async def _page(request: web.Request) -> web.Response:
    return web.Response(text=PAGE, content_type="text/html")


def test_a_browser_is_closed_when_its_event_loop_ends() -> None:
    """So it is after a test's timeout: the loop cancels all tasks, also the one that receives Chromium's answers."""
    profiles: list[Path] = []

    async def interrupted() -> None:
        async with Browser() as browser:
            profiles.append(browser._profile)
            page = await browser.open()
            asyncio.get_running_loop().call_soon(interrupt)
            await page.wait_for("false")

    with pytest.raises(KeyboardInterrupt), asyncio.Runner() as runner:
        runner.run(interrupted())
    wait_until(lambda: not processes(profiles[0]))
    assert not profiles[0].exists()


async def test_a_frozen_browser_is_killed_when_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "CLOSE_WITHIN_S", 0.1)
    async with Browser() as browser:
        assert browser._process is not None
        os.killpg(browser._process.pid, signal.SIGSTOP)
    await until(lambda: not processes(browser._profile))
    assert not browser._profile.exists()


async def test_a_command_fails_if_chromium_dies_meanwhile_or_before() -> None:
    async with Browser() as browser:
        page = await browser.open()
        answer = asyncio.create_task(page.evaluate("new Promise(() => 0)"))
        await until(lambda: browser._waiting)
        await browser.kill()
        with pytest.raises(BrowserError, match="connection to chromium has ended"):
            await answer
        with pytest.raises(BrowserError, match="connection to chromium has ended"):
            await page.evaluate("1")


def interrupt() -> None:
    raise KeyboardInterrupt


def processes(profile: Path) -> list[int]:
    """Return the processes of the browser with this profile."""
    found: list[int] = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # the process has ended
            if str(profile).encode() in file.read_bytes():
                found.append(int(file.parent.name))
    return found
