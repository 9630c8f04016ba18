"""The live page's overlay of what the detector looked at, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.looks import NOTHING, SKIPPED, WHOLE, Look, Region, look_at
from stages.types import FrameAnalysis
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
