"""Chromium publishes its camera from a web page, and the engine publishes results on ZeroMQ."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from stream import results
from stream.subscriber import Subscription, subscribe
from support.engines.controlled_engine import configured, running
from support.repository import REPOSITORY
from support.webrtc.chromium import Browser

PAGE = REPOSITORY / "tests" / "support" / "webrtc" / "whip_page.html"


@asynccontextmanager
async def page_server() -> AsyncGenerator[str]:
    """Serve the publisher's page from another origin than the engine's, and yield that origin."""

    async def page(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGE)

    application = web.Application()
    application.router.add_get("/", page)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Received:
    """The messages that a subscriber receives."""

    def __init__(self, messages: Subscription[results.Message]) -> None:
        self._messages = messages

    async def until(self, condition: Callable[[Any], bool]) -> Any:
        """Return the next message that fulfils the condition."""
        while True:
            message = await anext(self._messages)
            if condition(message):
                return message


def frame_of(camera: str, epoch: int = 1) -> Callable[[Any], bool]:
    return lambda message: isinstance(message, results.Frame) and message.camera == camera and message.epoch == epoch


def gone(camera: str, reason: str | None = None) -> Callable[[Any], bool]:
    return lambda message: (
        isinstance(message, results.Status)
        and message.camera == camera
        and message.epoch > 0
        and message.state != "live"
        and reason in (None, message.reason)
    )


async def test_a_browser_publishes_its_camera_closes_reopens_and_the_camera_recovers() -> None:
    async with page_server() as origin:
        cameras = [
            {"id": name, "source": "whip", "stall_timeout_s": 10.0, "start_timeout_s": 20.0}
            for name in ("one", "two", "three")
        ]
        config = configured(*cameras, http={"cors_origins": [origin]}, webrtc={"max_publishers": 2})
        async with (
            running(config) as (engine, client),
            subscribe(engine.publisher.endpoint, kinds=("results", "status"), high_water_mark=10_000) as messages,
        ):
            received = Received(messages)
            whip = client.address + "/whip/"
            async with Browser() as browser:
                first, second = await browser.open(origin), await browser.open(origin)
                assert await first.evaluate(f"publishCamera('{whip}one', 1280, 720)") == {"status": 201}
                width, height = (await received.until(frame_of("one"))).size
                assert width * 9 == height * 16
                assert await second.evaluate(f"publishCamera('{whip}two', 640, 480, true)") == {"status": 201}
                width, height = (await received.until(frame_of("two"))).size
                assert width * 3 == height * 4

                refused = await second.evaluate(f"publishCamera('{whip}three', 640, 480)")
                assert refused["status"] == 503
                assert refused["problem"]["type"] == "urn:partstream:problem:too-many-publishers"
                assert "webrtc.max_publishers" in refused["problem"]["detail"]

                # Without the bitrates in the answer it would send 640x360 for a minute.
                await first.wait_for("sent().then(sent => sent.frames >= 60 && sent.width === 1280)")
                assert engine.cameras.status("one").epoch == 1
                assert engine.cameras.status("one").clock == "rtcp"

                await first.close()
                await received.until(gone("one"))
                first = await browser.open(origin)
                assert await first.evaluate(f"publishCamera('{whip}one', 1280, 720)") == {"status": 201}
                await received.until(frame_of("one", 2))
                assert engine.cameras.status("two").epoch == 1
                assert first.errors == []
                await browser.kill()
            assert (await received.until(gone("one"))).state == "stalled"
            async with Browser() as browser:
                page = await browser.open(origin)
                assert await page.evaluate(f"publishCamera('{whip}one', 1280, 720)") == {"status": 201}
                await received.until(frame_of("one", 3))
                assert await page.evaluate("fetch(link, {method: 'DELETE'}).then(answer => answer.status)") == 204
                await received.until(gone("one", "ended"))
                await page.wait_for("['disconnected', 'failed', 'closed'].includes(peer.connectionState)")
