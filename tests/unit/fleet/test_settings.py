"""Tests of the configuration of a fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.settings import FleetCamera, FleetConfig, load
from stream.config import Config
from stream.settings.config_error import ConfigError


def test_an_engine_gets_a_cameras_settings_with_its_password_and_without_those_of_the_placement() -> None:
    camera = FleetCamera.model_validate(
        {"id": "door", "source": "rtsp://user:secret@10.0.0.7/1", "pin": "gpu-1", "exclusive": True, "max_fps": 5}
    )
    assert camera.for_engine() == {"source": "rtsp://user:secret@10.0.0.7/1", "max_fps": 5.0}
    assert "secret" not in repr(camera)
    assert (camera.wish.pinned, camera.wish.exclusive, camera.wish.enabled) == ("gpu-1", True, True)
    engines_own = Config.model_validate({"cameras": [camera.for_engine() | {"id": "door"}]})
    assert engines_own.cameras[0].source.reveal() == camera.source.reveal()


def test_what_is_kept_of_a_camera_gives_the_same_camera() -> None:
    camera = FleetCamera.model_validate({"id": "door", "source": "rtsp://u:p@h/1", "pin": "a", "enabled": False})
    again = FleetCamera.model_validate(camera.whole())
    assert again == camera and again.source.reveal() == "rtsp://u:p@h/1"


def test_a_node_has_the_engine_settings_of_all_with_its_own(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(
        "engine: {batch: {max_frames: 4}, http: {bind: 0.0.0.0:9090, read_token: abc}}\n"
        "nodes: {gpu-1: {labels: {gpu: l4}, engine: {batch: {max_frames: 16}}}}\n"
    )
    config = load(path)
    assert config.engine_of("gpu-1")["batch"] == {"max_frames": 16}
    assert config.engine_of("gpu-1")["http"] == config.engine_of("other")["http"] == config.engine["http"]
    assert config.engine_of("other")["batch"] == {"max_frames": 4}


def test_privacy_of_all_engines_counts_for_every_camera() -> None:
    config = FleetConfig.model_validate(
        {"engine": {"privacy": {"mode": "skeleton"}}, "cameras": [{"id": "a", "source": "pattern:"}]}
    )
    assert config.cameras[0].for_engine() == {"source": "pattern:", "privacy": "skeleton"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"engine": {"bach": {}}}, "engine: bach: unknown; did you mean `batch`?"),
        ({"engine": {"cameras": []}}, "engine: `cameras` does not belong there"),
        ({"engine": {"fleet": {}}}, "engine: `fleet` does not belong there"),
        ({"nodes": {"n": {"engine": {"batch": {"max_frames": "x"}}}}}, "nodes.n.engine: batch.max_frames: must be"),
        ({"nodes": {"N!": {}}}, "nodes"),
        ({"coordinator": {"bind": "tcp://127.0.0.1:65536"}}, "coordinator.bind: there is no port 65536"),
        ({"coordinator": {"directory": "tcp://[::1]:99999999"}}, "coordinator.directory: there is no port 99999999"),
        ({"coordinator": {"replay": "inproc://x"}}, "coordinator.replay: no other program can connect to inproc"),
        ({"engine": {"publish": {"endpoint": "tcp://*:70000"}}}, "engine: publish.endpoint: there is no port 70000"),
        ({"cameras": [{"id": "a", "source": "/dev/video0"}]}, "a capture device needs `pin`"),
        ({"cameras": [{"id": "a", "source": "pattern:"}] * 2}, "camera id 'a' is used twice"),
        ({"coordinator": {"curve_allowed_keys": "keys"}}, "go together"),
        ({"coordinator": {"curve_allowed_keys": "keys", "curve_secret_key_file": "key"}}, "go together"),
        ({"nodes": {"n": {"engine": {"privacy": {"mode": "skeleton"}}}}}, "nodes.n: `privacy` of the engine n differs"),
        (
            {
                "engine": {"privacy": {"mode": "skeleton"}},
                "nodes": {"n": {"engines": {"e": {"privacy": {"mode": "off"}}}}},
            },
            "`privacy` of the engine e differs",
        ),
        ({"placement": {"fence": "strict", "settle_s": 1.9}}, "placement.settle_s"),
        ({"coordinator": {"bindd": "x"}}, "coordinator.bindd: unknown; did you mean `bind`?"),
    ],
)
def test_an_error_names_the_setting(content: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fleet\.yaml") as error:
        load(_missing_is_empty(tmp_path), content)
    assert text in str(error.value)


def test_an_error_does_not_contain_a_password(tmp_path: Path) -> None:
    camera = {"id": "a", "source": "rtsp://user:secret@10.0.0.7/1", "pin": "a b"}
    with pytest.raises(ConfigError) as error:
        load(_missing_is_empty(tmp_path), {"cameras": [camera]})
    assert "secret" not in str(error.value)


def _missing_is_empty(folder: Path) -> Path:
    path = folder / "fleet.yaml"
    path.touch()
    return path


def test_origins_are_those_that_browsers_send() -> None:
    written = [
        "https://Fleet.example:443",
        "http://fleet.example:80",
        "https://fleet.example:80",
        "http://[fd00::7]:80",
    ]
    sent = ["https://fleet.example", "http://fleet.example", "https://fleet.example:80", "http://[fd00::7]"]
    http = FleetConfig.model_validate({"coordinator": {"http": {"page_origins": written, "cors_origins": written}}})
    assert http.coordinator.http.page_origins == http.coordinator.http.cors_origins == sent
