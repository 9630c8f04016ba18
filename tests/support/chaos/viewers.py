"""Viewers of the live page, without a browser: streams of pictures and of events, and video over WebRTC (undecoded)."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
from aiortc.mediastreams import MediaStreamError

from support.chaos.pacing import pause
from support.webrtc.webrtc_publisher import SDP, negotiate, peer_connection

AGAIN_S = 1.0
WATCHES_S = 20.0
"""How long a viewer of video stays."""
SERVER_ERRORS_ALLOWED = (503, 504)
PICTURES = {"width": "160", "max_fps": "2"}


class Viewers:
    """`counts`: what they received, by kind. `stalled`: they read nothing, and keep their connections."""

    def __init__(self, address: str, cameras: list[str], violated: Callable[..., Any]) -> None:
        self.counts: Counter[str] = Counter()
        self.stalled = asyncio.Event()
        self.excused = False
        """Whether the engine may answer with an error now: it has no descriptors or no disk."""
        self._address = address
        self._cameras = cameras
        self._violated = violated
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch."""
        for watch in (self._pictures, self._events, self._video):
            self._tasks.append(asyncio.create_task(self._again(watch)))

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _again(self, watch: Callable[[aiohttp.ClientSession], Any]) -> None:
        while True:
            with contextlib.suppress(OSError, aiohttp.ClientError, TimeoutError, MediaStreamError, ValueError):
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
                    await watch(session)
            await pause(AGAIN_S)

    def _check(self, what: str, status: int, body: str = "") -> bool:
        self.counts[f"{what} {status}"] += 1
        if status >= 500 and status not in SERVER_ERRORS_ALLOWED:
            kind = "http while limited" if self.excused else "http"
            self._violated(kind, error=f"{what}: status {status}", body=body[:300])
        return status < 300

    async def _pictures(self, session: aiohttp.ClientSession) -> None:
        query = [("camera", name) for name in self._cameras] + list(PICTURES.items())
        async with session.get(f"{self._address}/api/v1/pictures", params=query) as answer:
            if not self._check("pictures", answer.status):
                return
            parts = aiohttp.MultipartReader.from_response(answer)
            while (part := await parts.next()) is not None:
                await self._wait_if_stalled()
                data = await part.read()  # pyright: ignore[reportAttributeAccessIssue]
                if not data.startswith(b"\xff\xd8"):
                    self._violated("pictures", error="a part is not a JPEG", begins=data[:20].hex())
                self.counts["pictures"] += 1

    async def _events(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{self._address}/api/v1/events") as answer:
            if not self._check("events", answer.status):
                return
            async for line in answer.content:
                await self._wait_if_stalled()
                if line.startswith(b"data:"):
                    json.loads(line[5:])
                    self.counts["events"] += 1

    async def _video(self, session: aiohttp.ClientSession) -> None:
        """Watch one camera after another, each for a while."""
        for camera in self._cameras:
            peer = peer_connection()
            try:
                receiver = peer.addTransceiver("video", direction="recvonly").receiver
                receiver._handle_rtp_packet = self._count_packet
                status, body, location = await negotiate(peer, f"{self._address}/whep/{camera}", SDP)
                if not self._check("video", status, str(body)):
                    continue
                await pause(WATCHES_S)
                async with session.delete(self._address + location) as answer:
                    self._check("video ends", answer.status)
            finally:
                await peer.close()
            await pause(AGAIN_S)

    async def _count_packet(self, packet: Any, arrival_time_ms: int) -> None:
        self.counts["video packets"] += 1

    async def _wait_if_stalled(self) -> None:
        while self.stalled.is_set():
            await pause(AGAIN_S)
