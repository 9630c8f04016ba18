"""The process on the head that creates the fleet's actors, and creates them again if they are gone for good.

It also asks Ray's autoscaler for nodes.

Ray itself starts an actor again when its process has ended, or its node has come back. All actors are lost with the
head's GCS. This process ends then too; the supervisor starts it again, and it waits until there is a GCS.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError

from fleet.cluster import head_watch
from fleet.cluster.actors import AgentActor, CoordinatorActor
from fleet.cluster.node_requests import NodeRequests
from fleet.cluster.raylet import HEAD_RESOURCE, NAMESPACE, NODE_RESOURCE
from fleet.settings import load
from stream.settings.config_error import ConfigError
from telemetry import logs

logger = logging.getLogger(__name__)

EVERY_S = 1.0
ANSWER_WITHIN_S = 5.0
SHARE = 0.001
"""Of a node's resource: enough to be bound to the node."""


class Actors:
    """The fleet's actors, by name."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._silent = set[str]()

    def keep(self, nodes: list[dict[str, Any]]) -> None:
        """Create what is missing on the nodes of `ray.nodes()`. One that is being started again is not missing."""
        head = head_address(nodes)
        if head is None:
            return
        wanted: dict[str, tuple[type[Any], str, tuple[str, ...]]] = {
            "coordinator": (CoordinatorActor, HEAD_RESOURCE, ())
        }
        wanted |= {f"agent-{node}": (AgentActor, f"{NODE_RESOURCE}{node}", (head,)) for node in node_names(nodes)}
        for name in wanted.keys() - self._known.keys():
            kind, resource, arguments = wanted[name]
            self._known[name] = _created(name, kind, resource, arguments)
        self._forget_lost(wanted.keys())

    def _forget_lost(self, names: Iterable[str]) -> None:
        asked = {self._known[name].alive.remote(): name for name in names}
        answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_WITHIN_S)
        names_of_silent = {asked[answer] for answer in silent}
        for name in names_of_silent - self._silent:
            logger.warning("%s does not answer yet", name)
        self._silent = names_of_silent
        for answer in answered:
            try:
                ray.get(answer, timeout=ANSWER_WITHIN_S)
            except (RayActorError, GetTimeoutError) as error:
                if not _exists(asked[answer]):
                    logger.warning("%s is gone: %s", asked[answer], error)
                    del self._known[asked[answer]]


def node_names(nodes: Iterable[dict[str, Any]]) -> list[str]:
    """Return the names of the fleet's nodes that are alive, from `ray.nodes()`."""
    resources = {name for node in nodes if node["Alive"] for name in node["Resources"]}
    return sorted(name.removeprefix(NODE_RESOURCE) for name in resources if name.startswith(NODE_RESOURCE))


def head_address(nodes: Iterable[dict[str, Any]]) -> str | None:
    """Return the head's IP address; None if it is not alive."""
    heads = (node for node in nodes if node["Alive"] and HEAD_RESOURCE in node["Resources"])
    return next((node["NodeManagerAddress"] for node in heads), None)


def _created(name: str, kind: type[Any], resource: str, arguments: tuple[str, ...]) -> Any:
    logger.info("%s is created, unless it exists", name)
    options = ray.remote(kind).options(
        name=name,
        lifetime="detached",
        get_if_exists=True,
        max_restarts=-1,
        num_cpus=0,
        resources={resource: SHARE},
    )
    return options.remote(*arguments)


def _exists(name: str) -> bool:
    try:
        ray.get_actor(name)
    except ValueError:
        return False
    return True


def requests_of(path: Path) -> NodeRequests | None:
    """Return what asks Ray's autoscaler for nodes; None if the configuration does not want it, or has errors now."""
    try:
        config = load(path)
    except ConfigError as error:
        logger.warning("Ray's autoscaler is asked for no nodes: %s", error)
        return None
    if config.cluster.autoscaling.max_nodes == 0:
        return None
    from ray.autoscaler.sdk import request_resources

    return NodeRequests(config, lambda bundles: request_resources(bundles=[dict(bundle) for bundle in bundles]))


def main(address: str, config: str) -> None:
    """Keep the actors of the cluster at `address`, `host:port`, until the process is ended.

    `config`: the path of the fleet's configuration.
    """
    logs.configure(json=False, level="info", ffmpeg=False)
    asyncio.run(head_watch.accepting(address))
    head_watch.exit_without(address)
    ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, configure_logging=False)
    actors, requests = Actors(), requests_of(Path(config))
    while True:
        nodes = ray.nodes()
        actors.keep(nodes)
        if requests is not None and (head := head_address(nodes)) is not None:
            requests.renew(head, node_names(nodes), time.monotonic())
        time.sleep(EVERY_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
