"""Peers: all peer connections and the thread in which they run. Owned by the engine.

The thread starts with the first connection and ends with `stop`, which ends all connections.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from stream.settings.network import WebRtcConfig
from stream.sources.loop_thread import STOP_WITHIN_S, LoopStoppedError, LoopThread
from stream.sources.webrtc.connection import Connection
from stream.sources.webrtc.ice_servers import IceServers
from stream.sources.webrtc.session import Session
from telemetry.observer import Observer
from telemetry.reasons import DiscardReason

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Peers:
    """Creates and keeps connections.

    `submit`, `stop` and `ice_states` may be called from any thread, everything else only from its own.
    """

    def __init__(self, config: WebRtcConfig, observer: Observer) -> None:
        self.config = config
        self._observer = observer
        self.ice_servers = IceServers(config.ice_servers)
        self._thread = LoopThread("webrtc", _new_loop, self._end_all)
        self._connections: dict[Connection, Callable[[], None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the thread. Raises `LoopStoppedError` after `stop`."""
        return self._thread.submit(work)

    def session(
        self,
        camera: str,
        start_timeout_s: float,
        stall_timeout_s: float,
        on_closed: Callable[[Session], None] = lambda session: None,
    ) -> Session:
        """Create a session for this camera."""

        def discarded(reason: DiscardReason) -> None:
            self._observer.unit_discarded(camera, reason)

        session = Session(self.ice_servers, start_timeout_s, stall_timeout_s, discarded, self.forget)
        self.keep(session, lambda: on_closed(session))
        return session

    def keep(self, connection: Connection, on_closed: Callable[[], None]) -> None:
        """Register a connection, which ends with the thread. It must call `forget` when it has closed."""
        if self._thread.stopped:
            connection.end("stopped")
            raise LoopStoppedError("the engine stops")
        self._connections[connection] = on_closed

    def forget(self, connection: Connection) -> None:
        """Remove a connection that has closed."""
        on_closed = self._connections.pop(connection, None)
        if on_closed is not None:
            on_closed()

    def run_after_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine after a connection's end; `stop` waits for it briefly."""
        task = asyncio.create_task(work, name="webrtc closing")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def ice_states(self) -> Counter[str]:
        """Return the number of connections in each ICE state."""
        return Counter(connection.ice_state for connection in list(self._connections))

    def stop(self) -> bool:
        """End all connections and the thread, and return whether this succeeded within a second. Blocks meanwhile."""
        return self._thread.stop()

    async def _end_all(self) -> None:
        for tasks in ([connection.end("stopped") for connection in list(self._connections)], self._closing):
            if tasks:
                await asyncio.wait(tasks, timeout=STOP_WITHIN_S / 3)


def _new_loop() -> asyncio.AbstractEventLoop:
    # Not uvloop, in which the engine may run: aioice was tested only with this loop.
    loop = asyncio.SelectorEventLoop()
    loop.set_exception_handler(_report)
    return loop


def _report(loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
    """Log an unhandled exception of a library's task for developers. Users see the end of the connection."""
    error = about.get("exception")
    logger.debug("WebRTC: %s (%s)", about.get("message", "an error"), type(error).__name__)
