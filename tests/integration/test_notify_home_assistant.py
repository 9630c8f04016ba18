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
    async with mosquitto(tmp_path, secure=False) as broker, home_assistant(tmp_path, broker.port) as home:

        async def is_now(entity: str, state: str) -> bool:
            engine.statistics()
            return (await home.state(entity))["state"] == state

        async def told(event: str) -> bool:
            return (await home.state("event.door_alerts"))["attributes"].get("event_type") == event

        async with notifying(settings(engine, tmp_path, {"house": {**broker.target, "node": "home"}})):
            name = engine.begin(reason="person lies in hall")
            await until(lambda: is_now(FALL, "on"))
            assert (await home.state(FALL))["attributes"]["reason"] == "person lies in hall"
            await until(lambda: told("began"))
            found = {entity for entity in await home.entities() if ".door_" in entity}
            assert {"switch.door_fall_armed", "binary_sensor.door_connection", "sensor.door_people"} <= found
            engine.clear(name)
            await until(lambda: is_now(FALL, "off"))
            await until(lambda: told("cleared"))
        await until(lambda: is_now(FALL, "unavailable"))
    await engine.stop()
