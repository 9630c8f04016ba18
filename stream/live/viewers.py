"""All viewers' WebRTC sessions, at most `webrtc.max_viewers`."""

from __future__ import annotations

import asyncio
import secrets
import threading

from stream.live.live_video import LiveVideo
from stream.live.viewer_session import SDP_NAMES, ViewerSession
from stream.sources.webrtc.descriptions import checked_viewers_offer
from stream.sources.webrtc.peers import Peers


class TooManyViewersError(Exception):
    """The maximum number of viewers is reached."""


class NotSendableError(Exception):
    """The camera's video cannot be forwarded."""


class Viewers:
    """Sessions by camera and an unguessable key. Thread-safe."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._lock = threading.Lock()
        self._sessions: dict[tuple[str, str], ViewerSession | None] = {}
        """None while a session is being created."""
        self._owners: dict[tuple[str, str], str] = {}
        self._skipped = 0

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def skipped(self) -> int:
        """Units dropped so far because viewers were too slow."""
        with self._lock:
            return self._skipped + sum(one.skipped for one in self._sessions.values() if one is not None)

    async def view(self, camera: str, video: LiveVideo, offer: bytes, owner: str = "") -> tuple[str, str]:
        """Accept a viewer's offer, and return the key of the session and the answer.

        `owner`: the name of the viewer's token, which may have half of the sessions; empty: without a share of its own.
        A viewer for which there is no room replaces the oldest one that has not connected.
        Raises `NotSendableError`, `OfferError`, `TooManyViewersError`, `LoopStoppedError`.
        """
        codec = video.codec
        if codec not in SDP_NAMES:
            raise NotSendableError(video.refusal() or "it has no video at the moment")
        text = checked_viewers_offer(offer, SDP_NAMES[codec])
        name = camera, secrets.token_urlsafe(24)
        with self._lock:
            self._make_room(owner)
            self._sessions[name], self._owners[name] = None, owner
        try:
            return name[1], await asyncio.wrap_future(self._peers.submit(self._negotiate(name, video, codec, text)))
        except BaseException:
            if self._sessions.get(name) is None:  # otherwise it counts until it is closed
                self._forget(name)
            raise

    def has(self, camera: str, key: str) -> bool:
        """Return whether a session exists."""
        return (camera, key) in self._sessions

    def end(self, camera: str, key: str) -> None:
        """End a session, if it exists."""
        with self._lock:
            session = self._sessions.get((camera, key))
        if session is not None:
            session.close_soon("left")

    def _make_room(self, owner: str) -> None:
        """Raise `TooManyViewersError` if there is no room for one more viewer. Needs the lock."""
        limit, own = self._peers.config.max_viewers, [name for name, other in self._owners.items() if other == owner]
        share = max(1, limit // 2)
        if len(self._sessions) >= limit:
            names = list(self._sessions)
        elif owner and len(own) >= share:
            names = own
        else:
            return
        for name in names:
            session = self._sessions[name]
            if session is not None and not session.connected:
                session.close_soon("replaced")
                del self._sessions[name], self._owners[name]
                return
        most = f"at most {limit} viewers can watch (webrtc.max_viewers), {share} of them with one token"
        raise TooManyViewersError(most)

    async def _negotiate(self, name: tuple[str, str], video: LiveVideo, codec: str, offer: str) -> str:
        """Create the session and return the answer. Runs in the WebRTC thread."""
        session = ViewerSession(self._peers.ice_servers, video, codec, self._peers.forget)
        with self._lock:
            self._sessions[name] = session
        self._peers.keep(session, lambda: self._forget(name))
        try:
            return await session.answer(offer)
        except BaseException:
            session.end("unconnected")
            raise

    def _forget(self, name: tuple[str, str]) -> None:
        with self._lock:
            session = self._sessions.pop(name, None)
            self._owners.pop(name, None)
            if session is not None:
                self._skipped += session.skipped
