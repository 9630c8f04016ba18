"""How many nodes Ray's autoscaler is asked for, so that the cameras find room that have none.

Pure: what the coordinator told and the time are arguments. Ray counts every node that offers the resource, also those
that it starts at the moment, so the whole number of nodes is asked for, and not how many are missing. A node whose
engine has not come after some minutes gets another in its place.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.cluster.settings import AutoscalingSettings

ENGINE_RESOURCE = "partstream_engine"
"""What every node with engines offers one of. The agent's own resource keeps a node from counting as idle."""
WITHOUT_ENGINE_S = 300.0
"""After this time without an engine, a node does not count as one that will have one."""


@dataclass(frozen=True, slots=True)
class Need:
    """What the coordinator tells."""

    cameras: int
    """Cameras that no engine has room for, and any further engine could have."""
    mpx: float
    """Their cost, megapixels per second."""
    nodes: Mapping[str, float]
    """Megapixels per second that placing may use of the engines of each node with engines, also of drained ones."""
    cameras_per_node: float
    """How many cameras a node can take; 0 if it is not known."""


def need_of(status: Mapping[str, Any], headroom: float) -> Need:
    """Return what is needed according to the coordinator's `/api/v1/status`."""
    nodes: dict[str, float] = defaultdict(float)
    most: dict[str, int] = defaultdict(int)
    for engine in status["engines"]:
        if engine["state"] != "lost":
            nodes[engine["node"]] += engine["capacity"] * (1 - headroom)
            most[engine["node"]] += engine["max_cameras"]
    mean = sum(most.values()) / len(most) if most else 0.0
    return Need(status["no_room_cameras"], status["no_room_mpx"], nodes, mean)


def nodes_short(need: Need, node_mpx: float) -> int:
    """Return how many nodes of `node_mpx` usable megapixels per second are missing."""
    if need.cameras == 0:
        return 0
    by_cost = math.ceil(need.mpx / node_mpx) if node_mpx > 0 else 1
    by_number = math.ceil(need.cameras / need.cameras_per_node) if need.cameras_per_node > 0 else 1
    return min(max(by_cost, by_number, 1), need.cameras)


class Requests:
    """The number of nodes to ask for. `usual_mpx`: usable megapixels per second of a node, if none is known."""

    def __init__(self, settings: AutoscalingSettings, usual_mpx: float) -> None:
        self._settings = settings
        self._usual_mpx = usual_mpx
        self._asked: int | None = None
        """None: what was asked for before, by an earlier process, is not known."""
        self._next: int | None = None
        """Asked for soon, if the need does not change until then."""
        self._since_s = 0.0
        self._without: dict[str, float] = {}
        """Ray's nodes without a living engine, and since when they are seen so."""

    def decide(self, need: Need, ray_nodes: Iterable[str], now_s: float) -> int | None:
        """Return how many nodes to ask for from now on; 0 for none, None for no change.

        `ray_nodes`: names of the nodes that Ray has. More are asked for after `after_s` of need, fewer after `keep_s`.
        """
        wanted = self._wanted(need, list(ray_nodes), now_s)
        asked = self._asked
        if asked is None and wanted == 0:
            self._asked = 0
            return 0
        asked = asked or 0
        if wanted == asked:
            self._next = None
            return None
        if self._next is None or (self._next > asked) != (wanted > asked):
            self._next, self._since_s = wanted, now_s
        self._next = min(self._next, wanted) if wanted > asked else max(self._next, wanted)
        if now_s - self._since_s < (self._settings.after_s if wanted > asked else self._settings.keep_s):
            return None
        self._asked, self._next = self._next, None
        return self._asked

    def _wanted(self, need: Need, ray_nodes: Sequence[str], now_s: float) -> int:
        present = [need.nodes[name] for name in ray_nodes if name in need.nodes]
        self._without = {name: self._without.get(name, now_s) for name in ray_nodes if name not in need.nodes}
        broken = sum(now_s - since_s >= WITHOUT_ENGINE_S for since_s in self._without.values())
        mean = sum(present) / len(present) if present else 0.0
        short = nodes_short(need, self._settings.node_mpx or mean or self._usual_mpx)
        # Ray counts the broken ones too: without them, it would start none in their place.
        return min(len(present) + broken + short, self._settings.max_nodes) if short else 0


def bundles(nodes: int) -> Sequence[dict[str, float]]:
    """Return the resources to ask for."""
    return [{ENGINE_RESOURCE: 1.0} for _ in range(nodes)]
