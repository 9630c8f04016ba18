"""`partstream notify` and a real mosquitto with TLS and a password."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from stream.notify.notify_config import NotifyConfig
from support.engines.alerting import engine_with, with_rules
from support.notify.alert_engine import AlertEngine, notifying, open_alerts, settings
from support.notify.mosquitto import Mosquitto, mosquitto
from support.notify.mqtt_client import MqttClient, client_of
from support.waiting import until

BASE = "partstream/home"
CONFIG = "homeassistant/device/partstream_home_door/config"


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Let notify reconnect and retry soon, and give a busy broker more time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream.notify.targets.mqtt_session.CONFIRMED_WITHIN_S", 60.0)
        patch.setattr("stream.notify.targets.mqtt_session.BIRTH_S", (0.01, 0.02))
        patch.setattr("stream.notify.targets.mqtt_session.PEOPLE_S", 0.1)
        patch.setattr("stream.notify.targets.mqtt_session.MOST_WAITING", 32)
        patch.setattr("stream.notify.notifier.RULES_S", 0.1)
        patch.setattr("stream.notify.notifier.TICK_S", 0.1)
        patch.setattr("stream.notify.targets.mqtt_session.RETRY_S", 0.05)
        patch.setattr("stream.notify.targets.mqtt_session.SETTLE_S", 0.05)
        patch.setattr("stream.notify.delivery.FIRST_RETRY_S", 0.05)
        yield


def house(broker: Mosquitto, **more: Any) -> dict[str, Any]:
    return {"house": {**broker.target, "node": "home", **more}}


def sensor(client: MqttClient, camera: str = "door", rule: str = "fall") -> Any:
    value = client.value(f"{BASE}/{camera}/rule/{rule}")
    return value["state"] if value else None


async def test_alerts_turn_a_sensor_on_and_off_over_a_kill_of_the_broker(tmp_path: Path) -> None:
    engine = AlertEngine("door", "yard")
    await engine.start()
    async with mosquitto(tmp_path) as broker:
        config = settings(engine, tmp_path, house(broker), least_on="0s")
        async with notifying(config) as notifier, client_of(broker) as client:
            name = engine.begin("door", reason="person lies")
            await until(lambda: sensor(client) == "ON")
            value = client.value(f"{BASE}/door/rule/fall")
            assert (value["alerts"], value["reason"], value["severity"]) == ([name], "person lies", "warning")
            await until(lambda: len(client.stream(f"{BASE}/door/notice")) == 1)
            (notice,) = client.stream(f"{BASE}/door/alert")
            assert (notice["id"], notice["attempt"], notice["redelivered"]) == (f"{name}:began", 1, False)
            assert client.stream(f"{BASE}/door/notice")[0]["event_type"] == "began"
            assert client.value(f"{BASE}/availability") == client.value(f"{BASE}/door/availability") == "online"
            assert client.value(f"{BASE}/door/live") == "ON"

            broker.kill()
            engine.clear(name)
            other = engine.begin("yard")
            await until(lambda: other in open_alerts(notifier))
            await broker.start()
            await until(lambda: sensor(client) == "OFF" and sensor(client, "yard") == "ON")
            assert client.value(f"{BASE}/door/alerts")["recent"][-1]["alert"] == name
            await until(lambda: notifier.ledger.count("house", "pending") == 0)
            assert notifier.sessions["house"].connections == 2
        assert Counter(one.state for one in _rows(tmp_path)) == {"sent": 3}
    await engine.stop()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"\x20\x03\x00\x00\x00\x30\x01\xff", ""),  # accepted, and an invalid message
        (b"\x20\x02\x00\x01", "(it does not support MQTT 5: update it, or use another broker)"),
    ],
)
async def test_a_broker_that_sends_no_valid_message_or_is_too_old_is_connected_to_again_and_nothing_is_left_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: bytes, reason: str
) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        target = {"house": {"kind": "mqtt", "broker": f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"}}
        async with notifying(settings(AlertEngine(), tmp_path, target)):
            await until(lambda: connections >= 2)
    gc.collect()
    assert "never retrieved" not in caplog.text and reason in caplog.text


async def test_what_the_broker_refuses_is_not_delivered_and_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    alerts, live = f"{BASE}/door/alert", f"{BASE}/door/live"
    engine = AlertEngine()
    await engine.start()
    async with mosquitto(tmp_path) as broker, client_of(broker) as client:
        broker.deny(alerts, live)
        async with notifying(settings(engine, tmp_path, house(broker))) as notifier:
            engine.begin()
            (waiting,) = await until(lambda: [one for one in notifier.ledger.find() if one.error])
            assert (waiting.state, waiting.error) == ("pending", "the broker refused it: Not authorized")
            assert sensor(client) == "ON" and live not in client.values, "what it takes is published"
            assert f"{live}: the broker refused it" in caplog.text
            broker.deny()
            await until(lambda: notifier.ledger.count("house", "sent") == 1)
            await until(lambda: client.stream(alerts))
            assert client.stream(alerts)[0]["redelivered"]
            assert notifier.sessions["house"].connections == 1
    await engine.stop()


async def test_what_is_larger_than_the_broker_takes_is_given_up_with_the_reason_and_the_connection_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = AlertEngine()
    await engine.start()
    async with (
        mosquitto(tmp_path, "max_packet_size 2000") as broker,
        client_of(broker) as client,
        notifying(settings(engine, tmp_path, house(broker))) as notifier,
    ):
        await until(lambda: client.value(f"{BASE}/door/availability") == "online")
        large = engine.begin(reason="x" * 2000)
        small = engine.begin(rule="fence")
        await until(lambda: sensor(client, rule="fence") == "ON" and notifier.ledger.count("house", "sent") == 1)
        (given_up,) = notifier.ledger.find(state="given_up")
        assert given_up.alert == large and "the broker takes at most 2000" in given_up.error
        assert [one["alert"]["alert"] for one in client.stream(f"{BASE}/door/alert")] == [small]
        assert f"{BASE}/door/rule/fall: it has" in caplog.text, "the sensor is too large, too, and it is said"
        assert notifier.sessions["house"].connections == 1
    await engine.stop()


async def test_availability_follows_notify_and_the_engine(tmp_path: Path) -> None:
    engine = AlertEngine()
    await engine.start()
    async with mosquitto(tmp_path) as broker, client_of(broker) as client:
        config = settings(engine, tmp_path, house(broker), engine_silent="1s")
        async with notifying(config):
            await until(lambda: client.value(f"{BASE}/door/availability") == "online")
            await engine.stop()
            await until(lambda: client.value(f"{BASE}/door/availability") == "offline")
        await until(lambda: client.value(f"{BASE}/availability") == "offline")
        async with notifying(config):  # the engine is still away
            await until(lambda: client.value(f"{BASE}/availability") == "online")
            assert client.value(f"{BASE}/door/availability") == "offline"
            await engine.start()
            await until(lambda: client.value(f"{BASE}/door/availability") == "online")
    await engine.stop()


async def test_commands_disarm_and_arm_a_rule_and_a_retained_command_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = AlertEngine()
    await engine.start()
    async with mosquitto(tmp_path) as broker, client_of(broker) as client:
        command, armed = f"{BASE}/door/rule/fall/set", f"{BASE}/door/rule/fall/armed"
        await client.publish(command, "DISARM", retain=True)
        async with notifying(settings(engine, tmp_path, house(broker))) as notifier:
            session = notifier.sessions["house"]
            first = engine.begin()
            await until(lambda: sensor(client) == "ON" and session.commands["disarm", "retained"] == 1)
            assert client.value(armed) == "ON"
            await client.publish(command, "DISARM", retain=True)
            await until(lambda: session.commands["disarm", "retained"] == 2)
            assert client.value(armed) == "ON", "not even while notify is connected"
            await client.publish(command, "DISARM")
            await until(lambda: client.value(armed) == "OFF" and sensor(client) == "OFF")
            second = engine.begin()
            await until(lambda: second in open_alerts(notifier))
            for topic, body in [(command, "x" * 100), (f"{BASE}/door/rule/none/set", "ARM"), (command, "OPEN")]:
                await client.publish(topic, body)
            await client.publish(f"{BASE}/alert/{first}/set", "ACKNOWLEDGE")
            await client.publish(command, "ARM")
            await until(lambda: client.value(armed) == "ON")
            third = engine.begin()
            await until(lambda: any(third in one["id"] for one in client.stream(f"{BASE}/door/alert")))
            await until(lambda: client.value(f"{BASE}/door/rule/fall")["alerts"] == [third])
            assert not any(second in one["id"] for one in client.stream(f"{BASE}/door/alert"))
            assert f"'ARM' on {BASE}/door/rule/none/set is ignored" in caplog.text
            assert f"'OPEN' on {command} is ignored" in caplog.text
            assert session.commands == {
                ("disarm", "retained"): 2,
                ("disarm", "done"): 1,
                ("unknown", "unknown"): 2,
                ("arm", "unknown"): 1,
                ("acknowledge", "failed"): 1,
                ("arm", "done"): 1,
            }
    await engine.stop()


async def test_discovery_describes_a_camera_and_is_withdrawn_with_it_also_by_a_later_notify(tmp_path: Path) -> None:
    engine = AlertEngine("door", "yard")
    await engine.start()
    async with mosquitto(tmp_path) as broker, client_of(broker) as client:
        config = settings(engine, tmp_path, house(broker), least_on="0s")
        async with notifying(config) as notifier:
            fence = engine.begin(rule="fence")
            await until(lambda: "rule_fence" in (client.value(CONFIG) or {"cmps": ()})["cmps"])
            described = client.value(CONFIG)
            assert set(described["cmps"]) == {"rule_fence", "armed_fence", "alerts", "live", "people"}
            assert described["cmps"]["armed_fence"]["ret"] is False
            assert described["cmps"]["rule_fence"]["stat_t"] == f"{BASE}/door/rule/fence"
            engine.clear(fence)
            engine.begin(rule="fall")
            await until(lambda: "rule_fall" in client.value(CONFIG)["cmps"])
            await until(lambda: fence not in open_alerts(notifier))
            assert notifier.intake.set_rules([("door", "fall")])
            notifier.sessions["house"].changed()
            await until(lambda: client.values.get(f"{BASE}/door/rule/fence") == b"")
            bodies = [one.json["cmps"].get("rule_fence") for one in client.messages if one.topic == CONFIG]
            assert {"p": "binary_sensor"} in bodies and bodies[-1] is None
        engine.cameras = ("yard",)
        async with notifying(config):
            await until(lambda: bool(engine.statistics() or client.values.get(CONFIG) == b""))
            streams = {f"{BASE}/door/{name}" for name in ("alert", "notice")}

            def left() -> set[str]:
                return {topic for topic, body in client.values.items() if topic.startswith(f"{BASE}/door/") and body}

            await until(lambda: left() <= streams)  # nothing of the camera is retained
    await engine.stop()


async def test_home_assistants_birth_message_gets_everything_again_and_people_are_published(tmp_path: Path) -> None:
    engine = AlertEngine()
    await engine.start()
    async with (
        mosquitto(tmp_path) as broker,
        client_of(broker) as client,
        notifying(settings(engine, tmp_path, house(broker, events=True))) as notifier,
    ):
        await until(lambda: notifier.sessions["house"].connected and CONFIG in client.values)
        engine.event("door", track=1, kind="started", label="walk", previous=None)
        await until(lambda: client.value(f"{BASE}/door/people") == {"people": 1, "actions": {"walk": 1}})
        await until(lambda: [one["label"] for one in client.stream(f"{BASE}/door/event")] == ["walk"])
        before = sum(one.topic == CONFIG for one in client.messages)
        await client.publish("homeassistant/status", "online")
        await until(lambda: sum(one.topic == CONFIG for one in client.messages) > before)
    await engine.stop()


async def test_an_alert_that_was_on_before_the_first_start_is_shown_and_off_after_a_crash_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.notify.engine_state.NEW_RUN_US", 200_000)
    engine = AlertEngine()
    await engine.start()
    left_on = engine.begin(began_us=1, capture_us=1)
    engine.clear(engine.begin())  # the last message of the topic, which is all that a new subscriber gets by itself
    async with (
        mosquitto(tmp_path) as broker,
        client_of(broker) as client,
        notifying(settings(engine, tmp_path, house(broker), least_on="0s")) as notifier,
    ):
        await until(lambda: bool(engine.statistics() or sensor(client) == "ON"))
        assert client.value(f"{BASE}/door/rule/fall")["alerts"] == [left_on]
        assert not any(left_on in one.id for one in notifier.ledger.find()), "it is shown, and not announced"
        await engine.stop()
        engine.crash()
        await engine.start()
        await until(lambda: bool(engine.statistics() or sensor(client) == "OFF"))
        row = notifier.ledger.alert(left_on)
        assert row is not None and row.closed_by == "new_run"
    await engine.stop()


async def test_an_alert_of_a_real_engine_is_shown_acknowledged_by_a_command_and_off_when_the_engine_stops(
    tmp_path: Path,
) -> None:
    rules = "rules: {visitor: {zone: hall, clear_after: 1h}, never: {zone: hall, dwell: 1h}}"
    async with (
        mosquitto(tmp_path) as broker,
        client_of(broker) as client,
        AsyncExitStack() as notify,
        engine_with(with_rules(tmp_path, rules)) as (engine, _, _),
    ):
        reached = {"endpoint": engine.publisher.endpoint, "replay": engine.publisher.replay_endpoint}
        config = NotifyConfig.model_validate(
            {
                "engine": {**reached, "api": engine.http_address},
                "ledger": str(tmp_path / "notify.db"),
                "metrics": None,
                "targets": house(broker, pictures=True),
            }
        )
        notifier = await notify.enter_async_context(notifying(config))
        state, events = f"{BASE}/door/rule/visitor", f"{BASE}/door/notice"
        await until(lambda: sensor(client, rule="visitor") == "ON")
        (name,) = client.value(state)["alerts"]
        assert client.value(state)["acknowledged"] is False
        await until(lambda: client.values.get(f"{BASE}/door/picture", b"").startswith(b"\xff\xd8"))
        assert not any(one.retained for one in client.messages if one.topic.endswith("/picture"))
        await client.publish(f"{BASE}/alert/{name}/set", "ACKNOWLEDGE")
        await until(lambda: client.value(state)["acknowledged"] is True)
        await until(lambda: "acknowledged" in [one["event_type"] for one in client.stream(events)])
        await until(lambda: sensor(client, rule="never") == "OFF")  # a rule without an alert is known, too
        await engine.stop()
        await until(lambda: sensor(client, rule="visitor") == "OFF")
        assert notifier.intake.ledger.open_alerts() == []


def _rows(folder: Path) -> list[Any]:
    from stream.notify.ledger import Ledger

    ledger = Ledger(folder / "notify.db", locked=False)
    try:
        return ledger.find(limit=100_000)
    finally:
        ledger.close()
