"""The review page in Chromium: by keyboard alone, at a phone's width, and with a clip's results over its frames."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from stream.incidents.incident import IncidentQuery
from support.engines.small_clips import make_clip
from support.incidents import give
from support.listed_tokens import listed, secret_of, write_tokens
from support.repository import REPOSITORY
from support.reviewing import box_at, fell, reviewed, store_at
from support.waiting import until
from support.webrtc.browser import BrowserWindow
from support.webrtc.chromium import Page

ARTEFACTS = REPOSITORY / "tests" / "artefacts"
DESKTOP, PHONE = (1280, 800), (360, 740)
CURRENT = "document.querySelector('#list li[data-current]')"
SELECTED = "document.querySelectorAll('#list li[aria-selected=true]').length"
ROWS = "document.querySelectorAll('#list li').length"
IN_SIGHT = """(() => {
  const {left, top} = document.querySelector('#list').getBoundingClientRect()
  return document.elementFromPoint(left + 40, top + 20)?.closest('li')
})()"""
"""The first row of the list that is in sight."""
NOTHING_CUT = "[...document.querySelectorAll('#judge button')].every(one => one.scrollWidth <= one.clientWidth)"
SAID = "document.querySelector('#said').textContent"
DRAWN = "document.querySelector('#overlay').drawn"
VIDEO = "document.querySelector('#video')"
NUMBER = """(() => {
  const video = document.querySelector('#video')
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight)
  const context = canvas.getContext('2d')
  context.drawImage(video, 0, 0)
  const {width, height} = canvas
  let bits = 0
  for (let block = 0; block < 20; block++) {
    const [, green] = context.getImageData(Math.floor((block + 0.5) * width / 20), Math.floor(height / 45), 1, 1).data
    bits = bits * 2 + (green >= 128 ? 1 : 0)
  }
  return (bits >> 2) & 65535
})()"""
"""The number in the video's picture (`benchmarks.cameras.barcode`)."""


async def press(page: Page, key: str, *, shift: bool = False) -> None:
    """Press a key, with Shift if wanted."""
    if not shift:
        return await page.press(key)
    for kind in ("keyDown", "keyUp"):
        await page.send("Input.dispatchKeyEvent", type=kind, key=key, modifiers=8)


async def test_two_hundred_events_are_reviewed_by_keyboard_alone(tmp_path: Path) -> None:
    events = [fell(number, "door" if number % 3 else "yard", "fall" if number % 7 else "kick") for number in range(200)]
    async with reviewed(tmp_path, events) as (engine, client, _), BrowserWindow() as browser:
        page = await browser.open(client.address + "/review", size=DESKTOP)
        store = engine.incidents
        assert store is not None

        def verdict(number: int) -> tuple[str | None, str | None]:
            found = store.get(f"e0123abcd-{number}")
            assert found is not None
            return found.verdict, found.truth

        await page.wait_for(f"{CURRENT}?.dataset.incident === 'e0123abcd-199'")
        await page.press("r")
        await page.wait_for(f"{SAID}.includes('Right: saved')")
        await page.press("w")
        await page.press("s")
        await until(lambda: [verdict(number)[0] for number in (199, 198, 197)] == ["right", "wrong", "skip"])
        await page.wait_for(f"{CURRENT}.dataset.incident === 'e0123abcd-196'")

        await page.press("x")
        await page.wait_for("document.querySelector('#really-dialog').open")
        await page.wait_for("document.querySelectorAll('#really-list li').length === 5")
        await page.write("si")
        await page.wait_for("document.querySelector('#really-list li + li').textContent === 'sit'")
        await page.press("ArrowDown")
        await page.press("Enter")
        await until(lambda: verdict(196) == ("really", "sit"))
        await page.press("x")
        await page.wait_for("document.querySelector('#really-dialog').open")
        await page.write("crawl on floor")
        await page.press("Enter")
        await until(lambda: verdict(195) == ("really", "crawl_on_floor"))

        await page.wait_for(f"{CURRENT}.dataset.incident === 'e0123abcd-194'")
        await press(page, "ArrowDown", shift=True)
        await press(page, "J", shift=True)
        await page.wait_for(f"{SELECTED} === 3")
        await page.press("w")
        await until(lambda: [verdict(number)[0] for number in (194, 193, 192)] == ["wrong"] * 3)
        await page.wait_for(f"{SAID}.startsWith('Wrong: 3 verdicts saved')")
        await page.press("u")
        await until(lambda: [verdict(number)[0] for number in (194, 193, 192)] == [None] * 3)
        await page.press("u")
        await until(lambda: verdict(195) == (None, None))

        async def all_are_listed() -> bool:
            await page.press("End")
            return await page.evaluate("document.querySelectorAll('#list li').length === 200")

        await until(all_are_listed)
        await page.press("End")
        await page.wait_for(f"{CURRENT}.dataset.incident === 'e0123abcd-0'")
        await page.press("a")
        await page.wait_for(f"{SELECTED} === 200")
        await page.press("r")
        await until(lambda: all(verdict(number)[0] == "right" for number in range(200)))
        await page.wait_for(f"{SAID}.startsWith('Right: 200 verdicts saved')")
        await page.wait_for("document.querySelectorAll('#list .said-chip[data-verdict=right]').length === 200")
        assert "29: no clip shows it yet" in await page.evaluate(SAID)
        await page.press("?")
        await page.wait_for("document.querySelector('#help-dialog').open")
        await page.press("Escape")
        await page.press("/")
        await page.wait_for("document.activeElement.name === 'camera'")
        await page.evaluate(
            "(() => { const one = document.activeElement; one.form.elements.verdict.value = 'none';"
            " one.form.dispatchEvent(new Event('change', {bubbles: true})) })()"
        )
        await page.wait_for("!document.querySelector('#empty').hidden && location.search === '?verdict=none'")
        assert page.errors == []


async def test_of_a_thousand_events_only_some_are_loaded_and_in_the_page_at_once(tmp_path: Path) -> None:
    store = store_at(tmp_path / "incidents")
    for first in (0, 600):
        give(store, *(fell(number, label="kick") for number in range(first, first + 600)))
    store.close()
    async with reviewed(tmp_path, []) as (engine, client, _), BrowserWindow() as browser:
        page = await browser.open(client.address + "/review", size=DESKTOP)
        await page.wait_for(f"{CURRENT}?.dataset.incident === 'e0123abcd-1199'")
        await page.wait_for("document.querySelector('#count').textContent === '1,200 found'")
        await page.wait_for(f"{ROWS} <= 200 && {CURRENT}.ariaSetSize === '1200' && {CURRENT}.ariaPosInSet === '1'")

        async def at_the_end() -> bool:
            await page.press("End")
            assert await page.evaluate(ROWS) <= 200
            return await page.evaluate(f"{CURRENT}?.dataset.incident === 'e0123abcd-0'")

        await until(at_the_end)
        await page.wait_for(f"{CURRENT}.ariaPosInSet === '1200'")
        await page.press("Home")
        await page.wait_for(f"{CURRENT}?.dataset.incident === 'e0123abcd-1199' && {CURRENT}.ariaPosInSet === '1'")

        await page.evaluate("document.querySelector('#list').scrollTop = 75 * 600")
        await page.wait_for(f"{IN_SIGHT}?.dataset.incident === 'e0123abcd-599'")
        await page.wait_for(f"100 <= {ROWS} && {ROWS} <= 200 && !{CURRENT}")
        await page.press("j")  # from the chosen one, which is far away
        await page.wait_for(f"{CURRENT}?.dataset.incident === 'e0123abcd-1198'")
        await page.evaluate("document.querySelector('#list').scrollTop = 75 * 360")
        await page.wait_for(f"{IN_SIGHT}?.dataset.incident === 'e0123abcd-839'")
        await page.evaluate(f"{IN_SIGHT}.dispatchEvent(new MouseEvent('click', {{bubbles: true, shiftKey: true}}))")
        await page.wait_for("document.querySelector('#count').textContent === '1,200 found, 360 selected'")
        await page.press("w")
        await page.wait_for(f"{SAID}.startsWith('Wrong: 360 verdicts saved')")
        kept = engine.incidents
        assert kept is not None
        wrong = kept.find(IncidentQuery(verdict="wrong", limit=1000))
        assert [one.id for one in wrong] == [f"e0123abcd-{number}" for number in range(1198, 838, -1)]
        await page.evaluate("document.querySelector('#list').scrollTop = 75 * 1180")
        await page.wait_for(f"{IN_SIGHT}?.dataset.incident === 'e0123abcd-19'")
        await page.evaluate(f"{IN_SIGHT}.dispatchEvent(new MouseEvent('click', {{bubbles: true, shiftKey: true}}))")
        await page.wait_for("document.querySelector('#notice').textContent.includes('At most 500')")
        assert page.errors == []


async def test_no_incident_gets_a_verdict_that_was_not_given_to_it(tmp_path: Path) -> None:
    events = [fell(number, label="kick") for number in range(30)]
    async with reviewed(tmp_path, events) as (engine, client, _), BrowserWindow() as browser:
        page = await browser.open(client.address + "/review", size=DESKTOP)
        store = engine.incidents
        assert store is not None

        def said(number: int) -> tuple[str | None, str | None]:
            found = store.get(f"e0123abcd-{number}")
            assert found is not None
            return found.verdict, found.truth

        async def hold_requests() -> None:
            await page.evaluate(
                "{ const real = window.fetch; window.held = []; window.fetch = (...given) => new Promise((done) =>"
                " held.push(() => done(real(...given)))); window.release = () => { window.fetch = real;"
                " held.forEach((one) => one()) } }"
            )

        await page.wait_for(f"{CURRENT}?.dataset.incident === 'e0123abcd-29'")
        await page.evaluate(
            "for (const id of [28, 28]) document.querySelector(`#incident-e0123abcd-${id}`)"
            ".dispatchEvent(new MouseEvent('click', {bubbles: true, ctrlKey: true}))"
        )
        await page.wait_for(f"{SELECTED} === 1 && {CURRENT}.ariaSelected === 'true'")

        for repeated in (False, True, True, True):
            await page.send("Input.dispatchKeyEvent", type="keyDown", key="w", autoRepeat=repeated)
        await page.send("Input.dispatchKeyEvent", type="keyUp", key="w")
        await page.press("r")
        await until(lambda: said(28)[0] == "right")
        assert said(29)[0] == "wrong"

        await page.wait_for(f"{CURRENT}?.dataset.incident === 'e0123abcd-27'")
        await page.click("#judge [data-verdict=wrong]")
        await page.press(" ")
        await page.press("s")
        await until(lambda: said(26)[0] == "skip")
        assert said(27)[0] == "wrong" and said(25)[0] is None

        await page.press("x")
        await page.wait_for("document.querySelectorAll('#really-list li').length === 5")
        await page.press("Enter")
        await page.wait_for("!document.querySelector('#really-error').hidden")
        await page.write("st")
        await page.wait_for("document.querySelectorAll('#really-list li').length === 2")
        await page.press("Enter")
        await until(lambda: said(25)[0] is not None)
        assert said(25) == ("really", "st")

        await page.wait_for(f"{CURRENT}?.dataset.incident === 'e0123abcd-24'")
        await press(page, "ArrowDown", shift=True)
        await page.wait_for(f"{SELECTED} === 2")
        await hold_requests()
        await page.press("r")
        await page.press("w")
        await page.evaluate("release()")
        await until(lambda: said(24)[0] == said(23)[0] == "wrong")
        await page.press("u")
        await until(lambda: said(24)[0] == said(23)[0] == "right")
        await client.ask("PUT", "/api/v1/incidents/e0123abcd-24/verdict", json={"verdict": "skip"})
        await page.press("u")
        await page.wait_for(f"{SAID} === 'Undone: 1 verdict saved; 1: changed meanwhile'")
        assert said(24)[0] == "skip" and said(23)[0] is None
        await page.press("n")
        await until(lambda: said(24)[0] is None)

        await page.press("Home")
        await page.press("a")
        await page.wait_for(f"{SELECTED} === 30")
        await page.evaluate(
            "{ const real = window.fetch; window.sizes = []; window.fetch = async (path, given) => {"
            " const answer = await real(path, given); if (given?.method !== 'POST') return answer;"
            " sizes.push(JSON.parse(given.body).ids.length);"
            " if (sizes.length === 2) { window.fetch = real; throw new TypeError('lost') } return answer } }"
        )
        await page.press("s")
        await page.wait_for("!document.querySelector('#notice').hidden && sizes.join() === '25,5'")
        await page.wait_for("document.querySelectorAll('#list .said-chip[data-verdict=skip]').length === 30")
        await page.press("u")
        await until(
            lambda: (
                [said(number)[0] for number in (29, 28, 27, 26, 25)] == ["wrong", "right", "wrong", "skip", "really"]
            )
        )
        await until(lambda: all(said(number)[0] is None for number in range(25)))
        assert page.errors == []


async def test_clip_and_overlay_show_the_same_frame(tmp_path: Path) -> None:
    film = await asyncio.to_thread(make_clip, tmp_path / "film.mp4", 50)
    async with reviewed(tmp_path, [fell(1)], film) as (_, client, _), BrowserWindow() as browser:
        page = await browser.open(client.address + "/review", size=DESKTOP)
        await page.wait_for(f"{DRAWN}?.frame === 1 && {DRAWN}.boxes.length === 1")
        await page.press(" ")
        await page.wait_for(f"{DRAWN}?.mediaTime > 0")
        seen: set[int] = set()
        for at in (0.02, 0.5, 1.02, 1.9, 0.97):
            await page.evaluate(f"{VIDEO}.pause(), {VIDEO}.currentTime = {at}")
            await page.wait_for(f"!{VIDEO}.seeking && {DRAWN}.mediaTime <= {at} && {at} < {DRAWN}.mediaTime + 0.04")
            drawn: dict[str, Any] = await page.evaluate(f"({{...{DRAWN}, number: {NUMBER}}})")
            number = drawn["number"]
            assert drawn["frame"] == number, (at, drawn)
            (box,) = [one["box"] for one in drawn["boxes"] if one["track"] == 7]
            x1 = (box[0] - drawn["place"]["x"]) * 320 / drawn["place"]["width"]
            assert abs(x1 - box_at(number)[0]) < 1, "the box is that of the frame"
            seen.add(number)
        assert len(seen) >= 4
        await page.screenshot(ARTEFACTS / "review-clip.png")
        await page.press("o")
        await page.wait_for(f"{DRAWN}.frame === null")
        await page.press(" ")
        await page.wait_for("!document.querySelector('#video').paused")
        assert page.errors == []


async def test_the_page_fits_a_phone_and_both_themes(tmp_path: Path) -> None:
    events = [fell(number, "door" if number % 3 else "yard", "fall" if number % 4 else "kick") for number in range(30)]
    async with reviewed(tmp_path, events) as (_, client, _), BrowserWindow() as browser:
        page = await browser.open(client.address + "/review", size=DESKTOP)
        await page.wait_for(f"{DRAWN}?.boxes.length === 1")
        for key in ("r", "w"):
            await page.press(key)
        await page.wait_for("document.querySelectorAll('#list .said-chip[data-verdict=wrong]').length === 1")
        grounds = set[str]()
        for scheme in ("light", "dark"):
            await page.prefer(scheme)
            grounds.add(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
            await page.resize(*DESKTOP)
            await page.screenshot(ARTEFACTS / f"review-{scheme}.png")
            await page.resize(*PHONE, phone=True, scale=2)
            await page.wait_for("document.documentElement.scrollWidth <= innerWidth")
            sizes = await page.evaluate(
                "[...document.querySelectorAll('#judge button')].map(one => one.getBoundingClientRect().height)"
            )
            assert len(sizes) == 5 and min(sizes) >= 44, sizes
            await page.wait_for(NOTHING_CUT)
            await page.screenshot(ARTEFACTS / f"review-phone-{scheme}.png")
            await page.evaluate("scrollTo(0, 1500)")
            await page.wait_for("scrollY > 1000 && document.querySelector('#stage').getBoundingClientRect().top === 0")
            await page.screenshot(ARTEFACTS / f"review-phone-list-{scheme}.png")
            await page.evaluate("scrollTo(0, 0)")
        assert len(grounds) == 2
        await page.click("#judge [data-verdict=skip]")
        await page.wait_for("document.querySelectorAll('#list .said-chip[data-verdict=skip]').length === 1")
        assert page.errors == []


async def test_a_viewer_sees_its_cameras_and_no_buttons(tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", listed("viewer", "look", ["door"]))
    events = [fell(1), fell(2, "cellar")]
    http = {"bind": "0.0.0.0:0", "tokens_file": tokens}
    async with reviewed(tmp_path, events, **http) as (engine, client, _), BrowserWindow() as browser:
        page = await browser.open(client.address + "/review", size=DESKTOP)
        await page.wait_for("document.querySelector('#login-dialog').open")
        await page.write(secret_of("viewer"))
        await page.press("Enter")
        await page.wait_for("document.querySelectorAll('#list li').length === 1")
        await page.wait_for(f"{DRAWN}?.boxes.length === 1")
        for key in ("r", "x", "u"):
            await page.press(key)
        assert await page.evaluate("document.querySelector('#judge').hidden")
        assert not await page.evaluate("document.querySelector('#really-dialog').open")
        assert "cellar" not in await page.evaluate("document.documentElement.outerHTML")
        assert (
            json.dumps(await page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")).count(
                "verdicts"
            )
            == 1
        ), "only the script of this name was loaded"
        store = engine.incidents
        assert store is not None
        found = store.get("e0123abcd-1")
        assert found is not None and found.verdict is None
