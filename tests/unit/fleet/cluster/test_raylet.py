"""How Ray is started on a node."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.cluster.raylet import Raylet, raylet
from fleet.cluster.settings import ClusterSettings


def options(process: Raylet) -> dict[str, str]:
    """Return the options of `ray start` with a value."""
    return dict(part.removeprefix("--").split("=", 1) for part in process.command if "=" in part)


@pytest.fixture
def settings(tmp_path: Path) -> ClusterSettings:
    given = {"state_directory": tmp_path, "token_file": tmp_path / "token", "first_port": 7000, "worker_ports": 10}
    return ClusterSettings.model_validate(given)


def test_every_port_of_the_head_is_fixed(settings: ClusterSettings) -> None:
    process = raylet(settings, "gpu-0", Path("fleet.yaml"), {}, None)
    ports = {name: int(value) for name, value in options(process).items() if name.endswith("port")}
    assert len(set(ports.values())) == len(ports) == 11
    assert (ports["port"], ports["min-worker-port"], ports["max-worker-port"]) == (7000, 7010, 7019)
    assert "--head" in process.command


def test_a_node_joins_the_head_with_ports_of_its_own(settings: ClusterSettings) -> None:
    given = options(raylet(settings, "gpu-1", Path("fleet.yaml"), {}, "10.0.0.2"))
    assert (given["address"], given["node-manager-port"]) == ("10.0.0.2:6379", "7001")
    assert not {"port", "dashboard-port", "ray-client-server-port", "include-dashboard"} & given.keys()
    assert options(raylet(settings, "gpu-1", Path("fleet.yaml"), {}, "fd00::2"))["address"] == "[fd00::2]:6379"


def test_a_node_offers_its_name_and_the_head_itself_too(settings: ClusterSettings) -> None:
    head = options(raylet(settings, "gpu-0", Path("fleet.yaml"), {}, None))
    node = options(raylet(settings, "gpu-1", Path("fleet.yaml"), {}, "10.0.0.2"))
    assert json.loads(head["resources"]) == {"partstream_node_gpu-0": 1, "partstream_head": 1}
    assert json.loads(node["resources"]) == {"partstream_node_gpu-1": 1}


def test_ray_gets_the_token_and_must_not_end_engines(settings: ClusterSettings, tmp_path: Path) -> None:
    process = raylet(settings, "gpu-0", Path("fleet.yaml"), {"RAY_AUTH_MODE": "disabled", "HOME": "/root"}, None)
    environment = process._environment
    assert environment is not None
    assert (environment["RAY_AUTH_MODE"], environment["RAY_AUTH_TOKEN_PATH"]) == ("token", str(tmp_path / "token"))
    assert environment["RAY_kill_child_processes_on_worker_exit"] == "0"
    assert environment["RAY_process_group_cleanup_enabled"] == "0"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["HOME"] == "/root"
    assert environment["PARTSTREAM_FLEET_CONFIG"] == str(Path.cwd() / "fleet.yaml")
    assert "token" not in " ".join(process.command)
