"""What those who watch cost the engine: `python -m benchmarks.engine.watchers [--rounds 7] [--json FILE]`.

The engine runs in a process of its own on four RTSP cameras with a model that costs nothing. Rounds alternate: nobody
watches, then each kind of watcher in turn. A frame's age, from its arrival until its result was handed to ZeroMQ, is
compared with that of the quiet stretch of the same round. Needs GStreamer's RTSP server, Chromium and the source tree.
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
from benchmarks.cameras import clip
from benchmarks.cameras.camera_client import Cameras
from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from telemetry.observer import Observer
from tests.support.webrtc.chromium import Browser

CAMERAS = 4
SECONDS = 4.0
SETTLE_S = 1.5
SILENT_CLIENTS = 50

Watchers = Callable[[str], AbstractAsyncContextManager[None]]


class Ages(Observer):
    """Frames' ages when they were handed over, ms."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    def frame_published(self, camera: str, age_seconds: float, capture_age_seconds: float | None) -> None:
        """One frame's."""
        self.ms.append(age_seconds * 1e3)


async def serve(urls: list[str]) -> None:
    """The engine's process: says its address, then after each line that it reads what happened since the last."""
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
            seen, ages.ms = ages.ms, []
            used = resource.getrusage(resource.RUSAGE_SELF)
            now = used.ru_utime + used.ru_stime
            figures = {
                "frames": len(seen),
                "p50": float(np.percentile(seen, 50)) if seen else None,
                "p99": float(np.percentile(seen, 99)) if seen else None,
                "cpu_ms_per_frame": (now - cpu) * 1e3 / max(1, len(seen)),
            }
            cpu = now
            print(json.dumps(figures), flush=True)


class EngineProcess:
    """The engine apart. `address` is its HTTP server's."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self._process = process
        self.address = address

    @staticmethod
    async def start(urls: list[str]) -> EngineProcess:
        """Returns once it listens."""
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-m", "benchmarks.engine.watchers", "--serve", *urls]
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert process.stdout is not None
        async with asyncio.timeout(60):
            address = (await process.stdout.readline()).decode().strip()
        return EngineProcess(process, address)

    async def mark(self) -> dict[str, Any]:
        """What happened since the last mark."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(b"\n")
        async with asyncio.timeout(30):
            return json.loads(await self._process.stdout.readline())

    async def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await self._process.wait()
                return
        self._process.kill()


def silent(path: str) -> Watchers:
    """So many clients that ask and never read, with the smallest buffers that the system gives."""

    @asynccontextmanager
    async def watch(address: str) -> AsyncIterator[None]:
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

    return watch


def gone(viewers: int) -> Watchers:
    """So many viewers of cameras' own video (WHEP), who take nothing any more once they are connected."""

    @asynccontextmanager
    async def watch(address: str) -> AsyncIterator[None]:
        # Left to themselves their sessions would go on for half a minute, into what is measured next.
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

    return watch


def _when_connected(peer: RTCPeerConnection, connected: asyncio.Event) -> None:
    if peer.connectionState == "connected":
        connected.set()


def page(*, hidden: bool, camera: str = "") -> Watchers:
    """The live page in a real Chromium, in view or in a tab behind another; of all cameras, or of one large."""

    @asynccontextmanager
    async def watch(address: str) -> AsyncIterator[None]:
        async with Browser() as browser:
            opened = await browser.open(f"{address}/#{camera}")
            await opened.wait_for("[...document.querySelectorAll('canvas')].some(canvas => canvas.width > 1)")
            if hidden:
                await opened.send("Emulation.setFocusEmulationEnabled", enabled=False)
                await browser.open("about:blank")
                await opened.wait_for("document.hidden")
            yield

    return watch


KINDS: dict[str, Watchers] = {
    f"{SILENT_CLIENTS} event streams that nobody reads": silent("/api/v1/events?kind=results&kind=stats"),
    f"{SILENT_CLIENTS} picture streams that nobody reads": silent("/api/v1/pictures?camera=cam0&camera=cam1"),
    "a WebRTC viewer who takes nothing": gone(1),
    f"{CAMERAS} WebRTC viewers who take nothing": gone(CAMERAS),
    "the live page in a tab in the background": page(hidden=True),
    "the live page, four cameras in view": page(hidden=False),
    "the live page, one camera's own video (WebRTC)": page(hidden=False, camera="cam0"),
}


async def measure(rounds: int) -> dict[str, Any]:
    """All rounds: figures of each stretch, and ratios to the quiet stretch of the same round."""
    runs: dict[str, list[dict[str, Any]]] = {"nobody": [], **{name: [] for name in KINDS}}
    with Cameras(clip.prepared(), CAMERAS) as cameras:
        engine = await EngineProcess.start(cameras.urls)
        try:
            await asyncio.sleep(3 * SETTLE_S)
            for number in range(rounds):
                runs["nobody"].append(await _stretch(engine))
                for name, watch in KINDS.items():
                    async with watch(engine.address):
                        runs[name].append(await _stretch(engine))
                    await asyncio.sleep(SETTLE_S)
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
        finally:
            await engine.stop()
    ratios = {
        name: {
            key: str(
                stats.estimate(stats.ratios([one[key] for one in runs[name]], [one[key] for one in runs["nobody"]]))
            )
            for key in ("p50", "p99", "cpu_ms_per_frame")
        }
        for name in KINDS
    }
    return {"cameras": CAMERAS, "seconds": SECONDS, "ratios_to_nobody": ratios, "runs": runs}


async def _stretch(engine: EngineProcess) -> dict[str, Any]:
    await asyncio.sleep(SETTLE_S)
    await engine.mark()
    await asyncio.sleep(SECONDS)
    return await engine.mark()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.serve))
        return
    figures = {
        "benchmark": "watchers",
        "commit": machine.commit(Path(__file__).parent),
        "machine": machine.describe(),
        **asyncio.run(measure(given.rounds)),
    }
    print(json.dumps({key: value for key, value in figures.items() if key != "runs"}, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
