"""Configurations from the command line: sources, settings for all cameras, and errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from commands.configuration import configuration, parse_source
from run_stream import app
from stream.settings.config_error import ConfigError


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("rtsp://h/x?a=b", "cam2", "rtsp://h/x?a=b"),
        ("door=rtsp://h/x?a=b", "door", "rtsp://h/x?a=b"),
        ("clip.mp4", "cam2", "clip.mp4"),
        ("0", "cam2", "device:/dev/video0"),
        ("door=/dev/v4l/by-id/usb-cam", "door", "device:/dev/v4l/by-id/usb-cam"),
    ],
)
def test_a_source_may_have_an_id(text: str, name: str, address: str) -> None:
    parsed = parse_source(text, 2)
    assert (parsed["id"], parsed["source"].reveal()) == (name, address)


@pytest.mark.parametrize("text", ["door", "door:rtsp://u:hunter2@h/x", "door:whep+https://h/x"])
def test_an_id_without_an_equals_sign_is_an_error_with_the_right_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"door is neither a file nor an address.*write door=rtsp://…$"):
        parse_source(text, 0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("127.0.0.1:554/x", "camera door: the source must begin with its scheme, for example rtsp://"),
        ("user:hunter2@camera.lan:554/x", "must begin with its scheme"),
        ("rstp://user:hunter2@h/x", r"must not begin with rstp://; did you mean rtsp://\?"),
    ],
)
def test_a_source_with_a_missing_or_misspelt_scheme_is_an_error_with_the_remedy(source: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        parse_source(f"door={source}", 0)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "source", ["", "rtsp://u:hunter2@h/" + "x" * 2048, "hunter2\n", "hunter2\x1b", "hunter2\udcff.mp4"]
)
def test_a_source_that_cannot_be_one_is_an_error_that_names_the_camera(source: str) -> None:
    with pytest.raises(ConfigError, match="camera cam0: the source must be an address") as error:
        parse_source(source, 0)
    assert "hunter2" not in str(error.value)


def test_settings_for_all_cameras_apply_to_those_of_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [{id: door, source: 'rtsp://u:hunter2@h/x', max_fps: 5, ring_slots: 3}]")
    settings = configuration(path, {}, ["yard=pattern:"], {"max_fps": 8.0, "detector_size": (512, 384)})
    assert [(camera.id, camera.max_fps, camera.detector_size) for camera in settings.cameras] == [
        ("door", 8.0, (512, 384)),
        ("yard", 8.0, (512, 384)),
    ]
    assert settings.cameras[0].ring_slots == 3
    assert settings.cameras[0].source.reveal() == "rtsp://u:hunter2@h/x"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cameras: [{id: door, source: x, fps: 5}]", "cameras.0 (door).fps: unknown; did you mean `max_fps`?"),
        (
            "cameras: [{id: 'Front Door', source: x}]",
            "camera id 'Front Door': use a-z, 0-9, - and _, for example front-door",
        ),
        ("htpp: {bind: null}", "htpp: unknown; did you mean `http`?"),
    ],
)
def test_config_check_names_the_error_and_the_remedy(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(content)
    done = CliRunner().invoke(app, ["config", "check", str(path)])
    assert done.exit_code == 2
    assert message in done.stderr


def test_config_check_says_that_a_file_is_valid_and_prints_it_on_request(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [{id: door, source: 'pattern:'}]")
    done = CliRunner().invoke(app, ["config", "check", str(path)])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"{path}: valid (1 camera)\n")
    printed = CliRunner().invoke(app, ["config", "check", "--print", str(path)])
    assert json.loads(printed.stdout)["cameras"][0]["id"] == "door"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Mycam=pattern:"], "camera id 'Mycam'"),
        (["pattern:", "--detector-size", "big"], "'big' is not WIDTHxHEIGHT"),
        (["pattern:", "--max-fps", "0"], "partstream: --max-fps must be greater than or equal to 0.001"),
    ],
)
def test_run_ends_with_code_2_on_a_wrong_argument(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["run", "--profile", "free", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize("command", ["subscribe", "archive"])
@pytest.mark.parametrize("endpoint", ["archive", "http://127.0.0.1:5555", "127.0.0.1"])
def test_an_invalid_endpoint_is_an_error_with_an_example(
    command: str, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [command, endpoint])
    assert done.exit_code == 2
    assert f"{endpoint!r} is not an endpoint: use tcp://HOST:PORT" in done.stderr
    assert not list(tmp_path.iterdir())
