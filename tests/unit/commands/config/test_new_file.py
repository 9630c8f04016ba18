"""`config new` writes a file that is correct, complete and commented."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from commands.cameras.opening import Probe
from commands.config.new_file import new_file, proposed_size
from run_stream import app
from stream.config import load
from stream.settings.engine import CameraConfig

SECRET = "rtsp://bob:hunter2@h/x?a='b'#\"c"


def camera(name: str, source: str) -> CameraConfig:
    return CameraConfig.model_validate({"id": name, "source": source})


@pytest.mark.parametrize(
    ("size", "proposed"),
    [
        ((1920, 1080), (768, 448)),
        ((1280, 720), (768, 448)),
        ((1080, 1920), (448, 768)),
        ((640, 480), (640, 480)),
        ((320, 240), (320, 256)),
        ((16, 12), (32, 32)),
        ((4096, 32), (768, 32)),
    ],
)
def test_the_proposed_size_has_the_aspect_of_the_pictures(size: tuple[int, int], proposed: tuple[int, int]) -> None:
    assert proposed_size(size) == proposed


def test_the_file_can_be_loaded_and_keeps_the_address_as_it_was_given(tmp_path: Path) -> None:
    text = new_file(
        [
            (camera("door", SECRET), Probe("h264", (1920, 1080), fps=25.0)),
            (camera("yard", "pattern:64x48@5"), Probe("rawvideo", (64, 48), fps=5.02)),
            (camera("gate", "rtsp://h/y"), Probe(error="first line", remedy="second\nline")),
            (camera("wall", "rtsp://h/z"), Probe(error="rtsp://h/z was not open within 10 s")),
        ]
    )
    path = tmp_path / "partstream.yaml"
    path.write_text(text)
    door, yard, gate, _ = load(path).cameras
    assert (door.id, door.source.reveal()) == ("door", SECRET)
    assert (door.max_fps, door.detector_size) == (12.5, (768, 448))
    assert "# 1920x1080 h264, 25 frames a second" in text
    assert (yard.max_fps, yard.detector_size) == (None, (64, 64))
    assert (gate.max_fps, gate.detector_size) == (None, None)
    assert "# First line. second line" in text
    assert "# rtsp://h/z was not open within 10 s" in text


def test_the_command_writes_yaml_to_stdout_and_progress_without_secrets_to_stderr(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["config", "new", "door=pattern:128x96@50", "rtsp://bob:hunter2@127.0.0.1:9/x"])
    assert done.exit_code == 1, "one camera could not be opened"
    door, other = yaml.safe_load(done.stdout)["cameras"]
    assert door == {"id": "door", "source": "pattern:128x96@50", "max_fps": 12.5, "detector_size": [128, 96]}
    assert other == {"id": "cam1", "source": "rtsp://bob:hunter2@127.0.0.1:9/x"}
    assert "Nothing listens at rtsp://127.0.0.1:9/x (refused). " in done.stdout
    assert "door: 128x96" in done.stderr
    assert "hunter2" not in done.stderr
