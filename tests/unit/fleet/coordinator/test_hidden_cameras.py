"""Tests of what a coordinator remembers of hidden cameras."""

from __future__ import annotations

import pytest

from fleet.coordinator import cameras as cameras_module
from fleet.coordinator.cameras import Cameras
from fleet.coordinator.store import Kept
from fleet.settings import FleetConfig
from stream.cameras.changes import PrivateError


def test_a_fleet_whose_cameras_are_all_hidden_can_have_as_many_as_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras_module, "MOST_KNOWN", 2)
    config = FleetConfig.model_validate(
        {
            "coordinator": {"http": {"max_cameras": 5}},
            "engine": {"privacy": {"mode": "skeleton"}},
            "cameras": [{"id": f"c{number}", "source": f"rtsp://10.0.0.{number}/1"} for number in range(4)],
        }
    )
    cameras = Cameras(config, Kept(1, 1, {}, {}, frozenset(), ()))
    for number in range(4, 10):
        camera = cameras.checked(f"c{number}", {"source": f"rtsp://10.0.0.{number}/1"})
        assert camera.privacy == "skeleton"
        cameras.privacy.add(camera)
    with pytest.raises(PrivateError, match="10 remembered cameras with masks or in skeleton mode are the limit"):
        cameras.checked("new", {"source": "rtsp://10.0.0.10/1"})
