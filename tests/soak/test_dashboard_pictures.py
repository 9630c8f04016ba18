"""The dashboards over two minutes with faults, drawn into tests/artefacts for inspection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import zmq.asyncio

from stages.third_party import weights
from stream.config import Config
from stream.messaging.replay_client import ReplayClient
from support.engines.scraped_engine import ScrapedEngine
from support.monitoring.dashboard_queries import FLEET, dashboards
from support.monitoring.panel_pictures import Drawer
from support.monitoring.prometheus import PrometheusServer, hurried
from support.repository import REPOSITORY
from support.rtp.stream_corpus import corpus_stream
from support.rtsp_servers.aio_rtsp import AioRtspServer
from tools.monitoring import rule_file

pytestmark = [pytest.mark.soak, pytest.mark.timeout(400)]

ARTEFACTS = REPOSITORY / "tests" / "artefacts"
SECONDS = 120.0
OF_ENGINES = [dashboard for dashboard in dashboards() if dashboard["uid"] != FLEET]
READER = 2.0
"""Seconds between two replay requests."""


def configured(door: str, clips: Path) -> Config:
    footage = {"source": str(weights.locate("sports2d", "demo.mp4")), "pace": "loop", "detector_size": [256, 256]}
    return Config.model_validate(
        {
            "cameras": [
                {"id": "door", "source": door, "detector_size": [128, 128], "max_fps": 8, "reconnect_max_s": 2},
                {"id": "yard", "max_fps": 5, **footage},
                {"id": "street", **footage},
                {"id": "gate", "source": "pattern:320x180@10", "max_fps": 4, "detector_size": [128, 128]},
                {"id": "shed", "source": "rtsp://127.0.0.1:1/"},
            ],
            "model": {"profile": "edge", "device": "cpu", "threads": 1, "state_slots": 16},
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0", "history_messages": 200},
            "http": {"bind": "127.0.0.1:0"},
            "recording": {"directory": str(clips)},
        }
    )


async def watch(session: aiohttp.ClientSession, path: str) -> None:
    """Read an endless response, and discard it."""
    async with session.get(path, timeout=aiohttp.ClientTimeout(total=None)) as answer:
        async for _ in answer.content.iter_any():
            pass


async def read_and_miss(running: ScrapedEngine, over: threading.Event) -> None:
    """Subscribe, read streams over HTTP, and repeatedly request old messages, some of another run."""
    engine, context = running.engine, zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.connect(engine.publisher.endpoint)
    socket.subscribe(b"results/")
    replay = ReplayClient(context, engine.publisher.replay_endpoint, 5.0, None)
    async with aiohttp.ClientSession(f"http://{running.address}") as session:
        watched = ("/api/v1/events", "/api/v1/cameras/yard/pictures")
        watching = [asyncio.create_task(watch(session, path)) for path in watched]
        for visit in range(10_000):
            if over.is_set():
                break
            await asyncio.sleep(READER)
            await replay.fetch("results/v1/gate/", "0" * 32 if visit % 8 == 7 else engine.run, 1, 0, 5)
            if visit % 10 == 9:
                await session.get("/nowhere")
        for task in watching:
            task.cancel()
    replay.close()
    context.destroy(linger=0)


def test_the_dashboards_are_drawn_from_the_same_queries(tmp_path: Path) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    over = threading.Event()
    with (
        AioRtspServer(corpus_stream("h264_main")) as camera,
        ScrapedEngine(configured(camera.url(), tmp_path / "clips")) as running,
        PrometheusServer([running.address], hurried(rule_file.FILE.read_text(encoding="utf-8"))) as prometheus,
    ):
        reader = threading.Thread(target=lambda: asyncio.run(read_and_miss(running, over)))
        reader.start()
        began = time.time()
        happenings: list[tuple[float, Callable[[], object]]] = [
            (0.3, camera.kill),
            (0.42, camera.start),
            (0.55, camera.suspend),
            (0.62, camera.resume),
            (0.75, lambda: running.engine.observer.stage_failed("detection")),
        ]
        for share, happening in happenings:
            time.sleep(max(0.0, began + share * SECONDS - time.time()))
            happening()
        time.sleep(max(0.0, began + SECONDS - time.time()))
        drawer = Drawer(prometheus, began + 3, time.time(), "door", "5s")
        for dashboard in OF_ENGINES:
            drawer.draw(dashboard, ARTEFACTS / f"{dashboard['uid']}.png")
        over.set()
        reader.join(10)
    drawn = [ARTEFACTS / f"{dashboard['uid']}.png" for dashboard in OF_ENGINES]
    assert all(path.stat().st_size > 50_000 for path in drawn)
