"""How Ray is started on a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from fleet.agent.keeper import Keeper
from fleet.agent.program import without_ray
from fleet.cluster.raylet import Raylet, raylet
from fleet.cluster.settings import AutoscalingSettings, ClusterSettings
from fleet.cluster.supervisor import driver
from support.waiting import until


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
    ports |= {name: int(port) for name, port in settings.metric_ports().items()}
    assert len(set(ports.values())) == len(ports) == 13
    assert (ports["port"], ports["min-worker-port"], ports["max-worker-port"]) == (7000, 7012, 7021)
    environment = process._environment
    assert environment is not None and settings.metric_ports().items() <= environment.items()
    assert "--head" in process.command


@pytest.mark.parametrize(
    ("monitor", "autoscaling", "runs"),
    [
        (True, {"max_nodes": 4}, True),
        (True, {"config": "cluster.yaml"}, True),
        (True, {}, False),
        (False, {"max_nodes": 4}, False),
    ],
)
def test_the_head_runs_rays_autoscaler_if_it_is_asked_for_nodes_and_none_runs_in_its_place(
    tmp_path: Path, monitor: bool, autoscaling: dict[str, Any], runs: bool
) -> None:
    settings = ClusterSettings.model_validate(
        {"state_directory": tmp_path, "monitor": monitor, "autoscaling": autoscaling}
    )
    assert ("--no-monitor" not in raylet(settings, "gpu-0", Path("fleet.yaml"), {}, None).command) == runs
    assert "--no-monitor" not in raylet(settings, "gpu-1", Path("fleet.yaml"), {}, "10.0.0.2").command


def test_a_node_joins_the_head_with_ports_of_its_own(settings: ClusterSettings) -> None:
    given = options(raylet(settings, "gpu-1", Path("fleet.yaml"), {}, "10.0.0.2"))
    assert (given["address"], given["node-manager-port"]) == ("10.0.0.2:6379", "7001")
    assert not {"port", "dashboard-port", "ray-client-server-port", "include-dashboard"} & given.keys()
    assert options(raylet(settings, "gpu-1", Path("fleet.yaml"), {}, "fd00::2"))["address"] == "[fd00::2]:6379"


def test_a_node_offers_its_name_and_the_head_itself_too(settings: ClusterSettings) -> None:
    head = options(raylet(settings, "gpu-0", Path("fleet.yaml"), {}, None))
    node = options(raylet(settings, "gpu-1", Path("fleet.yaml"), {}, "10.0.0.2"))
    engines = {"partstream_engine": 1}
    assert json.loads(head["resources"]) == {"partstream_node_gpu-0": 1, "partstream_head": 1} | engines
    assert json.loads(node["resources"]) == {"partstream_node_gpu-1": 1} | engines


def test_engines_get_the_environment_of_fleet_up_and_not_what_ray_makes_of_it(settings: ClusterSettings) -> None:
    own = {"HOME": "/root", "OMP_NUM_THREADS": "8", "PARTSTREAM_MODEL__DEVICE": "cuda", "ODD": "caf\udce9"}
    given = own | {"RAY_AUTH_MODE": "disabled", "PARTSTREAM_FLEET_TOKEN": "secret"}
    of_ray = raylet(settings, "gpu-0", Path("fleet.yaml"), given, None)._environment
    assert of_ray is not None
    of_worker = {**of_ray, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONBREAKPOINT": "ray.util.rpdb"}
    assert without_ray(of_worker) == own
    assert of_ray["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] == "0"


def test_ray_gets_the_token_and_must_not_end_engines(settings: ClusterSettings, tmp_path: Path) -> None:
    process = raylet(settings, "gpu-0", Path("fleet.yaml"), {"RAY_AUTH_MODE": "disabled", "HOME": "/root"}, None)
    environment = process._environment
    assert environment is not None
    assert (environment["RAY_AUTH_MODE"], environment["RAY_AUTH_TOKEN_PATH"]) == ("token", str(tmp_path / "token"))
    assert environment["RAY_kill_child_processes_on_worker_exit"] == "0"
    assert environment["RAY_process_group_cleanup_enabled"] == "0"
    assert environment["RAY_worker_niceness"] == "0"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
    assert environment["HOME"] == "/root"
    assert environment["PARTSTREAM_FLEET_CONFIG"] == str(Path.cwd() / "fleet.yaml")
    assert "token" not in " ".join(process.command)


def test_ray_and_what_reaches_it_get_the_settings_for_tls_and_engines_do_not(
    settings: ClusterSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"RAY_USE_TLS": "1", "RAY_TLS_SERVER_CERT": "tls/node.crt", "RAY_TLS_SERVER_KEY": "tls/node.key"}
    given |= {"RAY_TLS_CA_CERT": "/etc/ca.crt"}
    wanted = {name: value if "/" not in value else str(tmp_path / value) for name, value in given.items()}
    of_ray = raylet(settings, "gpu-0", Path("fleet.yaml"), given, None)._environment
    assert of_ray is not None and wanted.items() <= of_ray.items()
    assert without_ray(of_ray) == {}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    of_driver = driver(settings, Path("fleet.yaml"))._environment
    assert of_driver is not None and wanted.items() <= of_driver.items()


async def test_ray_with_another_head_is_ended_and_started_again_and_the_same_is_adopted(tmp_path: Path) -> None:
    before, after = (Raylet("ray", ["sleep", seconds], tmp_path) for seconds in ("600", "601"))
    first = before.start("run-0")
    await until(before.adopt)
    keepers = [Keeper(after), Keeper(after)]
    keepers[0].start()
    await first.ended()
    await until(after.adopt)
    adopted = keepers[0].running
    assert adopted is not None and adopted.command == ("sleep", "601")
    keepers[1].start()
    await until(lambda: keepers[1].running)
    assert keepers[1].running is not None and keepers[1].running.pid == adopted.pid
    for keeper in keepers:
        await keeper.stop()


def test_the_head_starts_rays_autoscaler_if_it_has_a_cluster_file(settings: ClusterSettings, tmp_path: Path) -> None:
    autoscaling = AutoscalingSettings.model_validate({"max_nodes": 2, "config": tmp_path / "cluster.yaml"})
    given = settings.model_copy(update={"autoscaling": autoscaling})
    assert options(raylet(given, "a", Path("fleet.yaml"), {}, None))["autoscaling-config"] == f"{tmp_path}/cluster.yaml"
    assert "autoscaling-config" not in options(raylet(given, "b", Path("fleet.yaml"), {}, "10.0.0.2"))


def test_a_node_that_rays_autoscaler_started_tells_it_which_one_it_is(settings: ClusterSettings) -> None:
    given = {"RAY_CLOUD_INSTANCE_ID": "i-1", "RAY_NODE_TYPE_NAME": "engine", "RAY_OTHER": "1"}
    of_ray = raylet(settings, "b", Path("fleet.yaml"), given, "10.0.0.2")._environment
    assert of_ray is not None
    assert (of_ray["RAY_CLOUD_INSTANCE_ID"], of_ray["RAY_NODE_TYPE_NAME"]) == ("i-1", "engine")
    assert "RAY_OTHER" not in of_ray


def test_a_node_has_rays_files_where_it_is_told_if_its_sockets_have_room_there(settings: ClusterSettings) -> None:
    given = ClusterSettings.model_validate({"temp_directory": "/var/lib/ray"})
    for head in (None, "10.0.0.2"):
        assert options(raylet(given, "gpu-0", Path("fleet.yaml"), {}, head))["temp-dir"] == "/var/lib/ray"
        assert "temp-dir" not in options(raylet(settings, "gpu-0", Path("fleet.yaml"), {}, head))
    with pytest.raises(ValidationError, match="more than 45 characters"):
        ClusterSettings.model_validate({"temp_directory": "/" + 45 * "a"})


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_an_address_that_ray_would_replace_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=f"Ray replaces {address} with another address of this machine"):
        ClusterSettings.model_validate({"address": address})
    assert ClusterSettings.model_validate({"address": "127.0.0.2"}).address == "127.0.0.2"
