"""The fleet's manifest for KubeRay, without a cluster. What a pod has is checked against Kubernetes' own schemas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private.kuberay import autoscaling_config
from typer.main import get_command

from commands.fleet.command import fleet_app
from fleet.cluster.autoscaling import ENGINE_RESOURCE
from fleet.settings import FleetConfig, load
from support.repository import REPOSITORY

MANIFEST = REPOSITORY / "deploy" / "kuberay" / "fleet.yaml"
OBJECTS: dict[str, dict[str, Any]] = {
    found["kind"]: found for found in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))
}
CLUSTER = OBJECTS["RayCluster"]
HEAD: dict[str, Any] = CLUSTER["spec"]["headGroupSpec"]
(WORKERS,) = CLUSTER["spec"]["workerGroupSpecs"]
GROUPS = {"head": HEAD, "workers": WORKERS}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FleetConfig:
    """Return the configuration that the pods read."""
    file = tmp_path_factory.mktemp("pod") / "fleet.yaml"
    file.write_text(OBJECTS["ConfigMap"]["data"]["fleet.yaml"], encoding="utf-8")
    return load(file)


@pytest.fixture(params=list(GROUPS.values()), ids=list(GROUPS))
def group(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


def pod(group: dict[str, Any]) -> dict[str, Any]:
    return group["template"]["spec"]


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod(group)["containers"]
    return only


def ports(group: dict[str, Any]) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container(group)["ports"]}


def port_of(address: str | None) -> int:
    return int((address or "").rpartition(":")[2])


def test_pods_and_other_objects_are_valid_for_kubernetes(group: dict[str, Any]) -> None:
    template = group["template"]
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]}
    for manifest in (made, OBJECTS["ConfigMap"], OBJECTS["PersistentVolumeClaim"]):
        kubernetes_validate.validate(manifest, "1.30", strict=True)
    sidecar = {"name": "autoscaler", **CLUSTER["spec"]["autoscalerOptions"]}
    del sidecar["version"], sidecar["idleTimeoutSeconds"]
    spec = template["spec"] | {"containers": [*template["spec"]["containers"], sidecar]}
    kubernetes_validate.validate(made | {"spec": spec}, "1.30", strict=True)


def test_kuberay_leaves_the_command_and_each_pod_runs_fleet_up() -> None:
    assert CLUSTER["metadata"]["annotations"] == {"ray.io/overwrite-container-cmd": "true"}
    up = get_command(fleet_app).get_command(None, "up")
    for each, place in ((HEAD, ["--head"]), (WORKERS, ["--join", "$(FQ_RAY_IP)"])):
        words = [*container(each)["command"], *container(each)["args"]]
        assert words[:3] == ["partstream", "fleet", "up"] and "ray start" not in " ".join(words)
        assert place == words[words.index(place[0]) :][: len(place)]
        options = {word.removeprefix("--") for word in words if word.startswith("--")} - {"json"}
        assert options <= {option.name for option in up.params}
    assert "$(POD_NAME)" in container(WORKERS)["args"] and container(WORKERS)["env"][0]["name"] == "POD_NAME"


def test_ports_and_probes_are_those_of_the_configuration(config: FleetConfig) -> None:
    coordinator, cluster = config.coordinator, config.cluster
    engine = config.engine
    served = {
        "http": port_of(engine["http"]["bind"]),
        "results": port_of(engine["publish"]["endpoint"]),
        "results-replay": port_of(engine["publish"]["replay"]),
        "metrics": cluster.ports(head=True)["metrics-export-port"],
    }
    assert ports(WORKERS) == served
    assert ports(HEAD) == served | {
        "gcs-server": cluster.head_port,
        "engines": port_of(coordinator.bind),
        "directory": port_of(coordinator.directory),
        "replay": port_of(coordinator.replay),
        "fleet-http": port_of(coordinator.http.bind),
    }
    assert cluster.first_port == cluster.head_port == 6379, "where KubeRay's autoscaler looks for the head"
    for each, port in ((HEAD, "fleet-http"), (WORKERS, "http")):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):  # else KubeRay adds its own
            assert container(each)[probe]["httpGet"]["port"] == port


def test_the_autoscaler_of_kuberay_is_the_only_one_and_sees_what_ray_offers(config: FleetConfig) -> None:
    assert CLUSTER["spec"]["enableInTreeAutoscaling"] is True
    assert CLUSTER["spec"]["autoscalerOptions"]["version"] == "v1"
    assert config.cluster.monitor is False
    offered = {"CPU": config.cluster.cpus, "GPU": config.cluster.gpus, ENGINE_RESOURCE: 1}
    for each in GROUPS.values():
        read = autoscaling_config._get_ray_resources_from_group_spec(each, each is HEAD)
        assert {name: amount for name, amount in read.items() if name != "memory"} == offered
    assert "automountServiceAccountToken" not in pod(HEAD), "the autoscaler asks Kubernetes"
    assert WORKERS["minReplicas"] <= WORKERS["replicas"] <= WORKERS["maxReplicas"]
    assert 0 < config.cluster.autoscaling.max_nodes <= WORKERS["maxReplicas"] + 1, "the head has an engine, too"


def test_every_path_of_the_configuration_is_mounted_or_copied(config: FleetConfig, group: dict[str, Any]) -> None:
    engine, coordinator, membership = config.engine, config.coordinator, config.membership
    paths = [config.cluster.token_file, config.cluster.state_directory, engine["http"]["tokens_file"]]
    paths += [engine["publish"]["curve_secret_key_file"], engine["publish"]["curve_allowed_keys"]]
    paths += [membership["server_key"], membership["key_file"]]
    if group is HEAD:
        paths += [coordinator.store, coordinator.curve_secret_key_file, coordinator.curve_engine_keys]
        paths += [coordinator.curve_allowed_keys, coordinator.http.tokens_file]
    mounts = {mount["mountPath"] for mount in container(group)["volumeMounts"]}
    (copying,) = pod(group)["initContainers"]
    copied = {f"/run/partstream/{Path(word).name}" for word in copying["command"] if word.startswith("/secrets/")}
    for path in map(Path, map(str, paths)):
        assert any(path.is_relative_to(mount) for mount in mounts), path
        assert not path.is_relative_to("/run/partstream") or str(path) in copied, path
    (projected,) = (volume["projected"] for volume in pod(group)["volumes"] if volume["name"] == "secrets")
    items = {item["path"] for source in projected["sources"] for item in source["secret"]["items"]}
    assert {f"/run/partstream/{item}" for item in items} == copied
    assert ("coordinator.key_secret" in items) is (group is HEAD)


def test_containers_have_no_rights_and_the_configuration_no_secret(group: dict[str, Any]) -> None:
    assert pod(group)["securityContext"]["runAsNonRoot"] is True and pod(group)["enableServiceLinks"] is False
    sidecar = CLUSTER["spec"]["autoscalerOptions"]
    for each in (container(group), *pod(group)["initContainers"], sidecar):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in each["resources"]["limits"]
    assert not re.search(r"(read|control)_token|://[^\s]*@", OBJECTS["ConfigMap"]["data"]["fleet.yaml"])
