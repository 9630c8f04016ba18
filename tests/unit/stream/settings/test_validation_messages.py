"""Messages for settings that fail validation."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from stream.config import Config
from stream.settings.validation_messages import describe


def message_of(content: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(content)
    return describe(caught.value, Config)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"cameras": [{"id": "a", "source": "x", "fps": 1}]}, "cameras.0.fps: unknown; did you mean `max_fps`?"),
        ({"camera": []}, "camera: unknown; did you mean `cameras`?"),
        ({"model": {"modle": 1}}, "model.modle: unknown; `partstream config schema` lists all settings"),
        ({"publish": {"end_point": 1}}, "publish.end_point: unknown; did you mean `endpoint`?"),
        ({"recording": {"dir": 1}}, "recording.dir: unknown; did you mean `directory`?"),
        ({"webrtc": {"ice_servers": [{"url": "x"}]}}, "webrtc.ice_servers.0.url: unknown; did you mean `urls`?"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one(content: dict[str, Any], message: str) -> None:
    assert message in message_of(content)


def test_several_errors_are_all_named() -> None:
    text = message_of({"cameras": [{"id": "Door", "sorce": "rtsp://u:hunter2@h"}]})
    assert "cameras.0.sorce: unknown; did you mean `source`?" in text
    assert "cameras.0.source: Field required" in text
    assert "camera id 'Door'" in text
    assert "hunter2" not in text
