"""`partstream notify` and a real Home Assistant, at a real mosquitto. Restarts are in the soak tests."""

from __future__ import annotations

from pathlib import Path

from support.notify.alert_engine import AlertEngine, notifying, settings
from support.notify.home_assistant import home_assistant
from support.notify.mosquitto import mosquitto
from support.waiting import until

FALL = "binary_sensor.door_fall"


async def test_home_assistant_discovers_a_camera_and_shows_its_alert_until_it_is_over(tmp_path: Path) -> None:
    engine = AlertEngine()
    await engine.start()
    target = {"node": "home", "pictures": True}
    async with mosquitto(tmp_path, secure=False) as broker, home_assistant(tmp_path, broker.port) as home:

        async def is_now(entity: str, state: str) -> bool:
            engine.statistics()
            return (await home.state(entity))["state"] == state

        async def told(event: str) -> bool:
            return (await home.state("event.door_alerts"))["attributes"].get("event_type") == event

        async def shown(entity: str, body: bytes) -> bool:
            address = (await home.state(entity))["attributes"].get("entity_picture")
            return address is not None and await home.read(address) == body

        async def picture(name: str) -> bytes:
            return b"\xff\xd8 of " + name.encode()

        config = settings(engine, tmp_path, {"house": broker.target | target}, {"api": "http://127.0.0.1:9"})
        async with notifying(config) as notifier:
            notifier.sessions["house"]._picture = picture
            name = engine.begin(reason="person lies in hall")
            await until(lambda: is_now(FALL, "on"))
            assert (await home.state(FALL))["attributes"]["reason"] == "person lies in hall"
            await until(lambda: told("began"))
            await until(lambda: shown("image.door_picture", b"\xff\xd8 of " + name.encode()))
            found = {entity for entity in await home.entities() if ".door_" in entity}
            assert {"switch.door_fall_armed", "binary_sensor.door_connection", "sensor.door_people"} <= found
            engine.clear(name)
            await until(lambda: is_now(FALL, "off"))
            await until(lambda: told("cleared"))
        await until(lambda: is_now(FALL, "unavailable"))
    await engine.stop()
