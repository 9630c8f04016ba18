"""The live page of a fleet: real engines, a controller, and a browser that reads from all of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from stream.membership.passes import LIFE_S
from support.fleet.watched_fleet import CAMERAS, FIRST, SECOND, SPARE, UNPLACED, watched_fleet
from support.listed_tokens import bearer, secret_of
from support.waiting import until
from support.webrtc.browser import BrowserWindow
from support.webrtc.chromium import Page
from support.webrtc.live_page import DESKTOP, tile


async def sign_in(page: Page, token: str) -> None:
    await page.wait_for("document.querySelector('#login-dialog')?.open")
    await page.write(secret_of(token))
    await page.press("Enter")


def drawn(camera: str, after: str = "0") -> str:
    """Return the condition that a picture with its result was drawn after this time."""
    canvas = f"document.querySelector({json.dumps(tile(camera, 'canvas'))})"
    return f"{canvas}?.drawn?.withResult && {canvas}.drawn.at > {after}"


async def test_one_page_shows_each_camera_from_its_engine_and_follows_it(tmp_path: Path) -> None:
    async with watched_fleet(tmp_path) as fleet, BrowserWindow() as browser:
        page = await browser.open(fleet.page + "/", size=DESKTOP)
        await sign_in(page, "wall")
        for camera in CAMERAS:
            await page.wait_for(drawn(camera))
        assert await page.evaluate("document.querySelectorAll('.tile').length") == len(CAMERAS) + 1 + SPARE
        pictures = await page.evaluate("[...document.querySelectorAll('.tile canvas')].filter(one => one.width).length")
        assert len(CAMERAS) <= pictures < SPARE / 2, "tiles out of view have none"
        unplaced = f"document.querySelector({json.dumps(tile(UNPLACED, '.message'))}).textContent"
        await page.wait_for(f"{unplaced}.startsWith('No engine') && {unplaced}.includes('nowhere')")
        privacy = f"document.querySelector({json.dumps(tile(UNPLACED, '.privacy'))})"
        await page.wait_for(f"!{privacy}.hidden && {privacy}.textContent === 'Drawn, no pixels'")
        await page.wait_for("document.querySelector('#health-text').textContent === '1 of 5 cameras without an engine'")
        await until(lambda: [fleet.engine(name)._http.streams for name in (FIRST, SECOND)] == [2, 2])  # and messages

        await page.evaluate("globalThis.same = true")
        moved = fleet.of(FIRST)
        await fleet.controller.drain(FIRST, True)
        await until(lambda: fleet.of(SECOND) == set(CAMERAS))
        for camera in moved:
            await page.wait_for(drawn(camera, after=str(await page.evaluate("performance.now()"))))
        await until(lambda: fleet.engine(FIRST)._http.streams == 0)
        assert await page.evaluate("globalThis.same")
        assert [error for error in page.errors if "status of 401" not in error] == []

        await page.evaluate("document.querySelector('#logout').click()")
        await sign_in(page, "guard")
        await page.wait_for(drawn("hall"))
        assert await page.evaluate("[...document.querySelectorAll('.tile')].map(one => one.dataset.camera)") == ["hall"]
        await page.click(tile("hall"))
        link = json.dumps(f"{SECOND} {fleet.address(SECOND)}/#hall")
        await page.wait_for(
            f"(one => `${{one?.textContent}} ${{one?.href}}`)(document.querySelector('.engine')) === {link}"
        )
        await page.go(fleet.page.replace("127.0.0.1", "localhost") + "/")
        await sign_in(page, "wall")
        await page.wait_for("document.querySelector('#notice').textContent.includes('page_origins')")


@pytest.mark.soak
async def test_while_the_controller_is_away_pictures_go_on_until_passes_end_and_then_the_page_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched_fleet(tmp_path) as fleet, BrowserWindow() as browser:
        page = await browser.open(fleet.page + "/", size=DESKTOP)
        await sign_in(page, "wall")
        for camera in CAMERAS:
            await page.wait_for(drawn(camera))
        now_ms = time.monotonic_ns() / 1e6
        for name in (FIRST, SECOND):
            of_engine = fleet.engine(name).member.passes
            monkeypatch.setattr(of_engine, "_now_ms", lambda: now_ms)  # passes end when the test says so
        health = "document.querySelector('#health-text').textContent"
        await fleet.cluster.service.stop()
        await page.wait_for(
            "document.querySelector('#notice').textContent.startsWith('The controller cannot be reached')"
        )
        await page.wait_for(f"{health} === 'Pictures of {len(CAMERAS)} cameras'")
        for camera in CAMERAS:
            await page.wait_for(drawn(camera, after=str(await page.evaluate("performance.now()"))))
        now_ms += 1000 * LIFE_S + time.monotonic_ns() / 1e6 - now_ms
        for camera in CAMERAS:
            message = f"document.querySelector({json.dumps(tile(camera, '.message'))})?.textContent"
            await page.wait_for(f"{message}?.startsWith('Waiting for the controller')")
        await page.wait_for(f"{health} === 'Disconnected'")
        await page.wait_for("!document.querySelector('.tile .state[data-level=good]')")


@pytest.mark.soak
async def test_cameras_are_added_and_removed_on_the_page_and_elsewhere(tmp_path: Path) -> None:
    async with watched_fleet(tmp_path) as fleet, BrowserWindow() as browser:
        page = await browser.open(fleet.page + "/", size=DESKTOP)
        await sign_in(page, "admin")
        await page.wait_for(drawn("dock"))
        await page.click("#add")
        for name, value in (("id", "new"), ("source", "pattern:320x180@10")):
            await page.evaluate(f"document.querySelector('#camera-form [name={name}]').select()")
            await page.write(value)
        await page.press("Enter")
        await fleet.client.ask("DELETE", "/api/v1/cameras/dock", headers=bearer("admin"))
        shown = "[...document.querySelectorAll('.tile')].map(one => one.dataset.camera)"
        await page.wait_for(f"{shown}.at(-1) === 'new' && !{shown}.includes('dock')")
        await page.go(fleet.address(FIRST) + "/")
        await sign_in(page, "admin")
        await page.wait_for("document.querySelector('#add').hidden && document.querySelector('#empty-control').hidden")
