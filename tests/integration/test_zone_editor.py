"""The live page's editor of zones in a browser: with mouse, keyboard and touch, and with changes made elsewhere."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import shapely

from stream.engine import Engine
from support.engines.controlled_engine import Client, configured
from support.engines.walker import Walker
from support.repository import REPOSITORY
from support.waiting import until
from support.webrtc.chromium import Page
from support.webrtc.live_page import DESKTOP, shown

ARTEFACTS = REPOSITORY / "tests" / "artefacts"
HALL = {"points": [[0.1, 0.5], [0.9, 0.5], [0.9, 1], [0.1, 1]]}
EDITING = "!!document.querySelector('.zone-editor')"
OUTLINE_ERROR = "#zone-outline-error"

TO_ENGINE = """
(() => {
  const known = window.fetch
  window.fetch = (path, options) => {
    if (options?.method === "PATCH") options = {...options, body: BODY}
    return known(path, options)
  }
})()"""
"""Replaces the next changes by one that the engine refuses."""

Points = Sequence[Sequence[float]]


@asynccontextmanager
async def editing(
    zones: dict[str, Any] | None = None, size: tuple[int, int] = DESKTOP, *, phone: bool = False
) -> AsyncGenerator[tuple[Engine, Page]]:
    """Run an engine with one camera, and yield it with its page, where the editor of the camera's zones is open."""
    config = configured({"id": "door", "source": "pattern:200x100@25", "zones": zones or {}})
    async with shown(config, Walker(), size=size) as (engine, page):
        if phone:
            await page.resize(*size, phone=True, scale=2.0)
        await page.evaluate("location.hash = '#door'")
        await page.wait_for("document.querySelector('#detail canvas')?.drawn?.boxes.length")
        await page.click("#detail .draw")
        await page.wait_for(EDITING)
        yield engine, page
        assert [error for error in page.errors if "status of 422" not in error and "status of 403" not in error] == []


def zone(engine: Engine, name: str) -> list[tuple[float, float]]:
    return engine.cameras.configs["door"].zones[name].points


def near(points: Points, within: float = 0.01) -> list[Any]:
    return [pytest.approx(point, abs=within) for point in points]


async def places(page: Page, points: Points) -> list[tuple[float, float]]:
    """Scroll to the picture, and return where its points are in the window; no nearer to its edge than a mouse goes."""
    box = await page.box_at_rest(".zone-layer")
    return [(box["x"] + min(x, 0.99) * box["width"], box["y"] + min(y, 0.99) * box["height"]) for x, y in points]


async def drag(page: Page, *points: Sequence[float]) -> None:
    """Press the mouse at the first point, move over the others, and release it at the last one."""
    where = await places(page, points)
    kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"]
    for kind, (x, y) in zip(kinds, [*where, where[-1]], strict=True):
        await page.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


async def swipe(page: Page, *points: Sequence[float]) -> None:
    """Touch the first point, move over the others, and lift the finger."""
    touches = [[{"x": x, "y": y}] for x, y in await places(page, points)]
    kinds = ["touchStart", *["touchMove"] * (len(points) - 1), "touchEnd"]
    for kind, touch in zip(kinds, [*touches, []], strict=True):
        await page.send("Input.dispatchTouchEvent", type=kind, touchPoints=touch)


async def fine(page: Page, key: str) -> None:
    """Press a key with Shift."""
    codes = {"ArrowUp": 38, "ArrowRight": 39}
    for kind in ("keyDown", "keyUp"):
        await page.send("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=codes[key], modifiers=8)


def text(selector: str) -> str:
    return f"(document.querySelector({json.dumps(selector)})?.textContent ?? '')"


async def name(page: Page, value: str) -> None:
    await page.evaluate("document.querySelector('[name=zone-name]').select()")
    await page.write(value)


async def test_a_zone_drawn_with_the_mouse_is_saved_and_names_the_people_in_it() -> None:
    async with editing() as (engine, page):
        await page.click("[data-begin=zones]")
        for point in HALL["points"]:
            await drag(page, point)
        await drag(page, HALL["points"][0])
        await page.wait_for("document.activeElement.name === 'zone-name'")
        await page.evaluate("document.activeElement.select()")
        await page.write("The Hall")
        await page.press("Enter")
        await page.wait_for(f"{text('#zone-name-error')}.startsWith('Use a-z')")
        await name(page, "hall")
        await drag(page, [0.5, 0.5], [0.5, 0.3])  # inserts a point on an edge
        await drag(page, HALL["points"][1], [0.8, 0.4])
        await page.screenshot(ARTEFACTS / "zone-editor.png")
        await page.click(".zone-editor .primary")
        await page.wait_for(f"!{EDITING}")
        saved = [[0.1, 0.5], [0.5, 0.3], [0.8, 0.4], [0.9, 1], [0.1, 1]]
        assert zone(engine, "hall") == near(saved)
        await page.wait_for(f"{text('.person')}.includes('in hall')")
        await page.send("Page.reload")
        await page.wait_for("document.querySelector('#detail canvas')?.drawn?.zones?.zones[0]?.name === 'hall'")
        await page.wait_for(f"{text('.person')}.includes('in hall')")


async def test_a_zone_is_drawn_and_changed_with_the_keyboard_alone() -> None:
    async with editing() as (engine, page):
        await page.wait_for("document.activeElement.dataset.begin === 'zones'")
        await page.press("Enter")  # without a mouse, a zone begins in the middle of the picture
        first = "document.activeElement.getAttribute('aria-label')"
        await page.wait_for(f"{first} === 'Point 1 of 4 of zone-1, 35 % from the left, 35 % from the top'")
        for _ in range(3):
            await page.press("ArrowLeft")
        await fine(page, "ArrowUp")
        await page.press("Tab")
        await page.wait_for(f"{first}.startsWith('Point 2 of 4')")
        await page.press("Delete")
        await page.wait_for(f"{first}.startsWith('Point 2 of 3')")
        await page.press("Delete")  # a zone keeps three points
        await page.press("Enter")
        await page.wait_for(f"{first}.startsWith('Point 3 of 4')")
        await fine(page, "ArrowRight")
        await page.press("Escape")
        await page.wait_for("document.querySelector('#discard-dialog').open")
        await page.press("Enter")
        await page.wait_for(f"!document.querySelector('#discard-dialog').open && {EDITING}")
        await name(page, "desk")
        await page.press("Enter")
        await page.wait_for(f"!{EDITING} && document.activeElement.className === 'draw'")
        assert zone(engine, "desk") == near([[0.32, 0.349], [0.65, 0.65], [0.501, 0.65], [0.35, 0.65]], 1e-6)


async def test_a_zone_is_drawn_by_touch_on_a_phone_and_refused_while_it_crosses_itself() -> None:
    async with editing(size=(360, 740), phone=True) as (engine, page):
        await page.click("[data-begin=zones]")
        for point in HALL["points"]:
            await swipe(page, point)
        finish = (
            "[...document.querySelectorAll('.zone-points button')].find(one => one.textContent === 'Close outline')"
        )
        await page.evaluate(f"{finish}.click()")
        await swipe(page, HALL["points"][0], [0.5, 0.6], [0.99, 0.75])
        await page.wait_for(f"{text(OUTLINE_ERROR)}.includes('crosses or touches itself')")
        await page.click(".zone-editor .primary")
        await page.wait_for("document.querySelector('.chip-button').textContent.includes('wrong')")
        assert engine.cameras.configs["door"].zones == {}
        sizes = "[...document.querySelectorAll('.zone-editor button')].filter(one => one.checkVisibility())"
        assert await page.evaluate(f"Math.min(...{sizes}.map(one => one.getBoundingClientRect().height))") >= 44
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
        await page.evaluate("document.querySelector('.zone-head button').click()")  # undo
        await page.wait_for(f"{text(OUTLINE_ERROR)} === ''")
        await page.click(".zone-editor .primary")
        await page.wait_for(f"!{EDITING}")
        assert zone(engine, "zone-1") == near(HALL["points"])


async def test_a_line_is_drawn_with_its_sides_turned_and_saved() -> None:
    async with editing() as (engine, page):
        await page.click("[data-begin=lines]")
        await drag(page, [0.5, 0.8])
        await drag(page, [0.5, 0.2])
        await page.wait_for("document.activeElement.name === 'zone-name'")
        await name(page, "fence")
        left, right = await page.evaluate(
            "[...document.querySelectorAll('text.side')].map(one => one.x.baseVal[0].value)"
        )
        assert left < right, "as seen from the lower point to the upper one"
        await drag(page, [0.5, 0.2], [0.9, 0.8])
        await page.click(".zone-editor .primary")
        await page.wait_for(f"!{EDITING}")
        assert engine.cameras.configs["door"].lines["fence"].points == (*near([[0.5, 0.8], [0.9, 0.8]]),)
        await page.wait_for("document.querySelector('#detail canvas').drawn.zones?.lines[0]?.name === 'fence'")


async def test_a_mask_is_drawn_with_the_restart_announced_and_never_made_smaller() -> None:
    async with editing() as (engine, page):
        restarts = "!document.querySelector('.zone-editor .restarts').hidden"
        assert not await page.evaluate(restarts)
        await page.click("[data-begin=masks]")
        corners = [[0.6, 0.1], [0.9, 0.1], [0.9, 0.4], [0.6, 0.4]]
        for point in [*corners, corners[0]]:
            await drag(page, point)
        await page.wait_for(restarts)
        await name(page, "window")
        await page.screenshot(ARTEFACTS / "mask-editor.png")
        await page.click(".zone-editor .primary")
        await page.wait_for(f"!{EDITING}")
        assert engine.cameras.configs["door"].masks["window"].points == near(corners)
        await until(lambda: engine.cameras.status("door").epoch == 2)
        await page.wait_for(f"{text('#detail .privacy')} === 'Masked'")
        await page.click("#detail .draw")
        await page.wait_for(EDITING)
        await page.click(".chip-button[data-shape]")
        await drag(page, corners[0], [0.7, 0.2])
        await page.click(".zone-editor .primary")
        await page.wait_for(f"{text('.zone-editor .error[role=alert]')}.includes('masks must cover')")
        assert engine.cameras.configs["door"].masks["window"].points == near(corners)


async def test_changes_made_elsewhere_meanwhile_are_kept_or_shown() -> None:
    async with editing({"hall": HALL, "desk": HALL}) as (engine, page), aiohttp.ClientSession() as session:
        client = Client(session, engine.http_address or "")

        async def change(**zones: Any) -> None:
            assert (await client.ask("PATCH", "/api/v1/cameras/door", json={"zones": zones}))[0] == 200

        async def edit(chosen: str, new: str) -> None:
            await page.evaluate(f"[...document.querySelectorAll('.chip-button')].find(one => {chosen}).click()")
            await name(page, new)

        other = {"points": [[0, 0], [0.3, 0], [0.3, 0.3]]}
        await change(hall=HALL, desk=other, yard=other)
        await edit("one.textContent === 'hall'", "lobby")
        await page.press("Enter")
        await page.wait_for(f"!{EDITING}")
        zones = engine.cameras.configs["door"].zones
        assert {one: zone.points[0] for one, zone in zones.items()} == {
            "lobby": (0.1, 0.5),
            "desk": (0, 0),
            "yard": (0, 0),
        }

        await page.click("#detail .draw")
        await page.wait_for(EDITING)
        await change(desk=HALL, yard=other)
        await edit("one.textContent === 'desk'", "table")
        await page.click("[data-shape]")
        await page.evaluate("document.querySelector('.zone-fields .check input').click()")
        await page.click(".zone-editor .primary")
        await page.wait_for(
            f"{text('.zone-head + .error')} === 'lobby was deleted by someone else. Save again to keep your zone. "
            "desk was changed by someone else. Save again to replace that change.'"
        )
        assert set(engine.cameras.configs["door"].zones) == {"desk", "yard"}, "nothing was saved"
        await page.click(".zone-editor .primary")
        await page.wait_for(f"!{EDITING}")
        zones = engine.cameras.configs["door"].zones
        assert {one: (zone.points[0], zone.ignore) for one, zone in zones.items()} == {
            "lobby": ((0.1, 0.5), True),
            "table": ((0, 0), False),
            "yard": ((0, 0), False),
        }


async def test_the_engines_refusal_is_shown_at_the_zone_and_its_checks_agree_with_the_editors() -> None:
    crossed = [[0, 0], [1, 1], [1, 0], [0, 1]]
    async with editing({"hall": HALL}) as (engine, page):
        body = json.dumps({"zones": {"hall": {"points": crossed}}})
        await page.evaluate(TO_ENGINE.replace("BODY", json.dumps(body)))
        await page.click("[data-shape]")
        await page.evaluate("document.querySelector('.zone-fields .check input').click()")
        await page.click(".zone-editor .primary")
        await page.wait_for(f"{text(OUTLINE_ERROR)}.includes('list the corners in order')")
        assert zone(engine, "hall") == near(HALL["points"])

        chance = random.Random(7)
        grid = list(itertools.product((0.0, 0.25, 0.5, 0.75, 1.0), repeat=2))  # coarse, so that outlines touch
        outlines = [chance.sample(grid, chance.randint(3, 7)) for _ in range(400)]
        script = f"import('/page/zone_shapes.js').then(page => {json.dumps(outlines)}.map(page.crossingEdges))"
        crossing = await page.evaluate(script)
        valid = [shapely.Polygon(outline).is_valid for outline in outlines]
        assert 50 < sum(valid) < 350
        flat = [shapely.Polygon(outline).area == 0 for outline in outlines]
        for outline, edges, is_valid, is_flat in zip(outlines, crossing, valid, flat, strict=True):
            assert (not edges) == is_valid or is_flat, outline
