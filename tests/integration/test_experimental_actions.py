"""Labels of experimental actions are marked in an engine's messages, in its status and on the live page."""

from __future__ import annotations

import json

from stream.results import Event, Frame, Message
from support.engines.bar_model import BarModel
from support.engines.controlled_engine import Client, configured
from support.repository import REPOSITORY
from support.waiting import until
from support.webrtc.live_page import shown, tile

import aiohttp  # isort: skip

ARTEFACTS = REPOSITORY / "tests" / "artefacts"
NOTED = "pick up (experimental)"


def text(selector: str) -> str:
    return f"(document.querySelector({json.dumps(selector)})?.textContent ?? '')"


def among(selector: str, what: str, wanted: str) -> str:
    return f"[...document.querySelectorAll({json.dumps(selector)})].some(one => one.{what}.includes({wanted!r}))"


async def test_messages_status_and_page_mark_the_models_experimental_actions_and_no_others() -> None:
    config = configured({"id": "door", "source": "pattern:640x360@12.5"})
    messages: list[Message] = []
    async with shown(config, BarModel(("pick_up",))) as (engine, page):
        engine.publisher.on_message(lambda topic, message: messages.append(message))
        await page.wait_for(f"{text(tile('door', '.doing'))} === 'walk'")
        await page.wait_for(f"{text(tile('door', '.doing'))} === {NOTED!r}")
        await page.screenshot(ARTEFACTS / "experimental-wall.png")
        await page.click(tile("door"))
        await page.wait_for(f"{text('.person .doing')} === 'pick up experimental holds cup'")
        await page.wait_for(f"{text('.verdict strong')} === 'pick up experimental'")
        await page.wait_for(f"{text('#why')}.includes('often wrong about this action')")
        await page.wait_for(among(".lane .span", "title", f"{NOTED}, "))
        await page.wait_for(among(".event .what", "textContent", f"walk → {NOTED}"))
        await page.screenshot(ARTEFACTS / "experimental-camera.png")
        await page.wait_for(f"{text('.verdict strong')} === 'walk'")
        await page.wait_for(f"!({text('#why')}.includes('often wrong'))")
        await page.wait_for(among(".bar-row .label", "textContent", "pick up experimental"))
        assert page.errors == []

        assert engine.http_address is not None
        async with aiohttp.ClientSession() as session:
            status = await Client(session, engine.http_address).get("/api/v1/status")
        assert status["model"]["experimental"] == ["pick_up"]
        assert engine.stats().model.experimental == ["pick_up"]
        await until(lambda: any(isinstance(message, Event) and message.label == "walk" for message in messages))
    events = [message for message in messages if isinstance(message, Event)]
    assert {(event.label, event.experimental) for event in events} == {("pick_up", True), ("walk", False)}
    frames = [message for message in messages if isinstance(message, Frame)]
    actions = [person.action for frame in frames for person in frame.people if person.action is not None]
    assert {(action.label, action.experimental) for action in actions} == {("pick_up", True), ("walk", False)}
    assert all(frame.model.experimental == ["pick_up"] for frame in frames)
