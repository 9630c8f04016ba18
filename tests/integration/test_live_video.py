"""The live page shows a camera's video in a real browser, each picture with its own result, or JPEG pictures."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.cameras.rtsp_server import RtspServer
from support.engines.code_model import CodeModel
from support.engines.controlled_engine import PATTERN, configured
from support.engines.small_clips import make_clip
from support.ports import reserved_port
from support.waiting import until
from support.webrtc.chromium import Page
from support.webrtc.live_page import shown, tile

FRAMES = 250
SIZE = (640, 360)

CODES = """
new Promise(resolve => {
  const canvas = document.querySelector("#detail canvas"), seen = new Map()
  const look = () => {
    const drawn = canvas.drawn
    if (drawn?.withResult && drawn.boxes.length && !seen.has(drawn.frame)) {
      const {place, frame, epoch, boxes} = drawn
      const row = canvas.getContext("2d").getImageData(0, Math.round(place.y + place.height / 45), canvas.width, 1).data
      let bits = ""
      for (let block = 0; block < 20; block++) {
        const x = Math.round(place.x + (block + 0.5) * place.width / 20)
        bits += row[4 * x] > 127 ? "1" : "0"
      }
      const expected = (boxes[0].box[0] - place.x) * WIDTH / place.width
      seen.set(frame, {frame, epoch, bits, expected})
    }
    seen.size < COUNT ? requestAnimationFrame(look) : resolve([...seen.values()])
  }
  look()
})"""
"""Collects for each picture the number in its pixels and the number in its result."""


def painted(bits: str) -> int:
    """Return the number in a barcode's bits."""
    assert bits[:2] == "10" and bits[18] != bits[19] and bits[2:18].count("1") % 2 == int(bits[18]), bits
    return int(bits[2:18], 2)


async def test_live_video_is_shown_with_the_result_of_each_picture(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", FRAMES, SIZE)
    with RtspServer(files={"/clip": clip}, port=reserved_port()) as server:
        camera = {"id": "yard", "source": server.url("/clip"), "reconnect_initial_s": 0.1, "reconnect_max_s": 0.3}
        async with shown(configured(camera), CodeModel()) as (engine, page):
            await page.wait_for(f"document.querySelector({json.dumps(tile('yard', 'canvas'))})?.drawn?.withResult")
            watched = engine._live_pictures._watched
            assert "yard" in watched and len(engine._viewers) == 0, "small tiles are JPEG pictures"
            await page.click(tile("yard"))
            await until(lambda: len(engine._viewers) == 1 and not watched)
            seen = await codes(page, 60)
            assert len({one["bits"] for one in seen}) > 50, "it moves"
            for one in seen:
                assert abs(painted(one["bits"]) - one["expected"]) < 0.5, one
            frames = [one["frame"] for one in seen]
            assert frames == sorted(frames)
            print(f"{frames[-1] - frames[0] + 1} frames, {len(frames)} seen with their result")

            server.kill()
            await until(lambda: len(engine._viewers) == 0)
            server.restart()
            await until(lambda: len(engine._viewers) == 1 and not watched)
            for one in await codes(page, 5):
                assert one["epoch"] == 2
                assert abs(painted(one["bits"]) - one["expected"]) < 0.5, one

            await page.press("Escape")
            await until(lambda: len(engine._viewers) == 0 and "yard" in watched)
            await until(lambda: not engine._peers.ice_states())
            assert not engine.cameras.running["yard"].live_video.watched
            assert page.errors == []


HIDE = """
Object.defineProperty(document, 'hidden', {value: true, configurable: true})
document.dispatchEvent(new Event('visibilitychange'))"""
SHOW = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))"


async def test_interrupted_or_unavailable_video_is_replaced_by_jpegs_and_a_hidden_tab_requests_nothing(
    tmp_path: Path,
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", FRAMES, SIZE)
    with RtspServer(files={"/clip": clip}) as server:
        cameras = [{"id": "yard", "source": server.url("/clip")}, {"id": "test-picture", "source": PATTERN}]
        async with shown(configured(*cameras), CodeModel()) as (engine, page):
            watched = engine._live_pictures._watched
            await page.wait_for(f"document.querySelector({json.dumps(tile('yard', 'canvas'))})?.drawn?.withResult")
            await page.click(tile("yard"))
            await until(lambda: len(engine._viewers) == 1 and not watched)
            await page.evaluate(HIDE)
            await until(lambda: len(engine._viewers) == 0 and not watched)
            await page.evaluate(SHOW)
            await until(lambda: len(engine._viewers) == 1 and not watched)

            (name,) = engine._viewers._sessions
            engine._viewers.end(*name)
            await until(lambda: "yard" in watched)
            before = await page.evaluate("document.querySelector('#detail canvas').drawn.at")
            await page.wait_for(f"document.querySelector('#detail canvas').drawn.at > {before} + 500")
            assert len(engine._viewers) == 0, "video is not retried at once"

            await page.press("ArrowRight")
            await page.wait_for("document.querySelector('#detail h1').textContent === 'test-picture'")
            await page.wait_for("document.querySelector('#detail canvas').drawn?.withResult")
            await until(lambda: list(watched) == ["test-picture"])
            assert page.errors == [], "the page checks first whether there is video"


async def codes(page: Page, count: int) -> list[dict[str, float | str]]:
    script = CODES.replace("WIDTH", str(SIZE[0])).replace("COUNT", str(count))
    return await page.evaluate(script)
