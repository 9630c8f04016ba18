from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.notify.notify_config import NotifyConfig, WebhookConfig, load, secret
from stream.settings.config_error import ConfigError

MQTT = {"kind": "mqtt", "broker": "mqtt://b"}
HOOK = {"kind": "webhook", "url": "https://x.example", "secret_files": ["s"]}


def loaded(folder: Path, target: dict[str, Any], **settings: Any) -> NotifyConfig:
    path = folder / "notify.yaml"
    path.write_text(yaml.safe_dump({"targets": {"one": target}, **settings}))
    return load(path)


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ({"kind": "mqtt", "broker": "mqtts://u:secret@broker"}, "must not contain a password"),
        (MQTT | {"username": "u", "password_file": "p"}, "without TLS"),
        ({"kind": "mqtt", "broker": "mqtts://b", "password_file": "p"}, "needs username"),
        (HOOK | {"url": "http://x.example"}, "without TLS"),
        (HOOK | {"url": "https://x.example:99999/p"}, "[Pp]ort"),
        (MQTT | {"discovery": "home/#"}, r"targets\.one\.discovery"),
        (MQTT | {"pictures": True}, "targets.one.pictures: .*set engine.api"),
        ({"kind": "pager"}, r"targets\.one\.kind: must be mqtt, webhook or apprise$"),
        ({"kind": "mqtt"}, r"notify\.yaml: targets\.one\.broker: is missing$"),
        (MQTT | {"brokr": "b"}, r"notify\.yaml: targets\.one\.brokr: unknown; did you mean `broker`\?$"),
    ],
)
def test_an_error_names_its_field_and_no_secret(tmp_path: Path, target: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error) as raised:
        loaded(tmp_path, target)
    assert "secret@" not in str(raised.value) and "notify.yaml" in str(raised.value)


def test_settings_of_one_engine_are_refused_with_a_fleet(tmp_path: Path) -> None:
    for name, value in (("replay", "tcp://a:1"), ("api", "http://a:1")):
        with pytest.raises(ConfigError, match=f"engine: .*{name} is of one engine, and endpoint is of a fleet: remove"):
            loaded(tmp_path, HOOK, engine={"endpoint": "fleet://a:1", name: value})


def test_secrets_are_sent_without_tls_only_on_this_machine_or_on_request(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"engine: .*without TLS"):
        loaded(tmp_path, MQTT, engine={"api": "http://engine:9090", "token_file": "t"})
    for host, allow in [("127.0.0.1", False), ("localhost", False), ("x.example", True)]:
        api = {"api": f"http://{host}:9090", "token_file": "t", "allow_plaintext": allow}
        assert loaded(tmp_path, HOOK | {"url": f"http://{host}/", "allow_plaintext": allow}, engine=api)


def test_a_secret_is_read_without_its_line_break_and_others_readers_are_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "secret"
    path.write_text("whsec_abc\n")
    path.chmod(0o600)
    assert secret(path, "password_file") == "whsec_abc" and not caplog.records
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        secret(path, "password_file")
    assert "chmod 600" in caplog.text and "abc" not in caplog.text
    path.write_text("")
    with pytest.raises(ConfigError, match="is empty"):
        secret(path, "password_file")
    with pytest.raises(ConfigError, match=r"^password_file: /.*none: can't be read"):
        secret(tmp_path / "none", "password_file")


def test_relative_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    engine = {"server_key": "keys/server.key", "key_file": "/etc/client.key_secret"}
    config = loaded(tmp_path, HOOK | {"secret_files": ["s1", "/s2"]}, engine=engine)
    hook = config.targets["one"]
    assert isinstance(hook, WebhookConfig) and hook.secret_files == [tmp_path / "s1", Path("/s2")]
    assert config.ledger == tmp_path / "notify.db"
    assert config.engine.server_key == str(tmp_path / "keys/server.key")
    assert config.engine.key_file == Path("/etc/client.key_secret")
    key = "x" * 40
    assert loaded(tmp_path, MQTT, engine={"server_key": key, "key_file": "k"}).engine.server_key == key
