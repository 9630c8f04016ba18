"""The proxy: subscribes to a fleet, and publishes what it gets on one endpoint, with the same topics and bodies.

It keeps nothing but the last message of each topic, so several proxies of one fleet can run side by side. It goes on
while the directory or engines are away.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

import zmq

from fleet.proxy.kept_topics import KeptTopics
from stream.fleet_directory.camera_moves import Moved
from stream.fleet_directory.fleet_subscription import FleetSubscription
from stream.messaging.curve.authenticator import CurveAuthenticator, make_authenticator
from stream.messaging.endpoints import bind, check_reach
from stream.messaging.gap_filling import Counts
from stream.messaging.publisher import LINGER_MS
from stream.messaging.topic_socket import TopicSocket, open_xpub
from stream.results import FrameHead, Head, PlaceHead, decode_head, kind_of, topic_of
from stream.settings.config_error import ConfigError
from stream.settings.engine import PublishConfig
from stream.subscription.engine_subscription import Connection
from stream.subscription.subscription import Kind
from stream.zeromq_context import terminated

logger = logging.getLogger(__name__)

OPTIONS = {
    "publish.curve_secret_key_file": "--curve-secret-key-file",
    "publish.curve_allowed_keys": "--curve-allowed-keys",
    "publish.allow_plaintext: true": "--allow-plaintext",
}
"""The settings of a publisher, as the command's options."""


class Proxy:
    """Passes on messages of these kinds and cameras (None: all) to the subscribers of one endpoint.

    `serving`: the endpoint, the queue of each subscriber, and the keys. After `start()`, `endpoint` is the bound
    address, with the real port.
    """

    def __init__(
        self, directory: Connection, serving: PublishConfig, kinds: Sequence[Kind], cameras: Sequence[str] | None
    ) -> None:
        self.endpoint = serving.endpoint
        self.passed: Counter[str] = Counter(dict.fromkeys(kinds, 0))
        """Messages passed on, by kind."""
        self.moves = 0
        """Cameras that went on with a higher generation: at another engine or run of it, or placed there again."""
        self.heard = asyncio.Event()
        """Set once the directory has told of a camera."""
        self._serving = serving
        self._kinds = kinds
        # The directory and statuses are always followed: they tell which cameras have ended.
        of_cameras = any(kind not in ("directory", "stats") for kind in kinds)
        ends: tuple[Kind, ...] = ("directory", "status") if of_cameras else ("directory",)
        read = tuple(dict.fromkeys((*kinds, *ends)))
        self._subscription = FleetSubscription[Head](directory, read, cameras, on_moved=self._moved, decode=decode_head)
        self._topics = TopicSocket(serving.high_water_mark)
        self._kept = KeptTopics()
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._authenticator: CurveAuthenticator | None = None

    @property
    def counts(self) -> Counts:
        """Of what was read from the engines."""
        return self._subscription.counts

    @property
    def engines(self) -> int:
        """Engines that are followed now."""
        return len(self._subscription.engines)

    @property
    def subscriptions(self) -> int:
        """Subscriptions of all connected subscribers."""
        return self._topics.subscriptions

    @property
    def refused(self) -> int:
        """Connections refused because the client's key is not listed."""
        return self._authenticator.refused if self._authenticator is not None else 0

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
        except ConfigError as error:
            context.destroy(linger=0)
            raise ConfigError(_with_options(str(error))) from None
        except BaseException:
            context.destroy(linger=0)
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
        self._topics.close(LINGER_MS)
        if not await asyncio.to_thread(terminated, context):
            logger.warning("stopped without waiting longer for ZeroMQ; is --curve-allowed-keys slow?")

    def _pass_on(self, head: Head) -> None:
        topic, kind = topic_of(head).encode(), kind_of(head)
        if isinstance(head, PlaceHead):
            self.heard.set()
        kept, dropped = self._kept.passed(head, topic)
        if kind in self._kinds:
            self._topics.send(topic, head.body, frequent=isinstance(head, FrameHead), kept=kept)
            self.passed[kind] += 1
        if dropped:
            self._topics.forget(set(dropped))

    def _moved(self, move: Moved) -> None:
        self.moves += 1
        if dropped := self._kept.moved(move.camera, move.new_generation):
            self._topics.forget(set(dropped))


def _with_options(text: str) -> str:
    for setting, option in OPTIONS.items():
        text = text.replace(setting, option)
    return text
