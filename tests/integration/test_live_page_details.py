"""Details of the live page: on a phone, nothing that matters is cut off; texts are sentences; errors are shown."""

from __future__ import annotations

import json

from support.engines.bar_model import BarModel
from support.engines.controlled_engine import configured
from support.webrtc.live_page import shown, tile

PHONE = (390, 700)
CAMERAS = ({"id": "door", "source": "pattern:640x360@5"}, {"id": "yard", "source": "rtsp://127.0.0.1:9/stream"})
FITS = "(one => one.scrollWidth <= one.clientWidth)(document.querySelector('#health-text'))"


async def test_a_phone_shows_the_whole_health_a_whole_picture_and_fields_of_one_size() -> None:
    async with shown(configured(*CAMERAS), BarModel(), PHONE) as (_, page):
        await page.wait_for("document.querySelector('#health-text').textContent === '1 of 2 cameras down'")
        assert await page.evaluate(FITS)
        message = f"document.querySelector({json.dumps(tile('yard', '.message span'))}).textContent"
        await page.wait_for(f"/^Nothing listens at .*[^.][.]$/.test({message})")
        await page.evaluate("document.querySelector('#add').click()")
        sizes = "[...document.querySelectorAll('#camera-form :is(input:not([type=checkbox]), select)')]"
        assert set(await page.evaluate(f"{sizes}.map(one => getComputedStyle(one).fontSize)")) == {"16px"}
        await page.press("Escape")
        await page.click(tile("door"))
        canvas = "document.querySelector('#detail canvas')"
        await page.wait_for(f"{canvas}?.drawn?.withResult && {canvas}.drawn.place.y < 1")
        assert page.errors == []


async def test_a_response_that_is_cut_off_is_a_problem_as_an_engine_that_cannot_be_reached_is() -> None:
    async with shown(configured(), BarModel()) as (_, page):
        cut = "new Response(new ReadableStream({start: (stream) => stream.error(new TypeError('cut off'))}))"
        script = f"""import('/page/api.js').then(({{ask, Problem}}) =>
            ask('GET', '/', undefined, async () => {cut}).catch((error) => [error instanceof Problem, error.status]))"""
        assert await page.evaluate(script) == [True, 0]
