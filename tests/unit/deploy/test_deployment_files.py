"""Files for containers and systemd in deploy/ match the tree, settings and exit codes, and have no secrets."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from commands.ending import EXIT_USAGE, EXIT_WEIGHTS
from stream.config import load
from stream.notify.notify_config import MqttConfig
from stream.notify.notify_config import load as load_notify
from support.repository import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
CONTAINERFILES = [DEPLOY / "Containerfile", DEPLOY / "Containerfile.cuda", DEPLOY / "camera" / "Containerfile"]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
UNPINNED_APT = "DL3008"
"""Debian keeps one version of a package at a time: one that is pinned is gone with the next fix."""


def test_hadolint_reports_no_errors() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    command = [hadolint, "--ignore", UNPINNED_APT, "--format", "json", *CONTAINERFILES]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, json.loads(told.stdout)) == (0, [])


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: str(file.relative_to(DEPLOY)))
def test_an_image_runs_without_root_and_its_health_check_needs_no_other_program(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    last_stage = text[text.rindex("\nFROM ") :]
    assert int(re.findall(r"^USER (\d+):\d+$", last_stage, re.MULTILINE)[-1]) > 0
    assert re.search(r"^HEALTHCHECK .*\\\n +CMD \[\"python3?\",", last_stage, re.MULTILINE)
    assert not re.search(r"\b(curl|wget)\b", text)
    assert not re.search(r"^(ARG|ENV) .*(TOKEN|PASSWORD|SECRET|KEY)", text, re.MULTILINE)


@pytest.mark.parametrize("file", CONTAINERFILES, ids=lambda file: str(file.relative_to(DEPLOY)))
def test_files_copied_into_an_image_exist_and_are_not_ignored(file: Path) -> None:
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert lines[1] == "*"
    assert all((REPOSITORY / path).exists() for path in let_in)
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", file.read_text(encoding="utf-8"), re.MULTILINE):
        for source in sources.split():
            assert source == "." or any(Path(source).is_relative_to(path) for path in let_in), source


def test_compose_has_no_secret_and_no_default_for_one() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"TOKEN|PASSWORD", name):
                assert re.fullmatch(r"\$\{\w+:\?set it in deploy/\.env\}", value), name
    ignored = (REPOSITORY / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert ".env" in ignored


def test_compose_mounts_existing_files_and_publishes_ports_on_loopback() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), volume
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if "build" in service:
            dockerfile = re.sub(r"\$\{\w+:-(.+)\}", r"\1", service["build"]["dockerfile"])
            assert (DEPLOY / service["build"]["context"] / dockerfile).is_file()


def test_the_configuration_of_compose_is_valid_and_has_a_reachable_camera() -> None:
    config = load(DEPLOY / "compose" / "partstream.yaml")
    assert config.http.read_token is None
    (camera,) = config.cameras
    assert re.fullmatch(r"rtsp://camera:8554/street", camera.source.reveal())
    assert "camera" in COMPOSE["services"]
    assert config.publish.curve_secret_key_file is not None


def test_notify_of_compose_reaches_the_engine_with_its_keys_and_a_broker_that_is_started_with_it() -> None:
    config = load_notify(DEPLOY / "compose" / "notify.yaml")
    engine = load(DEPLOY / "compose" / "partstream.yaml")
    reached = [str(urlsplit(address or "").port) for address in (config.engine.endpoint, config.engine.replay)]
    assert reached == [
        (address or "").rpartition(":")[2] for address in (engine.publish.endpoint, engine.publish.replay)
    ]
    assert config.engine.api == f"http://engine:{(engine.http.bind or '').rpartition(':')[2]}"
    service, broker = COMPOSE["services"]["notify"], COMPOSE["services"]["mosquitto"]
    assert service["profiles"] == broker["profiles"] == ["notify"]
    assert service["secrets"] == [{"source": "control_token", "target": "control.token"}]
    assert str(config.engine.token_file) == "/run/secrets/control.token"
    assert str(config.metrics) in service["healthcheck"]["test"][-1]
    (target,) = config.targets.values()
    assert isinstance(target, MqttConfig) and urlsplit(target.broker).hostname == "mosquitto"
    assert "partstream keys new keys --client first" in COMPOSE["services"]["keys"]["entrypoint"][-1]
    assert (config.engine.server_key, str(config.engine.key_file)) == (
        "/var/lib/partstream/keys/server.key",
        "/var/lib/partstream/keys/clients/first.key_secret",
    )
    listened = (DEPLOY / "compose" / "mosquitto.conf").read_text(encoding="utf-8")
    assert f"listener {urlsplit(target.broker).port}\n" in listened
    assert broker["ports"] == ["127.0.0.1:1883:1883"], "it asks for no password"


def test_systemd_restarts_the_engine_unless_a_restart_would_not_help() -> None:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    unit.read_string((DEPLOY / "systemd" / "partstream.service").read_text(encoding="utf-8"))
    service = unit["Service"]
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"].split() == [str(EXIT_USAGE), str(EXIT_WEIGHTS)]
    assert service["SuccessExitStatus"] == "4 143"
    assert service["User"] == "partstream"
    unit.read_string((DEPLOY / "systemd" / "partstream-notify.service").read_text(encoding="utf-8"))
    assert unit["Service"]["RestartPreventExitStatus"] == str(EXIT_USAGE)
    assert unit["Service"]["SuccessExitStatus"] == "143"
    assert "u partstream " in (DEPLOY / "systemd" / "partstream.conf").read_text(encoding="utf-8")
