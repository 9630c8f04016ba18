"""Readers of an engine over HTTP, WebRTC and ZeroMQ, as the live page, browsers, scripts and Prometheus are.

A reader is `async (engine address, camera) -> None`: it reads until it is cancelled, and counts what it received.
`READERS` has those that read everything they get, `RUDE` those that do not, or that vanish.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from stream.subscriber import KINDS, Kind, subscribe

SDP = {"Content-Type": "application/sdp"}
CHUNK = 1 << 16
POLL_S = 1.0
UNLIMITED = aiohttp.ClientTimeout(total=None)
ALL_KINDS = "kind=results&kind=events&kind=status&kind=alerts&kind=clips&kind=stats"

Reader = Callable[[str, str], Awaitable[None]]

received: Counter[str] = Counter()
"""What all readers of this process received: answers by kind and status, chunks, packets of video."""


async def _stream(what: str, address: str, path: str) -> None:
    async with (
        aiohttp.ClientSession(timeout=UNLIMITED) as session,
        session.get(address + path) as answer,
    ):
        received[f"{what} {answer.status}"] += 1
        async for _ in answer.content.iter_chunked(CHUNK):
            received[f"{what} chunks"] += 1


async def events(address: str, camera: str) -> None:
    """Read the event stream of all cameras."""
    await _stream("events", address, f"/api/v1/events?{ALL_KINDS}")


async def camera_events(address: str, camera: str) -> None:
    """Read the event stream of a camera."""
    await _stream("events of one", address, f"/api/v1/events?camera={camera}")


async def pictures(address: str, camera: str) -> None:
    """Read small pictures of a camera (MJPEG)."""
    await _stream("pictures", address, f"/api/v1/cameras/{camera}/pictures?width=160&max_fps=5")


async def wall(address: str, camera: str) -> None:
    """Read large pictures of all cameras in one stream."""
    await _stream("pictures of all", address, "/api/v1/pictures?camera=plain&camera=masked&width=320&max_fps=5")


async def polls(address: str, camera: str) -> None:
    """Request everything that can be read, again and again, over one connection."""
    one = f"/api/v1/cameras/{camera}"
    paths = [
        "/healthz", "/readyz", "/metrics", "/", "/page/app.js", "/review", "/api/v1/status", "/api/v1/cameras", one,
        f"{one}/result", "/api/v1/alerts", "/api/v1/rules", "/api/v1/incidents", "/api/v1/verdicts", "/api/v1/actions",
        "/api/v1/clips", "/api/v1/config", "/api/v1/openapi.json", "/api/v1/session", "/api/v1/nothing",
    ]  # fmt: skip
    async with aiohttp.ClientSession() as session:
        while True:
            for path in paths:
                await _ask(session, address, path)
            for kind, name in (("alerts", "alert"), ("incidents", "id"), ("clips", "name")):
                found = await _ask(session, address, f"/api/v1/{kind}?limit=1")
                for entry in (found or {}).get(kind, []):
                    at = f"/api/v1/{kind}/{entry[name]}"
                    more = ("", "/results", "/metadata") if kind == "clips" else ("/picture", "/picture?overlay=true")
                    for rest in more:
                        await _ask(session, address, at + rest)
            await asyncio.sleep(POLL_S)


async def _ask(session: aiohttp.ClientSession, address: str, path: str) -> dict[str, Any] | None:
    async with session.get(address + path) as answer:
        received[f"answers {answer.status}"] += 1
        if answer.content_type == "application/json" and answer.status == 200:
            return await answer.json()
        await answer.read()
        return None


async def video(address: str, camera: str) -> None:
    """Receive a camera's video over WebRTC (WHEP), with the data channel of frames, and leave properly."""
    peer, location = await _negotiate(address, camera)
    try:
        await asyncio.Event().wait()
    finally:
        if location:
            async with aiohttp.ClientSession() as session, session.delete(address + location) as answer:
                received[f"video ends {answer.status}"] += 1
        await peer.close()


async def vanished_video(address: str, camera: str) -> None:
    """Receive a camera's video, and vanish without ending the session."""
    peer, _ = await _negotiate(address, camera)
    try:
        await asyncio.Event().wait()
    finally:
        ice: Any = peer.getTransceivers()[0].receiver.transport.transport
        for protocol in ice._connection._protocols:
            protocol.transport.abort()
        with contextlib.suppress(Exception):  # aiortc sends its farewells into the closed socket
            await peer.close()


async def _negotiate(address: str, camera: str) -> tuple[RTCPeerConnection, str]:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    receiver = peer.addTransceiver("video", direction="recvonly").receiver
    receiver._handle_rtp_packet = _count_packet  # not decoded
    peer.createDataChannel("frames").on("message", _count_origin)
    await peer.setLocalDescription()
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{address}/whep/{camera}", data=peer.localDescription.sdp, headers=SDP) as answer,
    ):
        received[f"video {answer.status}"] += 1
        body = await answer.text()
        if answer.status != 201:
            return peer, ""
        location = answer.headers["Location"]
    await peer.setRemoteDescription(RTCSessionDescription(body, "answer"))
    return peer, location


async def _count_packet(packet: Any, arrival_time_ms: int) -> None:
    received["video packets"] += 1


def _count_origin(text: str) -> None:
    received["video origins"] += 1


def subscriber(endpoint: str, replay: str) -> Reader:
    """Return a reader that subscribes to everything over ZeroMQ, with replay of what it missed."""

    async def read(address: str, camera: str) -> None:
        kinds: list[Kind] = [kind for kind in KINDS if kind != "directory"]
        async for _ in subscribe(endpoint, kinds=kinds, replay=replay):
            received["messages"] += 1

    return read


def unread(path: str) -> Reader:
    """Return a reader that asks for a stream, never reads it, and breaks the connection (RST)."""

    async def ask(address: str, camera: str) -> None:
        split = urlsplit(address)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, (split.hostname, split.port))
            request = f"GET {path.format(camera=camera)} HTTP/1.1\r\nHost: {split.netloc}\r\n\r\n"
            await loop.sock_sendall(sock, request.encode())
            received["unread"] += 1
            await asyncio.Event().wait()

    return ask


READERS: dict[str, Reader] = {
    "events": events,
    "events of one camera": camera_events,
    "pictures": pictures,
    "pictures of all": wall,
    "polls": polls,
    "video": video,
}
RUDE: dict[str, Reader] = {
    "unread events": unread(f"/api/v1/events?{ALL_KINDS}"),
    "unread pictures": unread("/api/v1/cameras/{camera}/pictures"),
    "vanished video": vanished_video,
}
