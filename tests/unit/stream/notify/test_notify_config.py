from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from stream.notify.notify_config import MqttConfig, NotifyConfig, WebhookConfig, load, secret
from stream.settings.config_error import ConfigError

EXAMPLE = """
ledger: notify.db
late_after: 90s
targets:
  house: {kind: mqtt, broker: "mqtts://broker:8883", node: home, username: p, password_file: pw}
  hook: {kind: webhook, url: "https://x.example/p", secret_files: [s1, s2], rules: [fall], give_up_after: 12h}
  phone: {kind: apprise, urls_file: u, quiet_hours: {from: "22:00", to: "07:00"}, group_within: 10s, most_per_minute: 6}
"""


def loaded(folder: Path, text: str) -> NotifyConfig:
    path = folder / "notify.yaml"
    path.write_text(text)
    return load(path)


def test_the_kinds_of_targets_are_read_with_their_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, EXAMPLE)
    house, phone = config.targets["house"], config.targets["phone"]
    assert isinstance(house, MqttConfig) and house.discovery == "homeassistant"
    assert (config.late_after, config.targets["hook"].give_up_after) == (90_000_000, 12 * 3_600_000_000)
    assert (phone.states, phone.group_within) == (["began"], 10_000_000)
    assert house.wants("door", "fall", "info") and not config.targets["hook"].wants("door", "fence", "info")


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ({"kind": "mqtt", "broker": "broker:1883"}, "must be mqtt://HOST"),
        ({"kind": "mqtt", "broker": "mqtts://u:secret@broker"}, "must not contain a password"),
        ({"kind": "mqtt", "broker": "mqtt://b", "username": "u", "password_file": "p"}, "without TLS"),
        ({"kind": "mqtt", "broker": "mqtts://b", "password_file": "p"}, "needs username"),
        ({"kind": "webhook", "url": "http://x.example", "secret_files": ["s"]}, "without TLS"),
        ({"kind": "webhook", "url": "ftp://x.example", "secret_files": ["s"]}, "must be https"),
        ({"kind": "webhook", "url": "https://x.example", "secret_files": []}, "secret_files"),
        ({"kind": "webhook", "url": "https://x.example:99999/p", "secret_files": ["s"]}, "[Pp]ort"),
        ({"kind": "mqtt", "broker": "mqtt://b", "discovery": "home/#"}, "discovery"),
        ({"kind": "mqtt", "broker": "mqtt://b", "discovery": "home/"}, "discovery"),
        ({"kind": "mqtt", "broker": "mqtt://b", "discovery": ""}, "discovery"),
        ({"kind": "pager"}, r"targets\.one\.kind: must be mqtt, webhook or apprise$"),
        ({"broker": "mqtt://b"}, r"targets\.one\.kind: must be mqtt, webhook or apprise$"),
        ({"kind": "mqtt"}, r"notify\.yaml: targets\.one\.broker: is missing$"),
        ({"kind": "mqtt", "brokr": "b"}, r"notify\.yaml: targets\.one\.brokr: unknown; did you mean `broker`\?$"),
        ({"kind": "mqtt", "broker": "mqtt://b", "pictures": True}, "targets.one.pictures: .*set engine.api"),
        ({"kind": "apprise", "urls_file": "u", "severities": []}, "severities: unknown"),
    ],
)
def test_an_error_names_its_field_and_no_secret(tmp_path: Path, target: dict[str, Any], error: str) -> None:
    with pytest.raises(ConfigError, match=error) as raised:
        loaded(tmp_path, yaml.safe_dump({"targets": {"one": target}}))
    assert "secret@" not in str(raised.value) and "notify.yaml" in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"metrics": "127.0.0.1:65536"}, "metrics: .*the port must be 0 to 65535"),
        ({"engine": {"api": "127.0.0.1:8080"}}, "engine.api"),
        ({"engine": {"api": "ftp://host"}}, "engine.api"),
        ({"engine": {"api": "http://engine:9090", "token_file": "t"}}, "engine: .*without TLS"),
    ],
)
def test_an_address_that_cannot_be_used_is_an_error_of_its_field(
    tmp_path: Path, settings: dict[str, Any], error: str
) -> None:
    target = {"kind": "mqtt", "broker": "mqtt://127.0.0.1", "discovery": "home/assistant"}
    assert loaded(tmp_path, yaml.safe_dump({"targets": {"one": target}}))
    with pytest.raises(ConfigError, match=error):
        loaded(tmp_path, yaml.safe_dump({"targets": {"one": target}, **settings}))


def test_plaintext_is_allowed_on_this_machine_and_on_request(tmp_path: Path) -> None:
    for url, allow in [("http://127.0.0.1:8000/", False), ("http://localhost/", False), ("http://x.example/", True)]:
        hook = {"kind": "webhook", "url": url, "secret_files": ["s"], "allow_plaintext": allow}
        assert loaded(tmp_path, yaml.safe_dump({"targets": {"one": hook}}))


def test_a_token_is_sent_without_tls_only_on_this_machine_or_on_request(tmp_path: Path) -> None:
    for api, allow in [("http://127.0.0.1:9090", False), ("https://engine:9090", False), ("http://engine:9090", True)]:
        engine = {"api": api, "token_file": "t", "allow_plaintext": allow}
        targets = {"one": {"kind": "mqtt", "broker": "mqtt://b"}}
        assert loaded(tmp_path, yaml.safe_dump({"engine": engine, "targets": targets})).engine.api == api


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


def test_a_file_without_targets_names_an_example(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"notify\.yaml: targets: is missing; an example is in docs/notify\.md$"):
        loaded(tmp_path, "ledger: notify.db")


def test_relative_paths_are_taken_from_the_folder_of_the_file(tmp_path: Path) -> None:
    engine = "engine: {server_key: keys/server.key, key_file: /etc/client.key_secret}\n"
    config = loaded(tmp_path, EXAMPLE.replace("ledger: notify.db", "") + engine)
    house, hook = config.targets["house"], config.targets["hook"]
    assert isinstance(house, MqttConfig) and isinstance(hook, WebhookConfig)
    assert (config.ledger, house.password_file) == (tmp_path / "notify.db", tmp_path / "pw")
    assert hook.secret_files == [tmp_path / "s1", tmp_path / "s2"]
    assert config.engine.server_key == str(tmp_path / "keys/server.key")
    assert config.engine.key_file == Path("/etc/client.key_secret")
    key = "x" * 40
    assert loaded(tmp_path, EXAMPLE + f"engine: {{server_key: {key}, key_file: k}}").engine.server_key == key
