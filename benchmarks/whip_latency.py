"""Glass to ZeroMQ over WHIP: `python -m benchmarks.whip_latency [--frames 400] [--json FILE]`.

A page paints a number into a canvas and notes when; Chromium encodes and publishes the canvas; the engine's model,
which costs nothing else, reads the number off the decoded picture; a subscriber notes when the result is here. All
clocks are this machine's. The number is `benchmarks.barcode`'s. Needs Chromium and the source tree
(`tests/support/chromium.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import barcode, machine
from ring_buffers.frame_ring import Lease
from stages.free_model import FreeModel
from stages.types import FrameAnalysis
from stream.config import Config
from stream.engine import Engine
from stream.subscriber import subscribe
from tests.support.chromium import Browser

WARM_UP_FRAMES = 60
RUN_WITHIN_S = 60.0

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


class ReadingModel(FreeModel):
    """Reads the number off each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers: dict[tuple[int, int], int] = {}

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        """An empty analysis a frame, its number noted."""
        for lease in frames:
            width, height = lease.meta.format.size
            luma = lease.picture[: width * height].reshape(height, width)
            self.numbers[lease.meta.epoch, lease.meta.frame] = barcode.read(luma)
        return super().process(frames)


async def measure(frames: int, size: tuple[int, int], fps: int) -> dict[str, Any]:
    """Latencies in ms of so many frames: from their painting until their result is with the subscriber."""
    config = Config.model_validate(
        {
            "cameras": [{"id": "canvas", "source": "whip"}],
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": "127.0.0.1:0", "requests_per_second": 1000},
        }
    )
    model = ReadingModel()
    heard: list[tuple[tuple[int, int], float, int]] = []
    async with (
        Engine(config, model=model) as engine,
        subscribe(engine.publisher.endpoint, camera="canvas") as results,
        Browser() as browser,
        asyncio.timeout(RUN_WITHIN_S),
    ):
        assert engine.http_address is not None
        page = await browser.open("about:blank")
        await page.send("Page.setBypassCSP", enabled=True)
        await page.go(engine.http_address + "/")
        whip = f"{engine.http_address}/whip/canvas"
        await page.evaluate(f"{PAINT}({whip!r}, {size[0]}, {size[1]}, {fps})")
        while len(heard) < WARM_UP_FRAMES + frames:
            result = await anext(results)
            heard.append(((result.epoch, result.frame), time.time() * 1000, result.capture_us))
        painted: list[float] = await page.evaluate("painted")
    latencies: list[float] = []
    capture_errors: list[float] = []
    for frame, at_ms, capture_us in heard[WARM_UP_FRAMES:]:
        number = model.numbers[frame]
        if number != barcode.UNREADABLE:
            latencies.append(at_ms - painted[number])
            capture_errors.append(capture_us / 1000 - painted[number])
    return {
        "size": size,
        "fps": fps,
        "frames": len(latencies),
        "unreadable": frames - len(latencies),
        "latency_ms": quantiles(latencies),
        "capture_time_minus_painted_ms": quantiles(capture_errors),
    }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest."""
    ordered = sorted(values)
    return {
        name: round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 1)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--size", type=int, nargs=2, default=(1280, 720), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--fps", type=int, default=25)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    figures = {
        "benchmark": "whip-latency",
        "commit": machine.commit(Path(__file__).parent),
        "machine": machine.describe(),
        **asyncio.run(measure(given.frames, tuple(given.size), given.fps)),
    }
    print(json.dumps(figures, indent=1))
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
