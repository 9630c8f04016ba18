"""Connection: one peer connection that sends or receives a video. It lives in the WebRTC thread."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from stream.sources.webrtc.descriptions import OfferError
from stream.sources.webrtc.end_reason import EndReason
from stream.sources.webrtc.ice_servers import IceServers

logger = logging.getLogger(__name__)

NEGOTIATE_WITHIN_S = 10.0
"""Gathering our own candidates waits for STUN and TURN servers; aioice waits 5 s for one that does not answer."""
CLOSE_WITHIN_S = 2.0


class Connection:
    """Base of sessions and viewers. `on_closed` is called once, after everything is closed."""

    def __init__(self, ice_servers: IceServers, on_closed: Callable[[Connection], None]) -> None:
        # Without a list, aiortc would use Google's STUN server.
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=ice_servers.servers))
        self._ice_servers = ice_servers
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing: asyncio.Task[None] | None = None
        self.connected = False
        """Whether a connection was ever established."""
        self._peer.on("connectionstatechange", self._connection_changed)

    @property
    def ice_state(self) -> str:
        """`new`, `checking`, `completed`, `failed` or `closed`. May be read from any thread."""
        return self._peer.iceConnectionState

    async def _answer(self, offer: str, directions: Callable[[], None]) -> str:
        """Accept an offer, and return our answer with all candidates.

        `directions` sets the direction of each transceiver once the offer is known. Raises `OfferError`.
        """
        try:
            async with asyncio.timeout(NEGOTIATE_WITHIN_S):
                await self._peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
                directions()
                await self._describe()
        except TimeoutError:
            raise OfferError(f"no answer within {NEGOTIATE_WITHIN_S:g} s: check webrtc.ice_servers") from None
        except Exception as error:
            # aiortc's parser may raise any exception for invalid input.
            logger.debug("rejected an offer: %s", type(error).__name__)
            raise OfferError("it is invalid or inconsistent") from None
        return self._peer.localDescription.sdp

    async def _describe(self) -> None:
        """Gather our own candidates."""
        await self._peer.setLocalDescription()
        self._ice_servers.check(self._peer.localDescription.sdp, time.monotonic())

    # -- the end ------------------------------------------------------------------------------------------------
    def close_soon(self, reason: EndReason) -> None:
        """End the connection. May be called from any thread; returns at once."""
        self._stop_handing_over(reason)
        self._call_soon(lambda: self.end(reason))

    def end(self, reason: EndReason) -> asyncio.Task[None]:
        """End the connection, and return a task that finishes when it is closed. Later calls return the same task."""
        self._stop_handing_over(reason)
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name="webrtc close")
        return self._closing

    def _stop_handing_over(self, reason: EndReason) -> None:
        """Stop passing on pictures. May be called from any thread, any number of times."""
        raise NotImplementedError

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        # aiortc may still be connecting: what it starts after closing would run for ever.
        starters: list[tuple[Any, str]] = []
        for transceiver in self._peer.getTransceivers():
            starters += [(transceiver.sender, "send"), (transceiver.receiver, "receive")]
        if self._peer.sctp is not None:
            starters.append((self._peer.sctp, "start"))
        for owner, name in starters:
            setattr(owner, name, _start_nothing)
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self._peer.close()
        except TimeoutError:
            logger.warning("a WebRTC connection did not close within %g s", CLOSE_WITHIN_S)
        except Exception as error:
            logger.warning("closing a WebRTC connection failed: %s", type(error).__name__)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._on_closed(self)

    def _call_soon(self, function: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:
            logger.debug("the WebRTC thread has ended already")

    def _connection_changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected":
            self.connected = True
        elif state in ("failed", "closed"):
            self.end("lost" if self.connected else "unconnected")


async def _start_nothing(*_: object) -> None:
    """Stand in for aiortc's methods that start a stream."""
