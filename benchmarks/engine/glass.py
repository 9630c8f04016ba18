"""Latency from the displayed picture to its result and to the live page.

    python -m benchmarks.engine.glass [--sources rtsp whip] [--frames 400] [--json FILE]

Each picture contains a number (`benchmarks.cameras.barcode`) and has a known time. Over WHIP it is the time at which a
page painted it on a canvas, which Chromium encodes and publishes. Over RTSP it is the time of sending, because a server
sends a clip that was encoded before. The engine's model reads the number and does nothing else. A subscriber records
when the result arrives, and the live page, in a separate Chromium, when it has drawn the picture with that result. All
use this machine's clock. Requires Chromium and GStreamer's RTSP server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.browser.chromium import Browser, Page
from benchmarks.cameras import barcode, clip
from benchmarks.cameras.camera_client import Cameras
from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import FrameAnalysis
from stream.config import Config
from stream.engine import Engine
from stream.subscriber import subscribe

SOURCES = ("rtsp", "whip")
WARM_UP_FRAMES = 60
RUN_WITHIN_S = 90.0
SIZE, FPS = (1280, 720), 25
UNKNOWN_MS = -1.0

PAINT = """
(async (address, width, height, fps) => {
  const canvas = document.createElement("canvas")
  canvas.width = width
  canvas.height = height
  const context = canvas.getContext("2d", {alpha: false})
  window.painted = []
  let number = 0
  const paint = () => {
    const bits = [...number.toString(2).padStart(16, "0")].map(Number)
    const parity = bits.reduce((sum, bit) => sum + bit) % 2
    context.fillStyle = `hsl(${number % 360} 40% 50%)`
    context.fillRect(0, 0, width, height)
    ;[1, 0, ...bits, parity, 1 - parity].forEach((bit, block, blocks) => {
      context.fillStyle = bit ? "#fff" : "#000"
      context.fillRect(block * width / blocks.length, 0, width / blocks.length, height * 2 / 45)
    })
    painted[number++] = performance.timeOrigin + performance.now()
  }
  paint()
  setInterval(paint, 1000 / fps)
  const stream = canvas.captureStream(fps)
  stream.getVideoTracks()[0].contentHint = "detail"
  const peer = window.peer = new RTCPeerConnection()
  peer.addTrack(stream.getVideoTracks()[0], stream)
  await peer.setLocalDescription()
  while (peer.iceGatheringState !== "complete")
    await new Promise(done => peer.addEventListener("icegatheringstatechange", done, {once: true}))
  const headers = {"Content-Type": "application/sdp"}
  const answer = await fetch(address, {method: "POST", headers, body: peer.localDescription.sdp})
  await peer.setRemoteDescription({type: "answer", sdp: await answer.text()})
})
"""


WATCH = """
(() => {
  window.drawnAt = []
  let last = 0
  const check = () => {
    const drawn = document.querySelector("#detail canvas")?.drawn
    if (drawn && drawn.at !== last && drawn.withResult) {
      last = drawn.at
      drawnAt.push([drawn.epoch, drawn.frame, performance.timeOrigin + performance.now()])
    }
    requestAnimationFrame(check)
  }
  check()
})()
"""
"""Records each picture that the page has drawn with its result, after the page's own drawing of the same refresh."""

Painted = Callable[[int, float], float]
"""Returns when a number was painted, given the number and when it was seen. ms since 1970; `UNKNOWN_MS` if unknown."""


class ReadingModel(FreeModel):
    """Reads the number in each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[tuple[int, int], int] = {}

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """Record the number of each frame and return empty analyses."""
        for lease in frames:
            width, height = lease.meta.format.size
            luma = lease.picture[: width * height].reshape(height, width)
            self.numbers[lease.meta.epoch, lease.meta.frame] = barcode.read(luma)
        return super().process(frames)


@asynccontextmanager
async def over_rtsp() -> AsyncIterator[tuple[str, Callable[[str], Any], Callable[[], Any]]]:
    """Yield the source of an RTSP camera, a function that starts it, and a function that returns its `Painted`."""
    offset_ms = time.time() * 1e3 - time.monotonic() * 1e3

    async def begin(address: str) -> None:
        """Nothing to start: the engine connects by itself."""

    with Cameras(clip.prepared(), 1) as cameras:

        async def painted() -> Painted:
            sent_ms = cameras.sent().times_ns[0] / 1e6 + offset_ms
            length = cameras.clip.recipe.frames

            def when(number: int, seen_ms: float) -> float:
                times = sent_ms[number::length]
                before = int(np.searchsorted(times, seen_ms))
                return float(times[before - 1]) if before else UNKNOWN_MS

            return when

        yield cameras.urls[0], begin, painted


@asynccontextmanager
async def over_whip() -> AsyncIterator[tuple[str, Callable[[str], Any], Callable[[], Any]]]:
    """Yield the same as `over_rtsp` for a canvas that a page publishes."""
    async with Browser() as browser:
        pages: list[Page] = []

        async def begin(address: str) -> None:
            page = await browser.open("about:blank")
            await page.send("Page.setBypassCSP", enabled=True)
            await page.go(address + "/healthz")
            await page.evaluate(f"{PAINT}({address + '/whip/glass'!r}, {SIZE[0]}, {SIZE[1]}, {FPS})")
            pages.append(page)

        async def painted() -> Painted:
            times: list[float] = await pages[0].evaluate("painted")
            return lambda number, seen_ms: times[number] if number < len(times) else UNKNOWN_MS

        yield "whip", begin, painted


async def measure(source_kind: str, frames: int) -> dict[str, Any]:
    """Return the latencies in ms of `frames` frames, with the live page open."""
    model = ReadingModel()
    received: list[tuple[tuple[int, int], float]] = []
    async with (over_rtsp if source_kind == "rtsp" else over_whip)() as (source, begin, painted):
        config = Config.model_validate(
            {
                "cameras": [{"id": "glass", "source": source}],
                "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
                "http": {"bind": "127.0.0.1:0", "requests_per_second": 1000},
            }
        )
        async with (
            Engine(config, model=model) as engine,
            subscribe(engine.publisher.endpoint, camera="glass") as results,
            Browser() as browser,
            asyncio.timeout(RUN_WITHIN_S),
        ):
            assert engine.http_address is not None
            await begin(engine.http_address)
            page = await browser.open(engine.http_address + "/#glass")
            await page.wait_for("document.querySelector('#detail canvas')?.drawn?.withResult")
            await page.evaluate(WATCH)
            while len(received) < WARM_UP_FRAMES + frames:
                result = await anext(results)
                received.append(((result.epoch, result.frame), time.time() * 1e3))
            shown: list[tuple[int, int, float]] = await page.evaluate("drawnAt")
            when = await painted()
    measured = dict(received[WARM_UP_FRAMES:])
    on_page = {(epoch, frame): at for epoch, frame, at in shown if (epoch, frame) in measured}
    return {
        "frames": len(measured),
        "unreadable": sum(model.numbers[frame] == barcode.UNREADABLE for frame in measured),
        "drawn_on_page": len(on_page),
        "result_ms": quantiles(_ages(measured, model, when)),
        "page_ms": quantiles(_ages(on_page, model, when)),
    }


def _ages(seen: dict[tuple[int, int], float], model: ReadingModel, when: Painted) -> list[float]:
    ages: list[float] = []
    for frame, at_ms in seen.items():
        number = model.numbers[frame]
        painted_ms = when(number, at_ms) if number != barcode.UNREADABLE else UNKNOWN_MS
        if painted_ms != UNKNOWN_MS:
            ages.append(at_ms - painted_ms)
    return ages


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return p50, p99 and maximum."""
    ordered = sorted(values)
    return {
        name: round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


def main() -> None:
    """Measure, print the figures, and write them if `--json` is given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sources", nargs="+", choices=SOURCES, default=SOURCES)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {
        "benchmark": "glass",
        "commit": machine.commit(Path(__file__).parent),
        "machine": machine.describe(),
        "size": SIZE,
        "fps": FPS,
    }
    for source in arguments.sources:
        figures[source] = asyncio.run(measure(source, arguments.frames))
        print(source, json.dumps(figures[source], indent=1))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
