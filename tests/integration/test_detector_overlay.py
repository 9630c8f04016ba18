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
