"""Under which generation a camera's messages are published."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from stream.cameras import assigned_cameras
from stream.config import Config
from stream.membership.messages import Assigned
from stream.settings.engine import CameraConfig


class Registry:
    privacy = SimpleNamespace(everywhere="off")

    def __init__(self) -> None:
        self.configs: dict[str, CameraConfig] = {}

    def add(self, config: CameraConfig) -> None:
        self.configs[config.id] = config

    async def remove(self, camera: str, *, moved: bool) -> None:
        del self.configs[camera]


async def test_only_cameras_that_ended_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assigned_cameras, "ENDED_REMEMBERED", 2)
    make: Any = assigned_cameras.AssignedCameras
    one, cameras = {"source": "pattern:"}, make(Registry(), Config.model_validate({}), {})
    for number in range(5):
        await cameras.apply({"stays": Assigned(9, one), f"c{number}": Assigned(number, one)})
    assert cameras.generations == {"stays": 9, "c2": 2, "c3": 3, "c4": 4}
