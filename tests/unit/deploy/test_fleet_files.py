"""The fleet's manifest for KubeRay and its cluster files, without a cluster. Ray's own code reads them, and what a pod
has is checked against Kubernetes' own schemas."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from ray.autoscaler._private import util
from ray.autoscaler._private.kuberay import autoscaling_config

from fleet.controller_actor import HEAD as HEAD_RESOURCE
from fleet.settings import FleetConfig
from support.repository import REPOSITORY

FOLDER = REPOSITORY / "deploy" / "fleet"
MANIFEST = FOLDER / "kuberay.yaml"
OBJECTS: dict[str, dict[str, Any]] = {
    found["kind"]: found for found in yaml.safe_load_all(MANIFEST.read_text(encoding="utf-8"))
}
CLUSTER = OBJECTS["RayCluster"]
HEAD: dict[str, Any] = CLUSTER["spec"]["headGroupSpec"]
(WORKERS,) = CLUSTER["spec"]["workerGroupSpecs"]
CONFIG = FleetConfig.model_validate(yaml.safe_load(OBJECTS["ConfigMap"]["data"]["fleet.yaml"]))
of_each_group = pytest.mark.parametrize("group", [HEAD, WORKERS], ids=["head", "workers"])


def pod(group: dict[str, Any]) -> dict[str, Any]:
    return group["template"]["spec"]


def container(group: dict[str, Any]) -> dict[str, Any]:
    (only,) = pod(group)["containers"]
    return only


@of_each_group
def test_pods_and_other_objects_are_valid_for_kubernetes(group: dict[str, Any]) -> None:
    sidecar = {"name": "autoscaler", **CLUSTER["spec"]["autoscalerOptions"]}
    del sidecar["version"], sidecar["idleTimeoutSeconds"]
    spec = pod(group) | {"containers": [container(group), sidecar]}
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": group["template"]["metadata"], "spec": spec}
    for manifest in (made, OBJECTS["ConfigMap"], OBJECTS["PersistentVolumeClaim"]):
        kubernetes_validate.validate(manifest, "1.30", strict=True)


def test_ray_finds_room_for_engines_on_workers_and_for_the_controller_and_its_ports_on_the_head() -> None:
    cluster = {**CLUSTER, "metadata": {**CLUSTER["metadata"], "namespace": "default"}}
    types = autoscaling_config._derive_autoscaling_config_from_ray_cr(cluster)["available_node_types"]
    head, workers = types.pop("headgroup"), types[WORKERS["groupName"]]
    assert head["resources"][HEAD_RESOURCE] == 1 and head["resources"]["CPU"] == 0, "no engine runs there"
    assert workers["resources"]["CPU"] == CONFIG.engines.num_cpus
    assert workers["resources"]["GPU"] == CONFIG.engines.num_gpus
    assert (workers["min_workers"], workers["max_workers"]) == (0, CONFIG.engines.most)
    ports = {port["name"]: str(port["containerPort"]) for port in container(HEAD)["ports"]}
    bound = CONFIG.controller
    for name, address in (("directory", bound.directory), ("replay", bound.replay), ("fleet-http", bound.http.bind)):
        assert ports[name] == (address or "").rpartition(":")[2]


@of_each_group
def test_every_path_of_the_configuration_is_mounted_or_copied(group: dict[str, Any]) -> None:
    engine, controller = CONFIG.engine, CONFIG.controller
    publish = engine["publish"]
    paths = [engine["http"]["tokens_file"], publish["curve_secret_key_file"], publish["curve_allowed_keys"]]
    if group is HEAD:
        paths += [controller.curve_secret_key_file, controller.curve_allowed_keys]
        paths += [controller.http.tokens_file, controller.store]
        assert any(mount["mountPath"] == "/etc/partstream/fleet.yaml" for mount in container(HEAD)["volumeMounts"])
        (command,) = container(HEAD)["lifecycle"]["postStart"]["exec"]["command"][2:]
        assert "--config /etc/partstream/fleet.yaml" in command
    mounts = {mount["mountPath"] for mount in container(group)["volumeMounts"]}
    (copying,) = pod(group)["initContainers"]
    copied = {f"/run/partstream/{Path(word).name}" for word in copying["command"] if word.startswith("/secrets/")}
    for path in map(Path, map(str, paths)):
        assert any(path.is_relative_to(mount) for mount in mounts), path
        assert not path.is_relative_to("/run/partstream") or str(path) in copied, path


@of_each_group
def test_containers_have_no_rights_and_the_configuration_no_secret(group: dict[str, Any]) -> None:
    assert pod(group)["securityContext"]["runAsNonRoot"] is True and pod(group)["enableServiceLinks"] is False
    sidecar = CLUSTER["spec"]["autoscalerOptions"]
    for each in (container(group), *pod(group)["initContainers"], sidecar):
        rights = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert each["securityContext"] == rights
        assert "memory" in each["resources"]["limits"]
    assert CLUSTER["spec"]["authOptions"]["mode"] == "token"
    assert not re.search(r"(read|control)_token|://[^\s]*@", OBJECTS["ConfigMap"]["data"]["fleet.yaml"])


@pytest.mark.parametrize("name", ["cluster.yaml", "autoscaling.yaml"])
def test_ray_accepts_the_cluster_files_and_their_head_is_the_controllers(name: str) -> None:
    given = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    util.validate_config(util.prepare_config(given))
    start, up = given["head_start_ray_commands"][1:]
    assert f"""--resources '{{"{HEAD_RESOURCE}":1}}'""" in start and "partstream fleet up --address auto" in up
    for command in (start, up, *given["worker_start_ray_commands"]):
        assert command.startswith(". ~/partstream/ray.env; "), "the token"
    if (types := given.get("available_node_types")) is not None:
        assert types["head"]["resources"][HEAD_RESOURCE] == 1
