"""Zones on the live page: drawn over the enlarged camera, and named with the people who are in them."""

from __future__ import annotations

import json

import pytest

from support.engines.bar_model import BarModel
from support.engines.controlled_engine import configured
from support.webrtc.live_page import shown, tile

LARGE = "document.querySelector('#detail canvas')"
BUTTON = "document.querySelector('#detail .toggle[aria-keyshortcuts=z]')"
ZONES = {
    "hall": {"points": [[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]},
    "street": {"points": [[0.6, 0.1], [0.9, 0.1], [0.9, 0.3]], "ignore": True},
}


async def test_zones_are_drawn_where_they_are_and_name_the_people_in_them() -> None:
    door = {"id": "door", "source": "pattern:640x360@12.5", "zones": ZONES}
    gate = {"id": "gate", "source": "pattern:640x360@12.5"}
    async with shown(configured(door, gate), BarModel()) as (_, page):
        await page.wait_for(f"document.querySelector({json.dumps(tile('door', 'canvas'))})?.drawn?.withResult")
        await page.evaluate("location.hash = '#door'")
        await page.wait_for(f"{LARGE}?.drawn?.zones?.zones.length === 2")
        drawn = await page.evaluate(f"{LARGE}.drawn")
        place = drawn["place"]
        for name, zone in ZONES.items():
            (points,) = (one["points"] for one in drawn["zones"]["zones"] if one["name"] == name)
            expected = [[place["x"] + x * place["width"], place["y"] + y * place["height"]] for x, y in zone["points"]]
            assert points == [pytest.approx(point, abs=0.1) for point in expected]
        in_hall = "document.querySelector('.person').textContent.includes('in hall')"
        await page.wait_for(f"{in_hall} && document.querySelector('.verdict').textContent.includes('in hall')")
        await page.wait_for(f"{LARGE}.drawn.zones.zones.find(zone => zone.name === 'hall').occupied")
        await page.wait_for(f"!{in_hall}")

        await page.press("z")
        await page.wait_for(f"!{LARGE}.drawn.zones && {BUTTON}.getAttribute('aria-pressed') === 'false'")
        await page.click("#detail .toggle[aria-keyshortcuts=z]")
        await page.wait_for(f"{LARGE}.drawn.zones && {BUTTON}.getAttribute('aria-pressed') === 'true'")
        await page.press("ArrowRight")
        await page.wait_for(f"location.hash === '#gate' && {LARGE}?.drawn && {BUTTON}.hidden")
        assert page.errors == []
