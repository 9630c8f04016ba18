"""A WHIP publisher that sends numbered pictures."""

from __future__ import annotations

import asyncio
import fractions
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import aiohttp
import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from benchmarks.cameras import barcode

SDP = {"Content-Type": "application/sdp"}


class PaintedTrack(MediaStreamTrack):
    """Video of numbered pictures. `size` and `paused` may be changed."""

    kind = "video"

    def __init__(self, size: tuple[int, int] = (320, 180), fps: float = 25.0) -> None:
        super().__init__()
        self.size = size
        self.paused = False
        self.sent = 0
        self._interval_s = 1 / fps
        self._began_s = time.monotonic()
        self._due_s = self._began_s

    async def recv(self) -> av.VideoFrame:
        while True:
            self._due_s = max(self._due_s + self._interval_s, time.monotonic())
            await asyncio.sleep(self._due_s - time.monotonic())
            if self.readyState != "live":
                raise MediaStreamError
            if not self.paused:
                break
        width, height = self.size
        planes = np.full((height * 3 // 2, width), 128, np.uint8)
        barcode.draw(planes[:height], self.sent % barcode.LIMIT)
        frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
        frame.pts = round((time.monotonic() - self._began_s) * 90_000)
        frame.time_base = fractions.Fraction(1, 90_000)
        self.sent += 1
        return frame


async def offer_of(peer: RTCPeerConnection) -> str:
    """Return a complete offer, with candidates."""
    await peer.setLocalDescription()
    return peer.localDescription.sdp


def peer_connection() -> RTCPeerConnection:
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


async def negotiate(peer: RTCPeerConnection, address: str, headers: Mapping[str, str]) -> tuple[int, Any, str]:
    """Send an offer and apply the answer. Return status, body (parsed, if it is an error) and `Location`."""
    offer = await offer_of(peer)
    async with aiohttp.ClientSession() as session, session.post(address, data=offer, headers=headers) as answer:
        taken = answer.status == 201
        body = await answer.text() if taken else await answer.json(content_type=None)
        location = answer.headers.get("Location", "")
    if taken:
        await peer.setRemoteDescription(RTCSessionDescription(body, "answer"))
    return answer.status, body, location


class Publisher:
    """Publishes to one camera. `async with Publisher(address, "cam") as publisher: …`"""

    def __init__(
        self, address: str, camera: str, track: PaintedTrack | None = None, *, codec: str | None = None, **headers: str
    ) -> None:
        """`codec`: the only one to offer, VP8 or H264."""
        self.track = track or PaintedTrack()
        self.peer = peer_connection()
        self.status = 0
        self.body: Any = None
        self.location = ""
        self._address = address
        self._camera = camera
        self._codec = codec
        self._headers = {**SDP, **headers}

    async def __aenter__(self) -> Publisher:
        await self.publish()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.vanish()

    async def publish(self) -> int:
        """Send an offer, and return the status of the response. After 201 the connection is established."""
        self.peer.addTrack(self.track)
        if self._codec is not None:
            (transceiver,) = self.peer.getTransceivers()
            codecs = RTCRtpSender.getCapabilities("video").codecs
            transceiver.setCodecPreferences([codec for codec in codecs if codec.name in (self._codec, "rtx")])
        where = f"{self._address}/whip/{self._camera}"
        self.status, self.body, self.location = await negotiate(self.peer, where, self._headers)
        return self.status

    async def leave(self) -> int:
        """DELETE the session, as a publisher should, and return the status of the response."""
        async with aiohttp.ClientSession() as session, session.delete(self._address + self.location) as answer:
            return answer.status

    async def vanish(self) -> None:
        """Close the connection without an HTTP request."""
        self.track.stop()
        await self.peer.close()
