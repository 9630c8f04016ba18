from __future__ import annotations

import json
from pathlib import Path

from stream.notify.notice import decode
from stream.notify.notify_config import MqttConfig
from stream.notify.targets.mqtt_topics import desired
from support.notify.fed_alerts import alert, stats
from support.notify.without_network import Notify


def test_without_the_engine_sensors_follow_the_ledger_and_go_off_when_the_engine_counts_as_lost(tmp_path: Path) -> None:
    target = {"kind": "mqtt", "broker": "mqtt://127.0.0.1", "node": "home"}
    notify = Notify(tmp_path, targets={"house": target})
    config = notify.settings.targets["house"]
    assert isinstance(config, MqttConfig)
    notify.take(stats("1"), alert("1"))
    earlier, complete = desired(config, notify.intake, (), notify.now)
    assert complete
    notify.restart()

    def published(topic: str) -> object:
        found, complete = desired(config, notify.intake, earlier, notify.now)
        assert (
            not complete and found.keys() <= earlier.keys() and found["partstream/home/door/availability"] == b"offline"
        )
        return json.loads(found[f"partstream/home/door/{topic}"])

    before = published("rule/fall")
    assert before == json.loads(earlier["partstream/home/door/rule/fall"])
    notify.tick(301)
    (notice,) = [decode(one.plan) for one in notify.ledger.of_alert("", "house") if one.kind == "notice"]
    assert notice.text.endswith("; 1 alert closed")
    after, alerts = published("rule/fall"), published("alerts")
    assert isinstance(before, dict) and isinstance(after, dict) and isinstance(alerts, dict)
    assert (before["state"], after["state"], alerts["open"]) == ("ON", "OFF", [])
    assert alerts["recent"][0]["closed_by"] == "engine_lost"
    notify.ledger.close()
