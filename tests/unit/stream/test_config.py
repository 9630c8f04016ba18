"""The configuration: defaults, files and environment. Every error names its field; secrets never show."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from stream.config import Config, load
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig
from stream.settings.source_address import SourceAddress, redact
from stream.settings.source_kinds import TRAITS, SourceKind

LONG = "x" * 5000


def written(folder: Path, text: str) -> Path:
    path = folder / "partstream.yaml"
    path.write_text(text)
    return path


def test_a_file_gives_cameras_and_settings(tmp_path: Path) -> None:
    config = load(written(tmp_path, "cameras:\n  - {id: door, source: 'rtsp://h/x'}\nbatch: {max_frames: 3}\n"))
    assert [camera.id for camera in config.cameras] == ["door"]
    assert config.batch.max_frames == 3


def test_the_environment_overrides_the_file_and_the_command_line_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "batch: {max_frames: 3, max_wait_ms: 4}\n")
    monkeypatch.setenv("PARTSTREAM_BATCH__MAX_FRAMES", "5")
    assert load(path).batch.max_frames == 5
    assert load(path, {"batch": {"max_frames": 7}}).batch.max_frames == 7
    assert load(path, {"batch": {"max_frames": 7}}).batch.max_wait_ms == 4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("modle: 1\n", "modle"),
        ("cameras:\n  - {id: Door, source: x}\n", "cameras.0.id"),
        ("cameras:\n  - {id: door}\n", "cameras.0 (door).source"),
        ("cameras:\n  - {id: a, source: x}\n  - {id: a, source: y}\n", "'a' is used twice"),
        ("batch: {max_frames: 0}\n", "batch.max_frames"),
        ("http: {bind: nowhere}\n", "http.bind"),
        ("- a\n- b\n", "must be a mapping"),
        ("a: [1\n", "line 2: not valid YAML"),
    ],
)
def test_a_fault_names_the_file_and_the_field(tmp_path: Path, text: str, named: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert named in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.yaml: can't be read"):
        load(tmp_path / "absent.yaml")


def test_an_address_prints_no_secret_and_reveals_it_on_request() -> None:
    address = SourceAddress("rtsp://admin:hunter2@10.0.0.7:554/stream?token=s3cret#frag")
    config = CameraConfig(id="door", source=address)
    shown = f"{address} {address!r} {config} {config.model_dump()} {Config(cameras=[config]).model_dump_json()}"
    for secret in ("admin", "hunter2", "s3cret", "frag"):
        assert secret not in shown
    assert address.reveal() == "rtsp://admin:hunter2@10.0.0.7:554/stream?token=s3cret#frag"
    assert "10.0.0.7:554/stream" in shown


@pytest.mark.parametrize(
    "content",
    [
        "cameras: [{id: 'rtsp://u:hunter2@h/x', source: x}]",
        "cameras: [{'rtsp://u:hunter2@h/x': x}]",
        "http: {cors_origins: ['https://u:hunter2@h']}",
        "recording: {cameras: ['rtsp://u:hunter2@h']}",
    ],
)
def test_an_address_in_the_wrong_place_is_quoted_without_its_secrets(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, content))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        "publish: {high_water_mark: 1000000000000}",
        "publish: {history_messages: 1000000000000}",
        "publish: {history_bytes: 1000000000000000}",
        "model: {threads: 1000000}",
        "tracking: {confirm_frames: 1000000}",
    ],
)
def test_a_number_that_no_engine_can_use_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(ConfigError, match="must be less than or equal to"):
        load(written(tmp_path, content))


def test_an_environment_variable_that_is_nested_too_deep_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTSTREAM_CAMERAS", "[" * 100_000)
    with pytest.raises(ConfigError, match="environment: a value is nested too deep"):
        load()


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_a_number_must_be_finite(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"publish\.stats_interval_s: must be a finite number"):
        load(written(tmp_path, f"publish: {{stats_interval_s: {value}}}"))


def test_statistics_are_published_at_most_ten_times_a_second(tmp_path: Path) -> None:
    assert load(written(tmp_path, "publish: {stats_interval_s: 0.1}")).publish.stats_interval_s == 0.1
    with pytest.raises(ConfigError, match=r"publish\.stats_interval_s: must be greater than or equal to 0\.1"):
        load(written(tmp_path, "publish: {stats_interval_s: 1e-9}"))


def test_a_secret_in_a_faulty_configuration_is_not_quoted(tmp_path: Path) -> None:
    path = written(tmp_path, "cameras:\n  - {id: Door, source: 'rtsp://u:hunter2@h/x', transpor: tcp}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("odd", ["rtsp://u:p@[::1/x", "rtsp://u:p@h:notaport/x", "rtsp://u:p@ss@h/x"])
def test_odd_addresses_are_redacted_too(odd: str) -> None:
    assert "u:p" not in redact(odd)
    assert "ss@" not in redact(odd)


def test_a_password_in_the_path_is_not_shown_either() -> None:
    assert redact("rtsp://10.0.0.7/user=admin_password=hunter2_channel=1") == "rtsp://10.0.0.7/user?…"
    assert redact("rtsp://10.0.0.7/shown/1?password=hunter2") == "rtsp://10.0.0.7/shown/1?…"


@pytest.mark.parametrize(
    "typo",
    [
        "rtsp:u:hunter2@10.0.0.7/x",
        "rtsp:/u:hunter2@10.0.0.7/x",
        "u:hunter2@10.0.0.7/x",
        "rtsp//u:hunter2@10.0.0.7/x",
        "//u:hunter2@10.0.0.7/x",
        "10.0.0.7/x?user=u&password=hunter2",
        "rtsp:10.0.0.7/x?token=hunter2",
        "10.0.0.7:554/user=u_password=hunter2",
    ],
)
def test_a_password_is_not_shown_in_an_address_without_slashes_either(typo: str) -> None:
    assert "hunter2" not in redact(typo)
    assert "10.0.0.7" in redact(typo)


@pytest.mark.parametrize("address", ["clips/a=b?.mp4", "/x/a:b@c.mp4", "me@2x.mp4", "device:/dev/a@b", "pattern:@5"])
def test_text_without_a_secret_is_not_changed(address: str) -> None:
    assert redact(address) == address


def test_command_line_options_keep_the_secret_of_an_address_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "cameras:\n  - {id: door, source: 'rtsp://u:hunter2@h/x'}\n")
    assert load(path, {"once": True}).cameras[0].source.reveal() == "rtsp://u:hunter2@h/x"


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("rtsp://h/x", "rtsp"),
        ("RTSPS://h/x", "rtsp"),
        ("a/b.mp4", "file"),
        ("device:/dev/video0", "device"),
        ("pattern:", "pattern"),
        ("whip", "whip"),
        ("WHEP+HTTPS://h/x", "whep"),
        ("unknown:x", "file"),
    ],
)
def test_an_address_has_a_kind(address: str, kind: str) -> None:
    assert SourceAddress(address).kind == kind


def test_every_kind_of_source_has_traits_and_schemes_of_its_own() -> None:
    assert set(TRAITS) == set(get_args(SourceKind))
    schemes = [scheme for traits in TRAITS.values() for scheme in traits.schemes]
    assert len(schemes) == len(set(schemes))


@pytest.mark.parametrize(("source", "policy"), [("clip.mp4", "every"), ("pattern:", "every"), ("rtsp://h/x", "latest")])
def test_sources_that_do_not_set_their_own_pace_lose_no_frame_when_read_fast(source: str, policy: str) -> None:
    config = CameraConfig.model_validate({"id": "cam", "source": source, "pace": "fast"})
    assert config.ring_policy == policy
    assert config.model_copy(update={"pace": "live"}).ring_policy == "latest"


def test_the_schema_of_the_configuration_can_be_printed() -> None:
    schema = Config.model_json_schema()
    assert schema["properties"]["cameras"]["type"] == "array"
    assert schema["additionalProperties"] is False


def test_servers_that_help_webrtc_are_checked_and_their_credentials_hidden() -> None:
    turn = {"urls": ["turn:turn.example:3478?transport=tcp"], "username": "bob", "credential": "geheim"}
    config = Config.model_validate({"webrtc": {"ice_servers": [{"urls": ["stun:stun.example"]}, turn]}})
    assert "geheim" not in repr(config) + config.model_dump_json()
    for url in ("http://stun.example", "stun:", "turn:host:port", "stun:a?transport=udp", "stun:a:99999", "turn:a:0"):
        with pytest.raises(ValidationError, match=r"stun:host|must be 1 to 65535"):
            Config.model_validate({"webrtc": {"ice_servers": [{"urls": [url]}]}})


def test_a_whip_camera_needs_the_http_server() -> None:
    with pytest.raises(ValidationError, match=r"camera door: `whip` needs the HTTP server; set http\.bind"):
        Config.model_validate({"cameras": [{"id": "door", "source": "whip"}], "http": {"bind": None}})


def test_a_fingerprint_that_the_reader_would_ignore_is_refused() -> None:
    camera = {"id": "door", "source": "rtsps://h/x", "tls_fingerprint": "ab" * 32}
    assert CameraConfig.model_validate(camera).tls_fingerprint == "ab" * 32
    with pytest.raises(ValidationError, match="FFmpeg ignores tls_fingerprint"):
        CameraConfig.model_validate({**camera, "transport": "ffmpeg"})


def error_of(content: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(None, content)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"cameras": [{"id": "a", "source": "x", "fps": 1}]}, "cameras.0 (a).fps: unknown; did you mean `max_fps`?"),
        ({"cameras": [{"id": "Not one", "source": "x", "fps": 1}]}, "cameras.0.fps: unknown; did you mean `max_fps`?"),
        ({"camera": []}, "camera: unknown; did you mean `cameras`?"),
        ({"model": {"modle": 1}}, "model.modle: unknown; `partstream config schema` lists all settings"),
        ({"publish": {"end_point": 1}}, "publish.end_point: unknown; did you mean `endpoint`?"),
        ({"recording": {"dir": 1}}, "recording.dir: unknown; did you mean `directory`?"),
        ({"webrtc": {"ice_servers": [{"url": "x"}]}}, "webrtc.ice_servers.0.url: unknown; did you mean `urls`?"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_one(content: dict[str, Any], message: str) -> None:
    assert message in error_of(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"cameras": [{"id": "lobby", "source": "x", "privacy": "skeletn"}]},
            "cameras.0 (lobby).privacy: must be 'off' or 'skeleton'; did you mean `skeleton`?",
        ),
        ({"privacy": {"mode": "blur"}}, "privacy.mode: must be 'off' or 'skeleton'"),
        ({"privacy": "skeleton"}, "privacy: must be a mapping, for example `privacy: {mode: skeleton}`"),
        ({"privacy": False}, "privacy: must be a mapping, for example `privacy: {mode: skeleton}`"),
    ],
)
def test_a_mistake_in_the_privacy_names_the_camera_and_what_may_have_been_meant(
    content: dict[str, Any], message: str
) -> None:
    assert error_of(content).endswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"endpoint": "tcp://0.0.0.0:65536"}, "publish.endpoint: there is no port 65536: the highest is 65535"),
        ({"replay": "tcp://[::]:99999999"}, "publish.replay: there is no port 99999999: the highest is 65535"),
        ({"replay": "inproc://x"}, "publish.replay: no other program can connect to inproc addresses"),
    ],
)
def test_an_address_that_clients_cannot_connect_to_is_an_error(content: dict[str, Any], message: str) -> None:
    assert message in error_of({"publish": content})


def test_several_errors_are_all_named() -> None:
    text = error_of({"cameras": [{"id": "Door", "sorce": "rtsp://u:hunter2@h"}]})
    assert "cameras.0.sorce: unknown; did you mean `source`?" in text
    assert "cameras.0.source: Field required" in text
    assert "camera id 'Door'" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "settings",
    [
        {"cameras": [{"id": LONG, "source": "pattern:"}]},
        {"cameras": [{"id": "lobby", "source": "pattern:", "max_picture": LONG}]},
        {"recording": {"directory": "clips", "cameras": [LONG]}},
        {"http": {"bind": LONG}},
        {"http": {"cors_origins": [LONG]}},
    ],
)
def test_an_error_quotes_only_the_beginning_of_a_long_value(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        load(overrides=settings)
    assert "xxxxxxxx" in str(raised.value)
    assert len(str(raised.value)) < 500
