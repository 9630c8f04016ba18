"""A provider of machines for Ray's autoscaler, which starts further Rays on this machine. Ray's monitor imports it."""

from __future__ import annotations

import os
from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider

NODE = "auto"
"""Name of the machine that it starts."""


class FakeMachines(FakeMultiNodeProvider):
    """Starts one machine, as a node with this name."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str) -> None:
        os.environ["RAY_FAKE_CLUSTER"] = "1"
        os.environ["PARTSTREAM_FLEET_NODE"] = NODE
        super().__init__(provider_config, cluster_name)
