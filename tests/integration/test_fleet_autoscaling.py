"""Ray's autoscaler starts a node for cameras that find no room, with machines that are further Rays on this one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID

from benchmarks.fleet.nodes import Addresses, Node
from benchmarks.fleet.ports import reserved_port
from support.fleet.fake_machines import NODE
from support.fleet.nodes import asked
from support.waiting import until

HEAD_TYPE = "ray.head.default"
UNUSED = {
    **{key: {} for key in ("docker", "auth", "file_mounts")},
    **{key: [] for key in ("cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands")},
    **{f"{part}setup_commands": [] for part in ("", "head_", "worker_")},
    **{f"{part}_start_ray_commands": [] for part in ("head", "worker")},
}
"""Parts of the cluster file that Ray requires."""
RENEWALS = 40
"""Of two engines: ten seconds, three times as long as an idle node stays."""


def cluster_file(gcs_port: int) -> dict[str, Any]:
    """Return Ray's cluster file with at most one machine."""
    provider = {
        "type": "external",
        "module": "tests.support.fleet.fake_machines.FakeMachines",
        "launch_multiple": True,
        "head_node_id": FAKE_HEAD_NODE_ID,
        "gcs_address": f"127.0.0.1:{gcs_port}",
    }
    offered = {"CPU": 1, "partstream_engine": 1, f"partstream_node_{NODE}": 1, "object_store_memory": 80_000_000}
    return UNUSED | {
        "cluster_name": "fleet",
        "max_workers": 1,
        "upscaling_speed": 1.0,
        "file_mounts_sync_continuously": False,
        "idle_timeout_minutes": 0.05,
        "provider": provider,
        "head_node_type": HEAD_TYPE,
        "available_node_types": {
            HEAD_TYPE: {"resources": {"partstream_head": 1, "partstream_engine": 1}, "node_config": {}},
            "engine": {"resources": offered, "node_config": {}, "min_workers": 0, "max_workers": 1},
        },
    }


def head_of(folder: Path) -> Node:
    """Return a head whose engine takes one camera of two."""
    addresses = Addresses()
    (folder / "cluster.yaml").write_text(str(yaml.safe_dump(cluster_file(addresses.first))))
    publish = {name: f"tcp://127.0.0.1:{reserved_port()}" for name in ("endpoint", "replay")}
    autoscaling = {"max_nodes": 2, "after_s": 0, "keep_s": 0, "config": str(folder / "cluster.yaml")}
    further = {
        "cluster": {"first_port": addresses.first, "head_port": addresses.first, "autoscaling": autoscaling},
        "nodes": {"n1": {"engine": {"http": {"max_cameras": 1}}}, NODE: {"engine": {"publish": publish}}},
    }
    cameras = [{"id": name, "source": "pattern:128x96@10", "expected_mpx": 0.1} for name in ("a", "b")]
    return Node("n1", folder / "n1", addresses, cameras=cameras, further=further)


async def where(node: Node) -> set[str]:
    """Return the engines on which cameras are live."""
    cameras = ((await asked(node, "cameras")) or {"cameras": []})["cameras"]
    return {camera["place"]["engine"] for camera in cameras if camera["status"]["state"] == "live"}


async def granted(node: Node) -> int:
    """Return how many renewals the coordinator has granted. Each engine asks four times in two seconds."""
    async with aiohttp.ClientSession() as client, client.get(f"{node.url}/metrics") as answer:
        found = re.search(r'renewals_total\{outcome="granted"\} ([\d.]+)', await answer.text())
        return int(float(found[1])) if found is not None else 0


@pytest.mark.soak
async def test_cameras_without_room_get_a_node_and_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
        "RAY_NODE_TYPE_NAME": HEAD_TYPE,
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    }.items():
        monkeypatch.setenv(name, value)
    head = head_of(tmp_path)
    try:
        await head.up()

        async def both_live() -> bool:
            return await where(head) == {"n1", NODE}

        await until(both_live)
        log = head.state / "actors.log"
        await until(lambda: "is asked for no nodes" in log.read_text().partition("is asked for 2 nodes")[2])
        before = await granted(head)

        async def nodes_would_have_ended() -> bool:
            return await granted(head) >= before + RENEWALS

        await until(nodes_would_have_ended)
        assert await where(head) == {"n1", NODE}
        assert head.pid(f"engines/{NODE}") is not None
    except BaseException:
        print(head.logs())
        raise
    finally:
        await head.down()
