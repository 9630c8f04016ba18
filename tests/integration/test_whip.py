"""Cameras that are published to over WHIP, by a publisher of ours: the session's whole life, and every way it ends."""

from __future__ import annotations

from typing import Any

import msgspec
from controlled_engine import Client, configured, running, until
from support.webrtc_publisher import Publisher

from stream.engine import Engine

CAMERA = {"id": "cam", "source": "whip", "stall_timeout_s": 1.0, "start_timeout_s": 3.0}


def last_result(engine: Engine, camera: str = "cam") -> dict[str, Any] | None:
    body = engine.publisher.last(f"results/v1/{camera}/")
    return msgspec.json.decode(body) if body is not None else None


async def live(engine: Engine, camera: str = "cam", epoch: int = 1) -> None:
    """Until results of this epoch come out."""
    await until(lambda: (result := last_result(engine, camera)) is not None and result["epoch"] >= epoch, 15)


async def test_a_publisher_is_a_camera_and_the_next_one_its_next_epoch() -> None:
    async with running(configured(CAMERA)) as (engine, client):
        await until(lambda: engine.cameras.status("cam").reason == "no_publisher")
        status = (await client.get("/api/v1/cameras/cam"))["status"]
        assert status["state"] == "connecting"
        assert "waiting for a publisher" in status["message"]

        async with Publisher(client.address, "cam") as publisher:
            assert publisher.status == 201
            assert publisher.location.startswith("/whip/cam/")
            await live(engine)
            await until(lambda: engine.cameras.status("cam").clock == "rtcp", 15)
            result = last_result(engine)
            assert result is not None
            assert result["size"] == [320, 180]
            assert 'partstream_webrtc_sessions{ice="completed"} 1.0' in await client_text(client, "/metrics")
            assert await publisher.leave() == 204
            await until(lambda: engine.cameras.status("cam").state == "reconnecting")

        await until(lambda: engine.cameras.status("cam").reason == "no_publisher")
        async with Publisher(client.address, "cam") as publisher:
            await live(engine, epoch=2)


async def client_text(client: Client, path: str) -> str:
    status, text, _ = await client.ask("GET", path)
    assert status == 200
    return text
