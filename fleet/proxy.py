"""The proxy: subscribes to a fleet, and publishes what it gets on one endpoint, with the same topics and bodies.

It keeps nothing but the last message of each topic, so several proxies of one fleet can run side by side. It goes on
while the directory or engines are away.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import zmq

from stream.fleet_directory.fleet_subscription import ENDED, FleetSubscription, Moved
from stream.messaging.curve.authenticator import CurveAuthenticator, make_authenticator
from stream.messaging.endpoints import bind, check_reach
from stream.messaging.publisher import LINGER_MS
from stream.messaging.topic_socket import TopicSocket, open_xpub
from stream.results import (
    CameraKind,
    ClipReadyHead,
    FrameHead,
    Head,
    PlaceHead,
    StatsHead,
    StatusHead,
    decode_head,
    kind_of,
    topic,
    topic_of,
)
from stream.settings.config_error import ConfigError
from stream.settings.engine import PublishConfig
from stream.subscription.engine_subscription import Connection
from stream.subscription.subscription import Kind
from stream.zeromq_context import terminated
from telemetry.catalogue import MetricSpec

if TYPE_CHECKING:
    from stream.http.server.status import StatusServer

logger = logging.getLogger(__name__)

OPTIONS = {
    "publish.curve_secret_key_file": "--curve-secret-key-file",
    "publish.curve_allowed_keys": "--curve-allowed-keys",
    "publish.allow_plaintext: true": "--allow-plaintext",
}
"""The settings of a publisher, as the command's options."""
OF_ENGINES: tuple[CameraKind, ...] = ("results", "events", "status", "alerts")
"""Kinds of messages of engines whose last ones are kept for new subscribers."""
METRICS: tuple[MetricSpec, ...] = (
    MetricSpec("fleet_proxy_messages_total", "counter", "Messages passed on.", ("kind",)),
    MetricSpec("fleet_proxy_stale_total", "counter", "Discarded messages of placements that a later one has replaced."),
    MetricSpec("fleet_proxy_lost_total", "counter", "Messages of engines that replay could not provide."),
    MetricSpec("fleet_proxy_moves_total", "counter", "Cameras that went on with a later placement."),
    MetricSpec("fleet_proxy_engines", "gauge", "Engines that are read."),
    MetricSpec("fleet_proxy_subscriptions", "gauge", "Subscriptions of connected subscribers."),
    MetricSpec("fleet_proxy_refused_total", "counter", "Connections refused because the client's key is not listed."),
    MetricSpec("fleet_proxy_http_refused_total", "counter", "HTTP requests and connections refused.", ("reason",)),
)


class Proxy:
    """Passes on messages of these kinds and cameras (None: all) to the subscribers of one endpoint.

    `serving`: the endpoint, the queue of each subscriber, and the keys. With `metrics` (HOST:PORT), it serves /metrics
    and /healthz there. After `start()`, `endpoint` is the bound address, with the real port.
    """

    def __init__(
        self,
        directory: Connection,
        serving: PublishConfig,
        kinds: Sequence[Kind],
        cameras: Sequence[str] | None,
        metrics: str | None = None,
    ) -> None:
        self.endpoint = serving.endpoint
        self.heard = asyncio.Event()
        """Set once the directory has named a camera."""
        self._serving = serving
        self._kinds = kinds
        self._passed: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        self._moves = 0
        # The directory and statuses are always followed: they tell which cameras have ended.
        of_cameras = any(kind not in ("directory", "stats") for kind in kinds)
        ends: tuple[Kind, ...] = ("directory", "status") if of_cameras else ("directory",)
        self._subscription = FleetSubscription[Head](
            directory, tuple(dict.fromkeys((*kinds, *ends))), cameras, on_moved=self._moved, decode=decode_head
        )
        self._topics = TopicSocket(serving.high_water_mark)
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._authenticator: CurveAuthenticator | None = None
        self._http_refused: Mapping[str, int] = {}
        self._status: StatusServer | None = None
        if metrics is not None:
            # Here, because a proxy without an HTTP server takes 12 MiB less.
            from stream.http.server.connections import Connections
            from stream.http.server.status import StatusServer

            connections = Connections(max_streams=0)
            self._http_refused = connections.refused
            self._status = StatusServer(metrics, connections, self._metrics, lambda: [], METRICS, "--metrics")

    async def start(self) -> None:
        """Bind, and begin to read. Raises `ConfigError` that names the option if an address or a key is unusable."""
        context = zmq.Context[zmq.Socket[bytes]]()
        try:
            authenticator = make_authenticator(context, self._serving)
            socket = open_xpub(context, self._serving.high_water_mark, encrypted=authenticator is not None)
            if authenticator is not None:
                authenticator.protect(socket)
            self.endpoint = bind(socket, self._serving.endpoint, "--bind")
            if authenticator is None:
                check_reach(self.endpoint, "--bind", allow_plaintext=self._serving.allow_plaintext)
            self._subscription.open()
            if self._status is not None:
                await self._status.start()
                logger.info("metrics at %s/metrics", self._status.address)
        except BaseException as error:
            self._subscription.close()
            context.destroy(linger=0)
            if isinstance(error, ConfigError):
                options = re.compile("|".join(map(re.escape, OPTIONS)))
                raise ConfigError(options.sub(lambda found: OPTIONS[found[0]], str(error))) from None
            raise
        self._context, self._authenticator = context, authenticator
        if authenticator is not None:
            authenticator.start()
        self._topics.serve(socket)

    async def run(self) -> None:
        """Pass messages on until it is cancelled or stopped. After `start()`."""
        async for head in self._subscription:
            self._pass_on(head)

    async def stop(self) -> None:
        """Deliver queued messages, for less than half a second, and close. May be called again."""
        self._subscription.close()
        context, self._context = self._context, None
        if context is None:
            return
        if self._status is not None:
            await self._status.stop()
        self._topics.close(LINGER_MS)
        if not await asyncio.to_thread(terminated, context):
            logger.warning("stopped without waiting longer for ZeroMQ; is --curve-allowed-keys slow?")

    def _pass_on(self, head: Head) -> None:
        name, kind = topic_of(head).encode(), kind_of(head)
        kept = False
        if isinstance(head, PlaceHead):
            self.heard.set()
            kept = head.state != "removed"
            if not kept:
                self._topics.forget({name})
            if head.state in ENDED:
                self._forget(head.camera)
        elif isinstance(head, StatusHead) and head.state == "removed":  # as its engine, keep nothing of it
            self._forget(head.camera)
        elif not isinstance(head, (StatsHead, ClipReadyHead)):  # nothing tells that their engine or clip is gone
            kept = not self._subscription.ended(head.camera)
        if kind in self._kinds:
            self._topics.send(name, head.body, frequent=isinstance(head, FrameHead), kept=kept)
            self._passed[kind] += 1

    def _moved(self, move: Moved) -> None:
        self._moves += 1
        self._forget(move.camera)

    def _forget(self, camera: str) -> None:
        """Drop the last messages of a camera's engine."""
        self._topics.forget({topic(kind, camera).encode() for kind in OF_ENGINES})

    def _metrics(self) -> Mapping[str, Iterable[tuple[tuple[str, ...], float]]]:
        counts, authenticator = self._subscription.counts, self._authenticator
        return {
            "fleet_proxy_messages_total": [((kind,), count) for kind, count in self._passed.items()],
            "fleet_proxy_stale_total": [((), counts.stale)],
            "fleet_proxy_lost_total": [((), counts.lost)],
            "fleet_proxy_moves_total": [((), self._moves)],
            "fleet_proxy_engines": [((), len(self._subscription.engines))],
            "fleet_proxy_subscriptions": [((), self._topics.subscriptions)],
            "fleet_proxy_refused_total": [((), 0 if authenticator is None else authenticator.refused)],
            "fleet_proxy_http_refused_total": [((reason,), count) for reason, count in self._http_refused.items()],
        }
