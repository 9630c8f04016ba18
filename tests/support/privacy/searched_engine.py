"""An engine with one camera whose pictures have barcodes, and a search of every byte that leaves it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from stream.config import Config
from stream.engine import Engine
from stream.messaging.replay_client import ReplayClient
from support.engines.alerting import Walker
from support.engines.archiving import archiving
from support.engines.controlled_engine import Client, configured
from support.privacy.every_route import ask_every_route
from support.privacy.searched_bytes import Search
from support.waiting import PATIENCE_S, until
from support.webrtc.webrtc_viewer import Viewer

import aiohttp  # isort: skip

SIZE = (640, 360)
"""Of films: the search for rows of pixels expects the width."""
SHOWS = {
    "GET /api/v1/pictures",
    "GET /api/v1/cameras/{camera}/pictures",
    "GET /api/v1/alerts/{alert}/picture",
    "GET /api/v1/incidents/{incident}/picture",
    "GET /api/v1/clips/{clip}",
    "WHEP",
    "clip file",
    "picture file",
}
"""Where pictures are found, and barcodes if nothing is hidden."""
HIDES: dict[str, dict[str, object]] = {
    "skeleton": {"privacy": "skeleton"},
    "masked": {"masks": {"barcode": {"points": [[0, 0], [1, 0], [1, 0.1], [0, 0.1]]}}},
    "off": {},
}
RULES = "rules: {visitor: {zone: hall, clear_after: 200ms, cooldown: 0s, severity: critical}}"


def config_of(folder: Path, source: str, privacy: str) -> Config:
    rules = folder / "rules.yaml"
    rules.write_text(RULES)
    zones = {"hall": {"points": [[0, 0], [0.15, 0], [0.15, 1], [0, 1]]}}
    pace = "live" if "://" in source else "loop"
    film = {
        "id": "film",
        "source": source,
        "pace": pace,
        "zones": zones,
        "reconnect_initial_s": 0.1,
        "reconnect_max_s": 0.3,
    }
    kept = {"least_free": 0, "actions": {"walk": 0.5}}
    times = {"seconds_before": 0.5, "seconds_after": 0.5, "max_clip_s": 2}
    return configured(
        film | HIDES[privacy],
        rules_file=rules,
        recording={"directory": folder / "out/clips", **kept, **times},
        incidents={"directory": folder / "out/incidents", **kept},
        results=folder / "out/results.jsonl",
        state_file=folder / "out/state.json",
        profiling_directory=folder / "out/profiling",
    )


async def searched(
    folder: Path,
    source: str,
    privacy: str,
    log: pytest.LogCaptureFixture,
    disturb: Callable[[Engine], Awaitable[None]] | None = None,
) -> Search:
    """Return what was found in all that leaves an engine whose camera has this source. `folder` gets its files.

    `disturb` is awaited once the camera is live and watched.
    """
    log.set_level(logging.DEBUG)
    (folder / "out").mkdir()
    # Drawings have no random edges.
    search = Search(turned=privacy == "skeleton")
    async with Engine(config_of(folder, source, privacy), model=Walker()) as engine, aiohttp.ClientSession() as session:
        client = Client(session, engine.http_address or "")
        async with archiving(engine.publisher, folder / "out/archive"):
            await _search_engine(engine, client, search, privacy, disturb)
    search.look("log", log.text.encode())
    search.look_into(folder / "out", _kind_of)
    return search


def check(search: Search, privacy: str) -> None:
    """Check that pictures were found everywhere, with barcodes only if nothing is hidden."""
    found = {place for place, count in search.codes.items() if count}
    shown = {place for place, count in search.pictures.items() if count}
    expected: set[str] = SHOWS if privacy == "off" else set()
    assert found == expected, f"barcodes: {found ^ expected}"
    assert shown == SHOWS, f"pictures: {shown ^ SHOWS}"


def _kind_of(path: Path) -> str:
    kind = {".mp4": "clip file", ".jpg": "picture file", ".jpeg": "picture file"}
    return "clip file" if ".mp4" in path.name else kind.get(path.suffix, f"file *{path.suffix}")


async def _search_engine(
    engine: Engine, client: Client, search: Search, privacy: str, disturb: Callable[[Engine], Awaitable[None]] | None
) -> None:
    context = zmq.asyncio.Context()
    socket = context.socket(zmq.SUB)
    socket.subscribe(b"")
    socket.connect(engine.publisher.endpoint)
    received: list[Sequence[bytes]] = []
    reading = asyncio.create_task(_receive(socket, received))
    try:
        await until(lambda: engine.cameras.running["film"].video_refusal() is None)
        async with Viewer(client.address, "film") as viewer:
            assert viewer.status == 201
            if disturb is not None:
                await disturb(engine)
            search.look("WHEP", str(viewer.body).encode())
            await until(lambda: sum(number >= 0 or privacy != "off" for number in viewer.numbers) > 5)
            search.pictures["WHEP"] += len(viewer.numbers)
            search.codes["WHEP"] += sum(number >= 0 for number in viewer.numbers)
        known = await _known(engine, client)
        routes = await ask_every_route(client, search, known)
        assert len(routes) > 30
        with closing(ReplayClient(context, engine.publisher.replay_endpoint, PATIENCE_S, None)) as replay:
            for kind in ("results", "events", "alerts", "status"):
                page = await replay.fetch(f"{kind}/v1/film/", engine.run, 1, 0, 1000)
                assert page.bodies
                search.look("replay", b"".join(page.bodies))
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        context.destroy(linger=0)
    assert len(received) > 50
    await asyncio.to_thread(search.look, "ZeroMQ", b"".join(part for parts in received for part in parts))


async def _receive(socket: zmq.asyncio.Socket, received: list[Sequence[bytes]]) -> None:
    while True:
        received.append(await socket.recv_multipart())


async def _known(engine: Engine, client: Client) -> dict[str, list[str]]:
    """Wait until there is one of everything, and return the names."""

    async def pictured(kind: str) -> list[str]:
        found = (await client.get(f"/api/v1/incidents?kind={kind}"))["incidents"]
        return [one["id"] for one in found if one["picture"]]

    await until(lambda: pictured("alert"))
    await until(lambda: pictured("event"))
    assert engine.recorder is not None
    recorder = engine.recorder
    await until(lambda: len(recorder.library) > 0)
    clips = [clip.name for clip in recorder.library.clips()][:1]
    engine.profiling.begin(1)
    await until(lambda: engine.profiling.written is not None)
    alerts = (await pictured("alert"))[:2]
    return {
        "camera": ["film"],
        "alert": alerts,
        "incident": [*alerts, *(await pictured("event"))[:2]],
        "clip": clips,
        "session": ["0" * 32],
    }
