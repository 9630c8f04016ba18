"""The live page of a fleet: real engines, a real coordinator, and a browser that reads from all of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

import support.fleet.coordinators as coordinators
from fleet.coordinator.live_page import pass_office
from fleet.coordinator.service import CoordinatorService
from stream.membership.lease import boottime_ns
from stream.results import Status, decode
from support.fleet.watched_fleet import CAMERAS, SPARE, UNPLACED, watched_fleet
from support.listed_tokens import bearer, secret_of
from support.waiting import until
from support.webrtc.browser import BrowserWindow
from support.webrtc.chromium import Page
from support.webrtc.live_page import DESKTOP, tile

LIST = """(async () => {
  const { CameraList } = await import("/page/fleet/camera_list.js")
  globalThis.list ??= new CameraList()
  const changed = await list.load()
  return [changed, [...list.all.keys()]]
})()"""
"""Loads the list as the page does, and gives what has changed since the last time, and all cameras."""


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
        await page.wait_for("document.querySelector('#health-text').textContent === '1 of 65 cameras down'")
        await until(lambda: [fleet.streams("a"), fleet.streams("b")] == [2, 2])  # messages and pictures

        await page.evaluate("globalThis.same = true")
        moved = fleet.of("a")
        await fleet.coordinator.changes.drain("node-a")
        await until(lambda: fleet.of("b") == set(CAMERAS))
        for camera in moved:
            await page.wait_for(drawn(camera, after=str(await page.evaluate("performance.now()"))))
        await until(lambda: fleet.streams("a") == 0)
        assert await page.evaluate("globalThis.same")
        assert [error for error in page.errors if "status of 401" not in error] == []

        await page.evaluate("document.querySelector('#logout').click()")
        await sign_in(page, "guard")
        await page.wait_for(drawn("hall"))
        assert await page.evaluate("[...document.querySelectorAll('.tile')].map(one => one.dataset.camera)") == ["hall"]

        engine = fleet.address("b") + "/healthz"
        reached = f"fetch({json.dumps(engine)}).then(() => true, () => false)"
        assert not await page.evaluate(reached), "only a worker may connect to an engine"
        await page.go(fleet.page.replace("127.0.0.1", "localhost") + "/")
        await sign_in(page, "wall")
        await page.wait_for("document.querySelector('#notice').textContent.includes('page_origins')")


@pytest.mark.soak
async def test_while_the_coordinator_is_away_pictures_go_on_until_passes_end_and_then_the_page_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched_fleet(tmp_path) as fleet, BrowserWindow() as browser:
        page = await browser.open(fleet.page + "/", size=DESKTOP)
        await sign_in(page, "wall")
        for camera in CAMERAS:
            await page.wait_for(drawn(camera))
        now_ns = boottime_ns()
        for engine in fleet.engines.values():
            assert engine.fleet is not None
            monkeypatch.setattr(engine.fleet.passes, "_now_ns", lambda: now_ns)  # passes end when the test says so
        health = "document.querySelector('#health-text').textContent"
        await fleet.service.stop()
        await page.wait_for(
            "document.querySelector('#notice').textContent.startsWith('The coordinator cannot be reached')"
        )
        await page.wait_for(f"{health} === 'Pictures of {len(CAMERAS)} cameras'")
        for camera in CAMERAS:
            await page.wait_for(drawn(camera, after=str(await page.evaluate("performance.now()"))))
        now_ns = boottime_ns() + round(pass_office.LIFE_S * 1e9)
        for camera in CAMERAS:
            message = f"document.querySelector({json.dumps(tile(camera, '.message'))})?.textContent"
            await page.wait_for(f"{message}?.startsWith('Waiting for the coordinator')")
        await page.wait_for(f"{health} === 'No pictures'")


@pytest.mark.soak
async def test_an_engine_that_goes_on_telling_of_a_removed_camera_does_not_keep_the_page_from_following_others(
    tmp_path: Path,
) -> None:
    async with watched_fleet(tmp_path) as fleet, BrowserWindow() as browser:
        page = await browser.open(fleet.page + "/", size=DESKTOP)
        await sign_in(page, "wall")
        for camera in CAMERAS:
            await page.wait_for(drawn(camera))
        camera, moved = min(fleet.of("b")), min(fleet.of("a"))
        publisher = fleet.engines["b"].publisher
        status = decode(publisher.last(f"status/v1/{camera}/") or b"")
        assert isinstance(status, Status)

        def tell() -> bool:
            publisher.publish(msgspec.structs.replace(status, state="removed"))
            return False

        telling = asyncio.create_task(until(tell))
        try:
            await fleet.coordinator.changes.drain("node-a")
            await until(lambda: fleet.of("b") == set(CAMERAS))
            await page.wait_for(drawn(moved, after=str(await page.evaluate("performance.now()"))))
        finally:
            telling.cancel()


@pytest.mark.soak
async def test_an_engine_that_announces_anothers_address_loses_its_own_pictures_only_and_the_page_says_why(
    tmp_path: Path,
) -> None:
    async with watched_fleet(tmp_path) as fleet, BrowserWindow() as browser:
        wrong, session = fleet.engines["b"].fleet, fleet.coordinator.engines.sessions["b"]
        assert wrong is not None
        announced = msgspec.structs.replace(wrong._address(), http=fleet.address("a"))
        wrong._address = lambda: announced
        await until(lambda: session.address.http == fleet.address("a"))
        page = await browser.open(fleet.page + "/", size=DESKTOP)
        await sign_in(page, "wall")
        for camera in sorted(fleet.of("b")):
            message = f"document.querySelector({json.dumps(tile(camera, '.message'))})?.textContent"
            await page.wait_for(f"{message}?.includes('Two engines say that they are at {fleet.address('a')}')")
        for camera in sorted(fleet.of("a")):
            await page.wait_for(drawn(camera, after=str(await page.evaluate("performance.now()"))))


REFUSED = """
import("/page/fleet/engine_connection.js").then(async ({EngineConnection}) => {
  let now = 0
  performance.now = () => now
  let asked = 0
  let connected = false
  const changed = () => (connected ||= connection.connected)
  const connection = new EngineConnection(location.origin, {message() {}, picture() {}, error() {}, changed})
  let status = 401
  const request = async () => {
    asked += 1
    return new Response(status === 401 ? "{}" : new ReadableStream(), {status})
  }
  connection.link = {token: "", broken: false, request, close() {}}
  const passes = async (seconds) => {
    asked = 0
    for (const end = now + 1000 * seconds; now < end; now += 2000) {
      connection.follow({cameras: ["hall"], token: "pass"}, false)
      await new Promise(done => setTimeout(done))
    }
    return asked
  }
  const refused = [await passes(10), await passes(600)]
  const told = [connection.passRefused, connection.unreachable]
  status = 200
  await passes(80)
  status = 401
  connection.messages.connect()
  const again = await passes(10)
  connection.link.request = () => Promise.reject(new TypeError("no answer"))
  now += 60000
  await passes(2)
  now += 5000
  told.push(connection.passRefused, connection.unreachable)
  connection.close()
  return {refused, told, connected, again}
})"""
"""Follows an engine that refuses passes, then accepts one, then refuses again. Every 2 s of its clock, a pass comes."""


@pytest.mark.soak
async def test_a_pass_that_is_refused_again_and_again_is_tried_less_and_less_often(tmp_path: Path) -> None:
    service = CoordinatorService(coordinators.configured(tmp_path, coordinator={"http": {"bind": "127.0.0.1:0"}}))
    await service.start()
    try:
        async with BrowserWindow() as browser:
            page = await browser.open(service.http_address + "/", size=DESKTOP)
            seen = await page.evaluate(REFUSED)
    finally:
        await service.stop()
    soon, later = seen["refused"]
    assert 2 <= soon <= 4 and 9 <= later <= 16
    assert seen["connected"] and 2 <= seen["again"] <= 4
    assert seen["told"] == [True, False, False, True], "refusing a pass is not the same as not answering"


@pytest.mark.soak
async def test_the_page_has_all_cameras_once_and_then_loads_those_that_have_changed(tmp_path: Path) -> None:
    async with watched_fleet(tmp_path) as fleet, BrowserWindow() as browser:

        async def change(method: str, camera: str, settings: dict[str, object] | None = None) -> int:
            status, _, _ = await fleet.client.ask(
                method, f"/api/v1/cameras/{camera}", json=settings, headers=bearer("admin")
            )
            return status

        page = await browser.open(fleet.page + "/", size=DESKTOP)
        await sign_in(page, "wall")
        for camera in CAMERAS:
            await page.wait_for(drawn(camera))
        names = list(fleet.coordinator.cameras.all)
        assert await page.evaluate(LIST) == [names, names]

        async def settled() -> bool:
            return await page.evaluate(LIST) == [[], names]

        await until(settled)  # figures of the cameras go on changing
        assert await change("PATCH", "spare7", {"staleness_ms": 400}) == 200
        assert (await page.evaluate(LIST))[0] == ["spare7"]
        assert await change("PUT", "new", {"source": "pattern:", "enabled": False}) == 201
        assert await change("DELETE", "dock") == 204
        names = list(fleet.coordinator.cameras.all)
        assert (await page.evaluate(LIST))[1] == names and "dock" not in names and names[-1] == "new"
        shown = "[...document.querySelectorAll('.tile')].map(one => one.dataset.camera)"
        await page.wait_for(f"{shown}.join() === {json.dumps(','.join(names))}")
