"""Publishers: the WHIP publishers of all cameras, at most one per camera. Owned by the engine.

The camera's thread claims a publisher's session, reads it and ends it. A newer publisher replaces the earlier one of
the same camera at once: a reloaded browser does not have to wait until its previous connection times out.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass

from stream.settings.engine import CameraConfig
from stream.sources.transport import StoppedError
from stream.sources.webrtc.descriptions import with_bitrates
from stream.sources.webrtc.end_reason import EndReason
from stream.sources.webrtc.peers import Peers
from stream.sources.webrtc.session import Session

STOP_CHECK_S = 0.2
"""Within this time, a camera that waits for a publisher notices that it must stop."""


class TooManyPublishersError(Exception):
    """The maximum number of publishers is reached."""


@dataclass(eq=False, slots=True)
class Publication:
    """One publisher's session. `key` identifies it to the publisher and is hard to guess."""

    camera: str
    key: str
    session: Session
    claimed: bool = False


class Publishers:
    """The publishers of all cameras. May be used from any thread."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._changed = threading.Condition()
        self._current: dict[str, Publication] = {}
        self._negotiating: dict[str, int] = {}

    async def publish(self, config: CameraConfig, offer: str) -> tuple[str, str]:
        """Accept a publisher for this camera, and return the key of its session and the answer to its offer.

        Raises `OfferError`, `TooManyPublishersError`, `LoopStoppedError`.
        """
        camera = config.id
        with self._changed:
            others = (self._current.keys() | self._negotiating.keys()) - {camera}
            limit = self._peers.config.max_publishers
            if len(others) >= limit or self._negotiating.get(camera, 0) >= limit:
                raise TooManyPublishersError(f"the maximum of {limit} publishers (webrtc.max_publishers) is reached")
            self._negotiating[camera] = self._negotiating.get(camera, 0) + 1
        try:
            return await asyncio.wrap_future(self._peers.submit(self._negotiate(config, offer)))
        finally:
            with self._changed:
                self._negotiating[camera] -= 1
                if not self._negotiating[camera]:
                    del self._negotiating[camera]

    async def _negotiate(self, config: CameraConfig, offer: str) -> tuple[str, str]:
        """Negotiate in the WebRTC thread."""
        session = self._peers.session(config.id, config.start_timeout_s, config.stall_timeout_s, self._forget)
        try:
            answer = await session.answer(offer)
        except BaseException:
            session.end("unconnected")
            raise
        publication = Publication(config.id, secrets.token_urlsafe(24), session)
        with self._changed:
            before = self._current.get(config.id)
            self._current[config.id] = publication
            self._changed.notify_all()
        if before is not None:
            before.session.end("replaced")
        webrtc = self._peers.config
        bitrates = webrtc.min_bitrate_kbps, webrtc.start_bitrate_kbps, webrtc.max_bitrate_kbps
        return publication.key, with_bitrates(answer, *bitrates)

    def claim(self, camera: str, stopped: Callable[[], bool]) -> Session:
        """Wait for the camera's next publisher and return its session. Raises `StoppedError` when `stopped` is true."""
        with self._changed:
            while not stopped():
                publication = self._current.get(camera)
                if publication is not None and not publication.claimed:
                    publication.claimed = True
                    return publication.session
                self._changed.wait(STOP_CHECK_S)
        raise StoppedError

    def has(self, camera: str, key: str) -> bool:
        """Return whether a session exists."""
        with self._changed:
            publication = self._current.get(camera)
        return publication is not None and publication.key == key

    def end(self, camera: str, key: str) -> bool:
        """End this session, and return whether it existed."""
        with self._changed:
            publication = self._current.get(camera)
            if publication is None or not secrets.compare_digest(publication.key.encode(), key.encode()):
                return False
        publication.session.close_soon("left")
        return True

    def end_camera(self, camera: str, reason: EndReason = "stopped") -> None:
        """End the session of a camera that was removed or changed."""
        with self._changed:
            publication = self._current.get(camera)
        if publication is not None:
            publication.session.close_soon(reason)

    def _forget(self, session: Session) -> None:
        with self._changed:
            for camera, publication in list(self._current.items()):
                if publication.session is session:
                    del self._current[camera]
