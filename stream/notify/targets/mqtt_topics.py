"""What the broker should retain: the state of cameras and rules, and Home Assistant's discovery; and messages to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from stream.notify.clock import Now
from stream.notify.delivery import Attempt
from stream.notify.engine_state import CameraView
from stream.notify.intake import Intake
from stream.notify.ledger import AlertRow
from stream.notify.notice import encode
from stream.notify.notify_config import MqttConfig

EXPIRE_AFTER_S = 180
"""Home Assistant shows a sensor as unavailable if it is not repeated within this time."""
ONLINE, OFFLINE = b"online", b"offline"
EVENT_TYPES = ("began", "updated", "acknowledged", "cleared", "late")
PROJECT = "partstream"
RECENT = 20
"""Closed alerts of each camera that are listed."""


def base_of(config: MqttConfig) -> str:
    """Return the beginning of all topics of an installation."""
    return f"{PROJECT}/{config.node}"


def availability(config: MqttConfig) -> str:
    """Return the topic that tells whether notify runs."""
    return f"{base_of(config)}/availability"


def picture_topic(config: MqttConfig, camera: str) -> str:
    """Return the topic of pictures of a camera's alerts."""
    return f"{base_of(config)}/{camera}/picture"


def desired(config: MqttConfig, intake: Intake, earlier: Collection[str], now: Now) -> tuple[dict[str, bytes], bool]:
    """Return the payload of each retained topic, and whether these are all.

    `earlier`: topics that the broker may have. Until the engine has listed its cameras, those of these topics are
    unavailable, and show the alerts that the ledger has.
    """
    base, listed = base_of(config), intake.view.listed
    found = {availability(config): ONLINE}
    on, known = intake.states.on(now), sorted(intake.ledger.rules().items())
    for name, camera in (intake.view.cameras if listed else _cameras(config, earlier)).items():
        if config.cameras is not None and name not in config.cameras:
            continue
        rules = {
            rule: armed for (of, rule), armed in known if of == name and (config.rules is None or rule in config.rules)
        }
        own = f"{base}/{name}"
        status = camera.status
        found[f"{own}/availability"] = ONLINE if listed and not intake.silent else OFFLINE
        found[f"{own}/live"] = b"ON" if camera.state == "live" else b"OFF"
        found[f"{own}/state"] = encode(
            {
                "state": camera.state,
                "reason": status.reason if status is not None else None,
                "message": status.message if status is not None else "",
                "epoch": camera.epoch,
                "at_us": status.at_us if status is not None else None,
            }
        )
        if config.people:
            found[f"{own}/people"] = encode({"people": len(camera.people), "actions": camera.actions})
        for rule, armed in rules.items():
            found[f"{own}/rule/{rule}"] = encode(_sensor(on.get((name, rule), ()) if armed else ()))
            found[f"{own}/rule/{rule}/armed"] = b"ON" if armed else b"OFF"
        found[f"{own}/alerts"] = _alerts(intake, name, rules)
        if config.discovery is not None:
            topic = f"{config.discovery}/device/{PROJECT}_{config.node}_{name}/config"
            found[topic] = encode(discovery(config, name, rules))
    return found, listed


def _cameras(config: MqttConfig, topics: Collection[str]) -> dict[str, CameraView]:
    """Return the cameras to which the topics belong."""
    found = (topic.removeprefix(base_of(config) + "/").split("/") for topic in topics)
    return {parts[0]: CameraView() for parts in found if parts[1:] == ["availability"]}


def _alerts(intake: Intake, camera: str, rules: Collection[str]) -> bytes:
    """Return the payload of a camera's alerts."""
    opened = [_short(row) for row in intake.ledger.open_alerts() if row.camera == camera and row.rule in rules]
    recent = [_short(row) for row in intake.ledger.closed_alerts(camera, RECENT) if row.rule in rules]
    return encode({"open": opened, "recent": recent})


def discovery(config: MqttConfig, camera: str, rules: Collection[str]) -> dict[str, Any]:
    """Return Home Assistant's description of a camera: a device with its entities."""
    own = f"{base_of(config)}/{camera}"
    key = f"{PROJECT}_{config.node}_{camera}"
    node = {"t": availability(config)}
    parts: dict[str, dict[str, Any]] = {}
    for rule in rules:
        parts[f"rule_{rule}"] = {
            "p": "binary_sensor",
            "unique_id": f"{key}_rule_{rule}",
            "name": rule.replace("_", " "),
            "dev_cla": "problem",
            "stat_t": f"{own}/rule/{rule}",
            "val_tpl": "{{ value_json.state }}",
            "json_attr_t": f"{own}/rule/{rule}",
            "exp_aft": EXPIRE_AFTER_S,
        }
        parts[f"armed_{rule}"] = {
            "p": "switch",
            "unique_id": f"{key}_armed_{rule}",
            "name": f"{rule.replace('_', ' ')} armed",
            "stat_t": f"{own}/rule/{rule}/armed",
            "cmd_t": f"{own}/rule/{rule}/set",
            "pl_on": "ARM",
            "pl_off": "DISARM",
            "stat_on": "ON",
            "stat_off": "OFF",
            "ret": False,
        }
    parts["alerts"] = {
        "p": "event",
        "unique_id": f"{key}_alerts",
        "name": "alerts",
        "evt_typ": list(EVENT_TYPES),
        "stat_t": f"{own}/notice",
    }
    parts["live"] = {
        "p": "binary_sensor",
        "unique_id": f"{key}_live",
        "name": "connection",
        "dev_cla": "connectivity",
        "stat_t": f"{own}/live",
        "avty": [node],
    }
    if config.pictures:
        parts["picture"] = {
            "p": "image",
            "unique_id": f"{key}_picture",
            "name": "picture",
            "img_t": picture_topic(config, camera),
            "cont_type": "image/jpeg",
        }
    if config.people:
        parts["people"] = {
            "p": "sensor",
            "unique_id": f"{key}_people",
            "name": "people",
            "stat_t": f"{own}/people",
            "val_tpl": "{{ value_json.people }}",
            "json_attr_t": f"{own}/people",
            "json_attr_tpl": "{{ value_json.actions | tojson }}",
            "stat_cla": "measurement",
        }
    return {
        "dev": {"ids": [key], "name": camera, "mf": PROJECT, "mdl": "camera"},
        "o": {"name": PROJECT},
        "avty": [node, {"t": f"{own}/availability"}],
        "avty_mode": "all",
        "qos": 1,
        "cmps": parts,
    }


def removals(config: MqttConfig, gone: Collection[str], wanted: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the descriptions that remove the entities of rules that no longer exist, before those in `wanted`."""
    found: dict[str, dict[str, Any]] = {}
    for topic in gone:
        match topic.removeprefix(base_of(config) + "/").split("/"):
            case [camera, "rule", rule]:
                described = f"{config.discovery}/device/{PROJECT}_{config.node}_{camera}/config"
                if described in wanted:
                    parts = found.setdefault(described, {})
                    parts[f"rule_{rule}"] = {"p": "binary_sensor"}
                    parts[f"armed_{rule}"] = {"p": "switch"}
            case _:
                pass
    described = {topic: msgspec.json.decode(wanted[topic]) for topic in found}
    return {topic: encode(one | {"cmps": one["cmps"] | found[topic]}) for topic, one in described.items()}


def stream_messages(config: MqttConfig, attempt: Attempt) -> list[tuple[str, bytes]]:
    """Return the messages, not retained, of a notice, an event or a clip, in their order."""
    own = f"{base_of(config)}/{attempt.delivery.lane}" if attempt.delivery.lane else base_of(config)
    mark = {"attempt": attempt.number, "redelivered": attempt.number > 1}
    if attempt.notice is None:
        return [(f"{own}/{attempt.delivery.kind}", encode(msgspec.json.decode(attempt.body) | mark))]
    body = msgspec.json.decode(attempt.body) | mark
    notice = attempt.notice
    if notice.alert is None:
        return [(f"{own}/notices", encode(body))]
    event = "late" if notice.late else notice.state
    short = {
        "event_type": event if event in EVENT_TYPES else "updated",
        "id": notice.id,
        "alert": notice.alert.alert,
        "rule": notice.alert.rule,
        "severity": notice.alert.severity,
        "text": notice.text,
        "links": notice.links,
        **mark,
    }
    return [(f"{own}/alert", encode(body)), (f"{own}/notice", encode(short))]


def _sensor(rows: Collection[AlertRow]) -> dict[str, Any]:
    """Return the payload of a rule's sensor."""
    if not rows:
        return {"state": "OFF", "alerts": [], "reason": "", "since_us": None, "severity": None, "acknowledged": False}
    latest = list(rows)[-1].message
    return {
        "state": "ON",
        "alerts": [row.id for row in rows],
        "reason": latest.reason,
        "since_us": min(row.message.began_us for row in rows),
        "severity": latest.severity,
        "acknowledged": all(row.message.acknowledged_us is not None for row in rows),
    }


def _short(row: AlertRow) -> dict[str, Any]:
    alert = row.message
    return {
        "alert": row.id,
        "rule": row.rule,
        "severity": alert.severity,
        "reason": alert.reason,
        "began_us": alert.began_us,
        "closed_by": row.closed_by,
        "shown": row.shown,
    }
