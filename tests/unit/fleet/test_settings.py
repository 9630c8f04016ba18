"""The configuration of a fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from fleet.settings import FleetCamera, FleetConfig, load
from stream.config import Config
from stream.settings.config_error import ConfigError

RTSP = "rtsp://user:secret@10.0.0.7/1"


def test_an_engine_gets_a_cameras_settings_with_its_password_and_without_those_of_the_placement() -> None:
    camera = FleetCamera.model_validate({"id": "door", "source": RTSP, "pin": "gate-usb", "max_fps": 5})
    assert camera.for_engine() == {"source": RTSP, "max_fps": 5.0}
    assert "secret" not in repr(camera)
    assert FleetCamera.model_validate(camera.whole()).whole() == camera.whole(), "as the store keeps it"
    assert camera.wish == (True, "gate-usb", 20.0)
    (of_engine,) = Config.model_validate({"cameras": [camera.for_engine() | {"id": "door"}]}).cameras
    assert of_engine.source.reveal() == RTSP


def test_the_engines_name_stands_in_their_folders_and_their_ports_are_any_free_ones() -> None:
    engine = {"recording": {"directory": "clips/{engine}"}, "publish": {"stats_interval_s": 2.0}}
    config = FleetConfig.model_validate({"engine": engine})
    for name in ("engine-1", "engine-12"):
        own = config.of_engine(name)
        assert own.recording.directory == Path("clips", name)
        assert (own.publish.endpoint, own.publish.replay) == ("tcp://127.0.0.1:0", "tcp://127.0.0.1:0")
        assert (own.http.bind, own.publish.stats_interval_s) == ("127.0.0.1:0", 2.0)
    engine = {"http": {"bind": None}, "rules_file": "rules.yaml"}
    own = FleetConfig.model_validate({"engine": engine}).of_engine("engine-1")
    assert (own.http.bind, own.alerts_file) == (None, Path("rules.yaml.engine-1.open-alerts.jsonl"))


def test_privacy_of_all_engines_counts_for_every_camera() -> None:
    engine = {"privacy": {"mode": "skeleton"}}
    config = FleetConfig.model_validate({"engine": engine, "cameras": [{"id": "a", "source": "pattern:"}]})
    assert config.cameras[0].for_engine() == {"source": "pattern:", "privacy": "skeleton"}


def test_an_error_names_the_file_and_the_setting_and_shows_no_password(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    same_file = {"results": "out/{engine}", "alerts_file": "out/engine-12"}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"engine": {"batch": {"max_frames": "x"}}}, "engine: batch.max_frames: "),
        ({"engine": {"cameras": []}}, "engine: `cameras`"),
        ({"engine": same_file, "engines": {"most": 12}}, "engine: results: "),
        ({"controller": {"directory": "tcp://127.0.0.1:65536"}}, "controller.directory: "),
        ({"controller": {"http": {"page_origins": ["fleet.example"]}}}, "controller.http.page_origins: "),
        ({"cameras": [{"id": "a", "source": "/dev/video0"}]}, "`pin`"),
        ({"cameras": [{"id": "a", "source": "pattern:"}] * 2}, "camera id 'a'"),
        ({"cameras": [{"id": "a", "source": RTSP, "pin": ["x"]}]}, "cameras.0 (a).pin: "),
        *(
            ({"cameras": [{"id": "a", "source": RTSP, "pin": pin}]}, "cameras.0 (a).pin: ")
            for pin in ("GPU", "TPU", "a=!in(", "=x", "!x=y", "a:b=c", "a=b-", "aé=b", "", "x" * 129)
        ),
        ({"cameras": [{"id": ["secret"]}]}, "cameras.0.id: "),
    ]
    for content, text in wrong:
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(ConfigError, match=r"fleet\.yaml: ") as error:
            load(path)
        assert text in str(error.value) and "secret" not in str(error.value)


def test_origins_are_those_that_browsers_send() -> None:
    written = ["https://Fleet.example:443", "http://fleet.example:80", "http://[fd00::7]:80"]
    sent = ["https://fleet.example", "http://fleet.example", "http://[fd00::7]"]
    http = {"page_origins": written, "cors_origins": written}
    found = FleetConfig.model_validate({"controller": {"http": http}}).controller.http
    assert found.page_origins == found.cors_origins == sent
