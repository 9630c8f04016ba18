"""Publishers: who publishes to which camera, at most one to each. Owned by the engine; lives as long as it.

A publisher brings a session; the camera's thread claims it, reads it and ends it. A newer publisher to the same camera
takes the place of the one before at once: a browser that was reloaded need not wait until its old self is noticed
to be gone.
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

LOOK_EVERY_S = 0.2
"""A camera that waits for a publisher notices within this that it is to stop."""


class TooManyPublishersError(Exception):
    """As many cameras are published to as may be."""


@dataclass(eq=False, slots=True)
class Publication:
    """One publisher's session; `key` names it to him and is hard to guess."""

    camera: str
    key: str
    session: Session
    claimed: bool = False


class Publishers:
    """Who publishes to which camera. Any thread."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._changed = threading.Condition()
        self._current: dict[str, Publication] = {}
        self._negotiating: dict[str, int] = {}

    async def publish(self, config: CameraConfig, offer: str) -> tuple[str, str]:
        """Take a publisher for this camera: the key of his session, and the answer to his offer.

        Raises `OfferError`, `TooManyPublishersError`, `PeersStoppedError`.
        """
        camera = config.id
        with self._changed:
            others = (self._current.keys() | self._negotiating.keys()) - {camera}
            most = self._peers.config.max_publishers
            if len(others) >= most or self._negotiating.get(camera, 0) >= most:
                raise TooManyPublishersError(f"{most} cameras are published to, as many as webrtc.max_publishers")
            self._negotiating[camera] = self._negotiating.get(camera, 0) + 1
        try:
            return await asyncio.wrap_future(self._peers.submit(self._negotiate(config, offer)))
        finally:
            with self._changed:
                self._negotiating[camera] -= 1
                if not self._negotiating[camera]:
                    del self._negotiating[camera]

    async def _negotiate(self, config: CameraConfig, offer: str) -> tuple[str, str]:
        """In the WebRTC thread."""
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
        told = self._peers.config
        bitrates = told.min_bitrate_kbps, told.start_bitrate_kbps, told.max_bitrate_kbps
        return publication.key, with_bitrates(answer, *bitrates)

    def claim(self, camera: str, stopped: Callable[[], bool]) -> Session:
        """The session of the camera's next publisher, once there is one. Raises `StoppedError` when told to stop."""
        with self._changed:
            while not stopped():
                publication = self._current.get(camera)
                if publication is not None and not publication.claimed:
                    publication.claimed = True
                    return publication.session
                self._changed.wait(LOOK_EVERY_S)
        raise StoppedError

    def end(self, camera: str, key: str) -> bool:
        """End this session; whether there was one."""
        with self._changed:
            publication = self._current.get(camera)
            if publication is None or not secrets.compare_digest(publication.key.encode(), key.encode()):
                return False
        publication.session.close_soon("left")
        return True

    def end_camera(self, camera: str, reason: EndReason = "stopped") -> None:
        """End whatever is published to this camera, which is gone or has changed."""
        with self._changed:
            publication = self._current.get(camera)
        if publication is not None:
            publication.session.close_soon(reason)

    def _forget(self, session: Session) -> None:
        with self._changed:
            for camera, publication in list(self._current.items()):
                if publication.session is session:
                    del self._current[camera]
