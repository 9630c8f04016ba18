"""A WHEP viewer that reads the numbers in pictures, and records their times."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiohttp
from aiortc import RTCDataChannel, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from benchmarks.cameras import barcode
from support.webrtc.webrtc_publisher import SDP, negotiate, peer_connection


class Viewer:
    """`async with Viewer(address, "cam") as viewer: …`. `codec`: the only one to offer."""

    def __init__(self, address: str, camera: str, *, codec: str = "", channel: bool = True, **headers: str) -> None:
        self.peer = peer_connection()
        self.status = 0
        self.body: Any = None
        self.location = ""
        self.numbers: list[int] = []
        """Numbers in the pictures."""
        self.timestamps: list[int] = []
        """RTP timestamps of the received pictures."""
        self.ssrc = 0
        self.origins: list[dict[str, int]] = []
        """Messages of the engine about the timestamps."""
        self._address = address
        self._camera = camera
        self._headers = {**SDP, **headers}
        self._watching: asyncio.Task[None] | None = None
        transceiver = self.peer.addTransceiver("video", direction="recvonly")
        if codec:
            capabilities = RTCRtpReceiver.getCapabilities("video").codecs
            transceiver.setCodecPreferences([one for one in capabilities if one.name in (codec, "rtx")])
        self._overhear(transceiver.receiver)
        self.peer.on("track", self._track_added)
        if channel:
            frames: RTCDataChannel = self.peer.createDataChannel("frames")
            frames.on("message", lambda text: self.origins.append(json.loads(text)))

    async def __aenter__(self) -> Viewer:
        await self.view()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def view(self) -> int:
        """Send an offer, and return the status of the response. After 201 the connection is established."""
        where = f"{self._address}/whep/{self._camera}"
        self.status, self.body, self.location = await negotiate(self.peer, where, self._headers)
        return self.status

    async def leave(self) -> int:
        """DELETE the session, and return the status of the response."""
        async with aiohttp.ClientSession() as session, session.delete(self._address + self.location) as answer:
            return answer.status

    async def close(self) -> None:
        """Close the connection without an HTTP request."""
        await self.peer.close()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def vanish(self) -> None:
        """Stop sending and receiving without closing the connection."""
        ice: Any = self.peer.getTransceivers()[0].receiver.transport.transport
        for protocol in ice._connection._protocols:
            protocol.transport.abort()

    def _overhear(self, receiver: Any) -> None:
        handle = receiver._handle_rtp_packet

        async def overhear(packet: Any, arrival_time_ms: int) -> None:
            self.ssrc = packet.ssrc
            if packet.marker:
                self.timestamps.append(packet.timestamp)
            await handle(packet, arrival_time_ms=arrival_time_ms)

        receiver._handle_rtp_packet = overhear

    def _track_added(self, track: MediaStreamTrack) -> None:
        self._watching = asyncio.create_task(self._watch(track))

    async def _watch(self, track: MediaStreamTrack) -> None:
        with suppress(MediaStreamError):
            while True:
                frame: Any = await track.recv()
                self.numbers.append(barcode.read(frame.to_ndarray(format="gray")))
