"""What runs on a node, from the fleet's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleet.agent.node import JSON_LOGS_VARIABLE, agent_of, coordinator_process, coordinator_url, engine_settings
from fleet.settings import FleetConfig
from stream.config import Config


def fleet(**settings: Any) -> FleetConfig:
    return FleetConfig.model_validate(settings)


def test_a_nodes_engine_is_a_member_under_the_nodes_name() -> None:
    config = fleet(engine={"model": {"profile": "free"}})
    settings = engine_settings(config, "gpu-1", "10.0.0.3", Path("/run/coordinator"))["gpu-1"]
    member = Config.model_validate(settings).fleet
    assert member is not None
    assert (member.engine_name, member.node_name, member.coordinator_file) == (
        "gpu-1",
        "gpu-1",
        Path("/run/coordinator"),
    )
    assert settings["model"] == {"profile": "free"}


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [("tcp://0.0.0.0:5555", "10.0.0.3"), ("tcp://*:5555", "10.0.0.3"), ("tcp://127.0.0.1:5555", None)],
)
def test_readers_are_told_the_nodes_address_if_the_engine_has_none_of_its_own(endpoint: str, host: str | None) -> None:
    config = fleet(engine={"publish": {"endpoint": endpoint, "allow_plaintext": True}})
    assert engine_settings(config, "gpu-1", "10.0.0.3", Path("c"))["gpu-1"]["fleet"].get("public_host") == host


def test_a_node_has_settings_of_its_own() -> None:
    config = fleet(
        engine={"publish": {"high_water_mark": 50}},
        membership={"capacity": 100},
        nodes={"gpu-1": {"engine": {"publish": {"endpoint": "tcp://127.0.0.1:6000"}}, "membership": {"capacity": 400}}},
    )
    own, other = (engine_settings(config, node, "10.0.0.3", Path("c"))[node] for node in ("gpu-1", "gpu-2"))
    assert own["publish"] == {"high_water_mark": 50, "endpoint": "tcp://127.0.0.1:6000"}
    assert other["publish"] == {"high_water_mark": 50}
    assert (own["fleet"]["capacity"], other["fleet"]["capacity"]) == (400, 100)


def test_a_node_with_two_gpus_has_two_engines() -> None:
    config = fleet(
        engine={"batch": {"max_frames": 4}},
        nodes={"gpu-1": {"engines": {f"gpu-1-{n}": {"model": {"device": f"cuda:{n}"}} for n in range(2)}}},
    )
    engines = engine_settings(config, "gpu-1", "10.0.0.3", Path("c"))
    assert {name: settings["model"]["device"] for name, settings in engines.items()} == {
        "gpu-1-0": "cuda:0",
        "gpu-1-1": "cuda:1",
    }
    for name, settings in engines.items():
        assert settings["batch"] == {"max_frames": 4}
        assert (settings["fleet"]["engine"], settings["fleet"]["node"]) == (name, "gpu-1")
    with pytest.raises(ValueError, match=r"nodes\.gpu-1\.engines\.a: model\.devise: unknown"):
        fleet(nodes={"gpu-1": {"engines": {"a": {"model": {"devise": "cpu"}}}}})


@pytest.mark.parametrize("name", ["coordinator", "coordinator_file", "engine", "node", "run"])
def test_what_the_agent_sets_can_not_be_configured(name: str) -> None:
    with pytest.raises(ValueError, match=f"`{name}` does not belong there"):
        fleet(membership={name: "x"})
    with pytest.raises(ValueError, match=r"nodes\.gpu-1\.membership"):
        fleet(nodes={"gpu-1": {"membership": {name: "x"}}})


def test_an_agent_writes_where_the_coordinator_is(tmp_path: Path) -> None:
    config = fleet(coordinator={"bind": "tcp://0.0.0.0:5570", "allow_plaintext": True})
    for head in ("10.0.0.2", "10.0.0.9"):
        agent_of(config, "gpu-1", head, "10.0.0.3", tmp_path)
        assert (tmp_path / "fleet" / "engines" / "coordinator").read_text() == f"tcp://{head}:5570\n"


def test_the_coordinators_http_server_is_found_on_the_head() -> None:
    assert coordinator_url(fleet(), "10.0.0.2") == "http://127.0.0.1:9095"


def test_the_coordinator_runs_with_the_fleets_configuration(tmp_path: Path) -> None:
    command = coordinator_process(fleet(), tmp_path / "fleet.yaml", tmp_path).command
    assert command[1:] == ("-m", "commands.fleet.coordinate", str(tmp_path / "fleet.yaml"))


def test_the_coordinator_and_engines_log_json_lines_if_up_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def commands() -> list[tuple[str, ...]]:
        agent = agent_of(fleet(), "gpu-1", "10.0.0.2", "10.0.0.3", tmp_path)
        coordinator = coordinator_process(fleet(), tmp_path / "fleet.yaml", tmp_path)
        return [*(keeper.process.command for keeper in agent.keepers.values()), coordinator.command]

    assert not any("--json" in command for command in commands())
    monkeypatch.setenv(JSON_LOGS_VARIABLE, "1")
    assert all("--json" in command for command in commands())
