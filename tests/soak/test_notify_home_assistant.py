"""`partstream notify` and a real Home Assistant, at a real mosquitto."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.notify.alert_engine import AlertEngine, notifying, open_alerts, settings
from support.notify.home_assistant import home_assistant
from support.notify.mosquitto import mosquitto
from support.waiting import until

pytestmark = pytest.mark.soak
FALL = "binary_sensor.door_fall"


async def test_home_assistant_discovers_cameras_and_follows_alerts_over_restarts_of_both(tmp_path: Path) -> None:
    engine = AlertEngine("door", "yard")
    await engine.start()
    async with mosquitto(tmp_path, secure=False) as broker, home_assistant(tmp_path, broker.port) as home:

        async def is_now(entity: str, state: str) -> bool:
            engine.statistics()
            return (await home.state(entity))["state"] == state

        target = {"house": {**broker.target, "node": "home"}}
        config = settings(engine, tmp_path, target)
        async with notifying(config) as notifier:
            first = engine.begin("door", reason="person lies in hall")
            engine.event("door", track=1, kind="started", label="lie", previous=None)
            await until(lambda: is_now(FALL, "on"))
            assert (await home.state(FALL))["attributes"]["reason"] == "person lies in hall"
            await until(lambda: is_now("sensor.door_people", "1"))
            assert (await home.state("sensor.door_people"))["attributes"]["lie"] == 1
            entities = await home.entities()
            found = {name for name in entities if ".door_" in name or ".yard_" in name}
            assert {FALL, "switch.door_fall_armed", "event.door_alerts", "binary_sensor.door_connection"} <= found
            assert {"binary_sensor.yard_connection", "event.yard_alerts", "sensor.yard_people"} <= found
            assert entities["binary_sensor.door_connection"] == "on"

            async def event_type() -> str | None:
                return (await home.state("event.door_alerts"))["attributes"].get("event_type")

            async def told(event: str) -> bool:
                return await event_type() == event

            await until(lambda: told("began"))
            engine.clear(first)
            await until(lambda: is_now(FALL, "off"))
            await until(lambda: told("cleared"))

            await home.call("switch/turn_off", "switch.door_fall_armed")
            await until(lambda: is_now("switch.door_fall_armed", "off"))
            assert notifier.intake.ledger.rules()["door", "fall"] is False
            await home.call("switch/turn_on", "switch.door_fall_armed")
            await until(lambda: is_now("switch.door_fall_armed", "on"))

            second = engine.begin("door")
            await until(lambda: is_now(FALL, "on"))
            await home.stop()
            engine.clear(second)
            await until(lambda: second not in open_alerts(notifier))
            third = engine.begin("yard")
            await home.start()
            await until(lambda: is_now(FALL, "off"))
            await until(lambda: is_now("binary_sensor.yard_fall", "on"))
        await until(lambda: is_now(FALL, "unavailable"))
        engine.clear(third)
        async with notifying(config):
            await until(lambda: is_now(FALL, "off"))
            await until(lambda: is_now("binary_sensor.yard_fall", "off"))
        await engine.stop()
        print(f"{len(found)} entities: {', '.join(sorted(found))}")
