"""The live page's overlay of what the detector looked at, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from commands.demo.show import cut
from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.looks import NOTHING, SKIPPED, WHOLE, Look, Region, look_at
from stages.third_party import weights
from stages.types import FrameAnalysis
from stream.results import Frame, Message
from support.engines.controlled_engine import configured
from support.repository import REPOSITORY
from support.webrtc.chromium import Page
from support.webrtc.live_page import shown, tile

ARTEFACTS = REPOSITORY / "tests" / "artefacts"
SOURCE = "pattern:640x360@12.5"
CANVAS = f"document.querySelector({json.dumps(tile('door', 'canvas'))})"
BUTTON = "document.querySelector('#detail .toggle')"
PRESSED = f"{BUTTON}.getAttribute('aria-pressed')"
LARGE = "document.querySelector('#detail canvas')"

COLLECT = """
new Promise(resolve => {
  const seen = new Map()
  const look = () => {
    const drawn = CANVAS.drawn
    if (drawn?.detector) seen.set(drawn.frame, drawn)
    seen.size < COUNT ? requestAnimationFrame(look) : resolve([...seen.values()])
  }
  look()
})"""
"""Collects what is drawn for each picture."""

DRAW = """
import("/page/detector_overlay.js").then(({LatestLooks, drawDetector}) => {
  const looks = new LatestLooks()
  return RESULTS.map(result => {
    const context = new OffscreenCanvas(640, 360).getContext("2d")
    context.fillStyle = "#404040"
    context.fillRect(0, 0, 640, 360)
    const place = {x: 0, y: 0, width: 640, height: 360}
    const {kinds, box} = drawDetector(context, {...result, size: [320, 180]}, looks.add(result), place, 1)
    const red = (x, y) => context.getImageData(x, y, 1, 1).data[0]
    return {kinds, box, region: red(100, 250), edge: red(1, 180), elsewhere: red(300, 300)}
  })
})"""
"""Draws results of 320x180 on grey pictures twice as large, and returns brightnesses: at the left edge of a region that
begins at 50.25, at the edge of the picture, and where nothing is drawn."""


class LookingModel(FreeModel):
    """Looks in each way for 20 frames in turn. Between regions and between whole pictures, it skips a frame."""

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        return [FrameAnalysis(look=self.look(lease.meta.frame)) for lease in frames]

    @staticmethod
    def look(frame: int) -> Look:
        turn = frame // 20 % 4
        if turn < 2 and frame % 2:
            return SKIPPED
        return (look_at([Region(frame * 2 % 200, 32, 160)]), WHOLE, NOTHING, SKIPPED)[turn]


async def collected(page: Page, count: int) -> list[dict[str, Any]]:
    return await page.evaluate(COLLECT.replace("CANVAS", CANVAS).replace("COUNT", str(count)))


async def test_the_overlay_is_off_until_its_key_or_button_and_shows_each_results_look() -> None:
    async with shown(configured({"id": "door", "source": SOURCE}), LookingModel()) as (_, page):
        await page.wait_for(f"{CANVAS}?.drawn?.withResult")
        assert await page.evaluate(f"{CANVAS}.drawn.detector") is None
        await page.press("d")
        await page.wait_for(f"{CANVAS}.drawn.detector")
        missing = {"whole", "regions", "nothing", "skipped"}
        for _ in range(100):  # a slow browser draws few frames of each kind
            for one in await collected(page, 10):
                look, lit = LookingModel.look(one["frame"]), one["detector"]["kinds"]
                assert look.kind in lit
                missing.discard(look.kind)
                if not look.regions:
                    continue
                (box,), place = one["detector"]["regions"], one["place"]
                scale = place["width"] / 640
                left, top, side, *_ = look.regions[0]
                assert box == pytest.approx(
                    [
                        place["x"] + left * scale,
                        place["y"] + top * scale,
                        place["x"] + (left + side) * scale,
                        place["y"] + (top + side) * scale,
                    ],
                    abs=0.1,
                )
            if not missing:
                break
        assert not missing, "never drawn"
        await page.press("d")
        await page.wait_for(f"!{CANVAS}.drawn.detector")
        assert page.errors == []


async def test_the_button_of_the_enlarged_view_shows_and_changes_the_state_of_the_overlay() -> None:
    async with shown(configured({"id": "door", "source": SOURCE}), LookingModel()) as (_, page):
        await page.wait_for(f"{CANVAS}?.drawn?.withResult")
        await page.click(tile("door"))
        await page.wait_for(f"{LARGE}?.drawn?.withResult && {PRESSED} === 'false'")
        await page.click("#detail .toggle")
        await page.wait_for(f"{LARGE}.drawn.detector && {PRESSED} === 'true'")
        await page.press("d")
        await page.wait_for(f"!{LARGE}.drawn.detector && {PRESSED} === 'false'")
        await page.press("d")
        await page.press("Escape")
        await page.wait_for(f"{CANVAS}.drawn.detector")
        assert page.errors == []


async def test_regions_stay_in_sight_while_frames_are_skipped() -> None:
    async with shown(configured({"id": "door", "source": SOURCE}), LookingModel()) as (_, page):
        await page.wait_for(f"{CANVAS}?.drawn?.withResult")
        await page.press("d")
        await page.wait_for(f"{CANVAS}.drawn.detector?.kinds.includes('nothing')")
        seen, skipped = list[dict[str, Any]](), list[dict[str, Any]]()
        for _ in range(100):  # a slow browser draws few of these frames
            if len(seen) > 10 and skipped:
                break
            drawn = await collected(page, 10)
            seen += [one for one in drawn if one["frame"] // 20 % 4 == 0 and one["frame"] % 20 > 0]
            skipped = [one for one in seen if LookingModel.look(one["frame"]) is SKIPPED]
        assert len(seen) > 10 and skipped
        assert all(len(one["detector"]["regions"]) == 1 for one in seen)
        assert all({"regions", "skipped"} <= set(one["detector"]["kinds"]) for one in skipped)


async def test_lines_are_light_on_any_picture_and_fade_after_the_look() -> None:
    def message(ms: int, **look: Any) -> dict[str, Any]:
        return {"epoch": 1, "media_time_us": ms * 1000, **look}

    results = [
        message(0),
        message(2000, look="regions", regions=[[50.25, 100, 100, 150]]),
        *(message(2000 + ms, look="skipped") for ms in (300, 500, 650, 850)),
        {**message(0, look="nothing"), "epoch": 2},
    ]
    async with shown(configured(), FreeModel()) as (_, page):
        whole, region, *skipped, other = await page.evaluate(DRAW.replace("RESULTS", json.dumps(results)))
    assert whole["edge"] > 200 and whole["region"] == whole["elsewhere"] == 0x40
    assert region["region"] > 200 and region["edge"] == region["elsewhere"] == 0x40
    lights = [one["region"] for one in (region, *skipped)]
    assert lights[0] == lights[1] > lights[2] > lights[3] > lights[4] == 0x40
    assert skipped[-1]["kinds"] == ["skipped"] and other["kinds"] == ["nothing"], "an epoch begins without looks"
    assert all(0 < one["box"][0] < one["box"][2] < 640 for one in (whole, region, *skipped, other))


async def test_the_key_is_only_a_letter_while_the_user_types_and_is_in_the_help() -> None:
    async with shown(configured({"id": "door", "source": SOURCE}), LookingModel()) as (_, page):
        await page.wait_for(f"{CANVAS}?.drawn?.withResult")
        await page.press("/")
        await page.write("d")
        await page.wait_for("document.querySelector('#filter').value === 'd'")
        await page.press("Escape")
        await page.wait_for(f"{CANVAS}.drawn.frame > {await page.evaluate(f'{CANVAS}.drawn.frame')}")
        assert await page.evaluate(f"{CANVAS}.drawn.detector") is None
        await page.press("?")
        await page.wait_for("document.querySelector('#help-dialog').open")
        keys = "[...document.querySelectorAll('#help-dialog .keys div')].map(row => row.textContent).join()"
        assert "Show or hide what the detector looks at" in await page.evaluate(keys)


async def test_regions_of_a_real_street_are_drawn_where_the_result_of_the_same_frame_has_them(tmp_path: Path) -> None:
    clip = tmp_path / "street.mp4"
    cut(weights.locate("vtest", "vtest.avi"), clip, 12.0)
    with RtspServer(files={"/street": clip}) as server:
        camera = {"id": "door", "source": server.url("/street"), "detector_size": (384, 288), "max_fps": 5}
        async with shown(configured(camera, model={"detection": "regions"}), None) as (engine, page):
            published: dict[tuple[int, int], Frame] = {}

            def note(topic: str, message: Message) -> None:
                if isinstance(message, Frame):
                    published[message.epoch, message.frame] = message

            engine.publisher.on_message(note)
            await page.wait_for(f"{CANVAS}?.drawn?.withResult")
            await page.press("d")
            await page.wait_for(f"{CANVAS}.drawn.detector?.regions.length")
            boxes = 0
            for one in await collected(page, 6):
                result = published.get((one["epoch"], one["frame"]))
                if result is None or result.look != "regions":
                    continue  # published before the listener was added, or a look at the whole picture
                place = one["place"]
                scale = place["width"] / result.size[0]
                for drawn, box in zip(one["detector"]["regions"], result.regions, strict=True):
                    boxes += 1
                    offsets = [place["x"], place["y"]] * 2
                    expected = [start + value * scale for start, value in zip(offsets, box, strict=True)]
                    assert drawn == pytest.approx(expected, abs=0.1)
            assert boxes > 0
            await page.evaluate("location.hash = '#door'")
            await page.wait_for("document.querySelector('#detail canvas')?.drawn?.detector?.regions.length")
            assert (await page.screenshot(ARTEFACTS / "detector-overlay.png")).startswith(b"\x89PNG")
            assert page.errors == []
