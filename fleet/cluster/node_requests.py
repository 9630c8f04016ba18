"""Asking Ray's autoscaler for nodes, as many as the cameras need that no engine of the fleet has room for."""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from http.client import HTTPException
from typing import Any

from fleet.agent.node import TOKEN_VARIABLE, coordinator_url
from fleet.cluster.autoscaling import Requests, bundles, need_of
from fleet.settings import FleetConfig
from stream.settings.fleet import FleetSettings

logger = logging.getLogger(__name__)

EVERY_S = 5.0
ANSWER_WITHIN_S = 3.0
TOLD_AFTER = 4
"""Failures in a row: the coordinator needs some time to start."""

Ask = Callable[[Sequence[Mapping[str, float]]], None]


class NodeRequests:
    """Asks for nodes. `ask` takes the resources of all nodes that there are to be. `now_s`: of a monotonic clock."""

    def __init__(self, config: FleetConfig, ask: Ask) -> None:
        self._config = config
        self._ask = ask
        capacity: float = config.membership.get("capacity", FleetSettings.model_fields["capacity"].default)
        self._requests = Requests(config.cluster.autoscaling, capacity * (1 - config.placement.headroom))
        self._opener = _opener()
        self._again_s = float("-inf")
        self._failures = 0

    def renew(self, head: str, ray_nodes: Iterable[str], now_s: float) -> None:
        """Look at most every few seconds what the coordinator on the host `head` needs, and ask for it."""
        if now_s < self._again_s:
            return
        self._again_s = now_s + EVERY_S
        try:
            status = self._status(head)
            need = need_of(status, self._config.placement.headroom)
        except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
            self._failures += 1
            if self._failures == TOLD_AFTER:
                logger.warning("whether the fleet needs nodes cannot be asked of its coordinator: %s", error)
            return
        self._failures = 0
        nodes = self._requests.decide(need, ray_nodes, now_s)
        if nodes is None:
            return
        if nodes:
            logger.info("Ray's autoscaler is asked for %d nodes: %d cameras find no room", nodes, need.cameras)
        else:
            logger.info("Ray's autoscaler is asked for no nodes")
        self._ask(bundles(nodes))

    def _status(self, head: str) -> Mapping[str, Any]:
        http = self._config.coordinator.http
        configured = http.read_token or http.control_token
        token = configured.get_secret_value() if configured else os.environ.get(TOKEN_VARIABLE)
        request = urllib.request.Request(f"{coordinator_url(self._config, head)}/api/v1/status")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with self._opener.open(request, timeout=ANSWER_WITHIN_S) as answer:
            return json.load(answer)


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses without redirects, and without the proxies of the environment.

    The token is for the coordinator only.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener
