"""Cost of HTTP and WebRTC clients to the engine: `python -m benchmarks.engine.clients [--rounds 7] [--json FILE]`.

The engine runs in a separate process on four RTSP cameras with a model that does no work. Each round measures first
without clients, then with each kind of client in turn. Frame age and CPU are compared with the measurement without
clients of the same round. Requires GStreamer's RTSP server and Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from benchmarks import machine, stats
from benchmarks.browser.chromium import Browser
from benchmarks.cameras import clip
from benchmarks.cameras.camera_client import Cameras
from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from telemetry.observer import Observer

CAMERAS = 4
SECONDS = 4.0
SETTLE_S = 1.5
SILENT_CLIENTS = 50
WITHOUT = "without clients"
CONNECT_WITHIN_S = 60.0

Clients = Callable[[str], AbstractAsyncContextManager[None]]


class Ages(Observer):
    """Records the age of each frame when its result was handed to ZeroMQ, in ms."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        """Record a frame."""
        self.ms.append(age_seconds * 1e3)


async def serve(urls: list[str]) -> None:
    """Run the engine; print its address, then, for each line on standard input, the figures since the last one."""
    config = Config.model_validate(
        {
            "cameras": [{"id": f"cam{index}", "source": url} for index, url in enumerate(urls)],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": "127.0.0.1:0", "requests_per_second": 1000, "max_streams": 256},
        }
    )
    ages, cpu = Ages(), 0.0
    async with Engine(config, model=FreeModel(), observers=[ages]) as engine:
        print(engine.http_address, flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            recorded, ages.ms = ages.ms, []
            used = resource.getrusage(resource.RUSAGE_SELF)
            now = used.ru_utime + used.ru_stime
            figures = {
                "frames": len(recorded),
                "p50": float(np.percentile(recorded, 50)) if recorded else None,
                "p99": float(np.percentile(recorded, 99)) if recorded else None,
                "cpu_ms_per_frame": (now - cpu) * 1e3 / max(1, len(recorded)),
            }
            cpu = now
            print(json.dumps(figures), flush=True)


class EngineProcess:
    """The engine in a separate process; `address` is that of its HTTP server."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self._process = process
        self.address = address

    @staticmethod
    async def start(urls: list[str]) -> EngineProcess:
        """Start the process and wait until it listens."""
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-m", "benchmarks.engine.clients", "--serve", *urls]
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            address = (await process.stdout.readline()).decode().strip()
        return EngineProcess(process, address)

    async def take_figures(self) -> dict[str, Any]:
        """Return the figures since the last call."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"\n")
        async with asyncio.timeout(30):
            return json.loads(await self._process.stdout.readline())

    async def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self._process.wait()
                return
        self._process.kill()


def unread_streams(path: str) -> Clients:
    """Return clients that request a stream and never read it, with the smallest possible buffers."""

    @asynccontextmanager
    async def connect(address: str) -> AsyncIterator[None]:
        split = urlsplit(address)
        async with AsyncExitStack() as stack:
            for _ in range(SILENT_CLIENTS):
                sock = stack.enter_context(socket.socket())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, (split.hostname, split.port))
                request = f"GET {path} HTTP/1.1\r\nHost: {split.netloc}\r\n\r\n"
                await asyncio.get_running_loop().sock_sendall(sock, request.encode())
            yield

    return connect


def vanished_viewers(viewers: int) -> Clients:
    """Return WebRTC viewers (WHEP) that stop receiving once they are connected."""

    @asynccontextmanager
    async def connect(address: str) -> AsyncIterator[None]:
        # The sessions are deleted afterwards, because they would last into the next measurement (30 s).
        async with aiohttp.ClientSession() as session, AsyncExitStack() as stack:
            for index in range(viewers):
                peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
                stack.push_async_callback(peer.close)
                connected = asyncio.Event()
                peer.on("connectionstatechange", partial(_when_connected, peer, connected))
                receiver = peer.addTransceiver("video", direction="recvonly").receiver
                await peer.setLocalDescription()
                where, headers = f"{address}/whep/cam{index}", {"Content-Type": "application/sdp"}
                async with session.post(where, data=peer.localDescription.sdp, headers=headers) as answer:
                    assert answer.status == 201, await answer.text()
                    stack.push_async_callback(session.delete, address + answer.headers["Location"])
                    await peer.setRemoteDescription(RTCSessionDescription(await answer.text(), "answer"))
                async with asyncio.timeout(10):
                    await connected.wait()
                ice: Any = receiver.transport.transport
                for protocol in ice._connection._protocols:
                    protocol.transport.abort()
            yield

    return connect


def _when_connected(peer: RTCPeerConnection, connected: asyncio.Event) -> None:
    if peer.connectionState == "connected":
        connected.set()


def live_page(*, hidden: bool, camera: str = "") -> Clients:
    """Return a Chromium with the live page, visible or in a background tab, with all cameras or a single one."""

    @asynccontextmanager
    async def connect(address: str) -> AsyncIterator[None]:
        async with Browser() as browser:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                opened = await browser.open(f"{address}/#{camera}")
                await opened.wait_for("[...document.querySelectorAll('canvas')].some(canvas => canvas.width > 1)")
                if hidden:
                    await opened.send("Emulation.setFocusEmulationEnabled", enabled=False)
                    await browser.open("about:blank")
                    await opened.wait_for("document.hidden")
            yield

    return connect


KINDS: dict[str, Clients] = {
    f"{SILENT_CLIENTS} event streams that are not read": unread_streams("/api/v1/events?kind=results&kind=stats"),
    f"{SILENT_CLIENTS} picture streams that are not read": unread_streams("/api/v1/pictures?camera=cam0&camera=cam1"),
    "1 WebRTC viewer that receives nothing": vanished_viewers(1),
    f"{CAMERAS} WebRTC viewers that receive nothing": vanished_viewers(CAMERAS),
    "the live page in a background tab": live_page(hidden=True),
    "the live page, four cameras in view": live_page(hidden=False),
    "the live page, one camera's video": live_page(hidden=False, camera="cam0"),
}


async def measure(rounds: int) -> dict[str, Any]:
    """Run all rounds; return all figures, and the ratios to the measurement without clients of the same round."""
    runs: dict[str, list[dict[str, Any]]] = {WITHOUT: [], **{name: [] for name in KINDS}}
    with Cameras(clip.prepared(), CAMERAS) as cameras:
        engine = await EngineProcess.start(cameras.urls)
        try:
            await asyncio.sleep(3 * SETTLE_S)
            for number in range(rounds):
                runs[WITHOUT].append(await _measure_once(engine))
                for name, clients in KINDS.items():
                    async with clients(engine.address):
                        runs[name].append(await _measure_once(engine))
                    await asyncio.sleep(SETTLE_S)
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
        finally:
            await engine.stop()
    ratios = {
        name: {
            key: str(
                stats.estimate(stats.ratios([one[key] for one in runs[name]], [one[key] for one in runs[WITHOUT]]))
            )
            for key in ("p50", "p99", "cpu_ms_per_frame")
        }
        for name in KINDS
    }
    return {"cameras": CAMERAS, "seconds": SECONDS, "ratios": ratios, "runs": runs}


async def _measure_once(engine: EngineProcess) -> dict[str, Any]:
    await asyncio.sleep(SETTLE_S)
    await engine.take_figures()
    await asyncio.sleep(SECONDS)
    return await engine.take_figures()


def main() -> None:
    """Measure, print the ratios, and write all figures if `--json` is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.serve))
        return
    figures = {
        "benchmark": "clients",
        "commit": machine.commit(Path(__file__).parent),
        "machine": machine.describe(),
        **asyncio.run(measure(arguments.rounds)),
    }
    print(json.dumps({key: value for key, value in figures.items() if key != "runs"}, indent=1))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
