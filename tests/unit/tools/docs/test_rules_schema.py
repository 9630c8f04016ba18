"""The JSON Schema of rules files is current, valid, and accepts and refuses what the settings do."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from stream.settings.rules import RulesConfig
from tools.docs import rules_schema

SCHEMA: dict[str, Any] = json.loads(rules_schema.text())


def test_the_published_schema_is_current() -> None:
    assert rules_schema.FILE.read_text(encoding="utf-8") == rules_schema.text(), (
        "run `python -m tools.docs.rules_schema`"
    )


def test_the_schema_is_valid_and_describes_every_field() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for name, definition in [("the file", SCHEMA), *SCHEMA["$defs"].items()]:
        for field, rules in definition["properties"].items():
            assert "description" in rules, f"{name}.{field} isn't described"


@pytest.mark.parametrize(
    "content",
    [
        {"rules": {"a": {"zone": ["hall"], "dwell": "60s"}}},
        {"actions": {"up": {"all": [{"part": "left_hand", "above": "head"}], "for": "2s"}}},
        {"time_zone": "Europe/Berlin", "rules": {"a": {"action": "lie", "hours": {"from": "22:00", "to": "06:00"}}}},
        {"rules": {"a": {"people": {"at_most": 0}, "zone": "desk", "severity": "critical"}}},
    ],
)
def test_what_the_settings_accept_the_schema_accepts(content: dict[str, Any]) -> None:
    RulesConfig.model_validate(content)
    jsonschema.validate(content, SCHEMA)


@pytest.mark.parametrize(
    "content",
    [
        {"rules": {"a": {"zone": "hall", "for": "-1s"}}},
        {"rules": {"a": {"zone": "hall", "fro": "1s"}}},
        {"rules": {"The Hall": {"zone": "hall"}}},
        {"actions": {"up": {"part": "left_hand"}}},
        {"actions": {"up": {"part": "left_hand", "above": "head", "near": "head"}}},
    ],
)
def test_what_the_settings_refuse_the_schema_refuses(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RulesConfig.model_validate(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(content, SCHEMA)
