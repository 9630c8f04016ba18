"""Ray's own autoscaler: a camera that waits gets a node, which goes when its engine has been empty."""

from __future__ import annotations

import os
import tempfile
from typing import Any
from unittest import mock

import pytest
import ray
import yaml
from ray.autoscaler._private import util
from ray.autoscaler._private.fake_multi_node.node_provider import (
    FAKE_HEAD_NODE_ID,
    FAKE_HEAD_NODE_TYPE,
    FakeMultiNodeProvider,
)

from benchmarks.fleet.local_fleet import ENVIRONMENT, Nodes, controlled, settings
from support.repository import REPOSITORY
from support.waiting import until

pytestmark = pytest.mark.soak

OF_HEAD = {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
OF_HEAD |= dict.fromkeys(("RAY_CLOUD_INSTANCE_ID", "RAY_OVERRIDE_NODE_ID_FOR_TESTING"), FAKE_HEAD_NODE_ID)
ENGINES = {"least": 0, "most": 2, "reserve": 0, "empty_s": 2, "num_cpus": 4}


def autoscaling(address: str) -> dict[str, Any]:
    """Return the configuration for a cloud, with processes of this machine as its nodes."""
    given = yaml.safe_load((REPOSITORY / "deploy" / "fleet" / "autoscaling.yaml").read_text(encoding="utf-8"))
    types = given["available_node_types"]
    given["head_node_type"] = FAKE_HEAD_NODE_TYPE
    types[FAKE_HEAD_NODE_TYPE] = types.pop("head")
    types["gpu"] |= {
        "labels": {"zone": "dock"},
        "resources": types["gpu"]["resources"] | {"object_store_memory": 80 << 20},
    }
    # Not of the type `fake_multinode`, for which Ray's second autoscaler reads a file that is not installed.
    provider = {"type": "external", "module": f"{FakeMultiNodeProvider.__module__}.{FakeMultiNodeProvider.__name__}"}
    fake = {"use_node_id_as_ip": True, "disable_node_updaters": True, "disable_launch_config_check": True}
    provider |= {"gcs_address": address, "launch_multiple": True, **fake}
    return {**util.prepare_config(given), "provider": provider, "file_mounts": {}, "idle_timeout_minutes": 0.05}


def nodes_alive() -> int:
    return sum(node["Alive"] for node in ray.nodes())


@pytest.mark.parametrize("pin", [None, "zone=dock"])
@pytest.mark.parametrize("version", [1, 2])
async def test_rays_autoscaler_adds_a_node_for_a_camera_that_waits_and_takes_it_away_when_its_engine_is_empty(
    version: int, pin: str | None
) -> None:
    with mock.patch.dict(os.environ, ENVIRONMENT), tempfile.TemporaryDirectory(prefix="fleet") as folder:
        nodes = Nodes(folder)
        file = nodes.folder / "autoscaling.yaml"
        file.write_text(yaml.safe_dump(autoscaling(nodes.address)))
        try:
            enabled = {"RAY_enable_autoscaler_v2": str(version - 1)}
            nodes.start_head(f"--autoscaling-config={file}", **OF_HEAD, **enabled)
            async with controlled(nodes, settings(0, folder) | {"engines": ENGINES}) as fleet:

                async def states(*expected: str) -> bool:
                    return [engine["state"] for engine in (await fleet.status())["engines"]] == list(expected)

                assert await states() and nodes_alive() == 1
                await fleet.ask("PUT", "cameras/door", {"source": "pattern:320x180@10", "pin": pin})
                await until(lambda: states("waiting"))
                await until(fleet.live)
                assert await states("running") and nodes_alive() == 2
                await fleet.ask("DELETE", "cameras/door")
                await until(states)
                await until(lambda: nodes_alive() == 1)
        finally:
            nodes.kill()
