"""The settings of an engine of a fleet."""

from __future__ import annotations

import socket

import pytest

from stream.config import load
from stream.settings.config_error import ConfigError
from stream.settings.fleet import NAME, FleetSettings, is_address


def test_an_engine_and_its_node_are_named_after_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for machine, expected in (("gpu-3", "gpu-3"), ("GPU_3.Lab", "gpu_3.lab"), ("-ä!", "engine"), ("x" * 80, "x" * 63)):
        monkeypatch.setattr(socket, "gethostname", lambda machine=machine: machine)
        settings = FleetSettings(coordinator="tcp://head:5570")
        assert settings.engine_name == settings.node_name == expected
        assert NAME.fullmatch(expected)
    named = FleetSettings(coordinator="tcp://head:5570", engine="left", node="rack")
    assert (named.engine_name, named.node_name) == ("left", "rack")


def test_an_address_has_a_host_and_a_port() -> None:
    assert all(map(is_address, ("tcp://head:5570", "tcp://10.0.0.2:1", "tcp://[::1]:65535")))
    assert not any(
        map(is_address, ("head:5570", "tcp://head", "tcp://head:0", "tcp://:5570", "ipc:///x", "tcp://a b:1"))
    )


def test_the_environment_alone_makes_an_engine_a_member(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTSTREAM_FLEET__COORDINATOR", "tcp://head:5570")
    monkeypatch.setenv("PARTSTREAM_FLEET__ENGINE", "gpu-3")
    fleet = load().fleet
    assert fleet is not None
    assert (fleet.coordinator, fleet.engine) == ("tcp://head:5570", "gpu-3")


def test_a_run_that_an_agent_gives_has_the_form_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTSTREAM_FLEET__COORDINATOR", "tcp://head:5570")
    monkeypatch.setenv("PARTSTREAM_FLEET__RUN", "0123456789abcdef" * 2)
    fleet = load().fleet
    assert fleet is not None and fleet.run == "0123456789abcdef" * 2
    monkeypatch.setenv("PARTSTREAM_FLEET__RUN", "first")
    with pytest.raises(ConfigError, match=r"fleet\.run"):
        load()
