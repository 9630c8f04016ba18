"""Names in `recording` that nothing has: actions of the model, and cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from stream.recording.configured_names import check_actions, warn_of_missing_cameras
from stream.settings.config_error import ConfigError
from stream.settings.recording import RecordingConfig


class Falls(FreeModel):
    """A model that knows two actions."""

    @property
    def actions(self) -> tuple[str, ...]:
        return ("fall", "stand")


def recording(folder: Path, **settings: Any) -> RecordingConfig:
    return RecordingConfig.model_validate({"directory": folder, **settings})


async def test_an_action_that_the_model_does_not_have_ends_the_start_and_the_nearest_is_named(tmp_path: Path) -> None:
    config = Config.model_validate(
        {
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
            "recording": {"directory": tmp_path, "actions": {"stand": 0.5, "fell": 0.5}},
        }
    )
    with pytest.raises(ConfigError, match=r"recording\.actions: the model has no action `fell`; did you mean `fall`\?"):
        async with Engine(config, model=Falls()):
            pass


def test_known_actions_and_models_without_a_list_of_actions_are_accepted(tmp_path: Path) -> None:
    check_actions(recording(tmp_path, actions={"fall": 0.5}), ["fall", "stand"])
    check_actions(recording(tmp_path, actions={"fell": 0.5}), [])
    check_actions(recording(tmp_path), ["fall", "stand"])


def test_without_a_similar_action_all_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known: fall, stand"):
        check_actions(recording(tmp_path, actions={"juggle": 0.5}), ["fall", "stand"])


def test_a_recorded_camera_that_is_not_configured_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_missing_cameras(recording(tmp_path, cameras=["gate", "dor"]), ["door", "gate"])
    assert caplog.messages == ["recording.cameras: there is no camera `dor` yet; did you mean `door`?"]
