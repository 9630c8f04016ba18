"""Cameras to which a publisher of the tests publishes over WHIP: the session, and every way in which it ends."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec

from stream.engine import Engine
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, READ, configured, descriptors, running
from support.waiting import until
from support.webrtc.webrtc_publisher import SDP, PaintedTrack, Publisher, offer_of, peer_connection

CAMERA = {"id": "cam", "source": "whip"}


def last_result(engine: Engine, camera: str = "cam") -> dict[str, Any] | None:
    body = engine.publisher.last(f"results/v1/{camera}/")
    return msgspec.json.decode(body) if body is not None else None


async def live(engine: Engine, camera: str = "cam", epoch: int = 1) -> None:
    """Wait until results of this epoch are published, and the camera's status, set after its first frame, says so."""
    await until(lambda: (result := last_result(engine, camera)) is not None and result["epoch"] >= epoch)
    await until(lambda: engine.cameras.status(camera).epoch >= epoch)


async def waiting(engine: Engine) -> None:
    """Wait until the camera waits for a publisher, and the connection of the previous one is closed."""
    await until(lambda: engine.cameras.status("cam").reason == "no_publisher" and not engine._peers.ice_states())


async def some_offer() -> str:
    """Return the offer of a publisher that has closed its connection."""
    peer = peer_connection()
    peer.addTrack(PaintedTrack())
    offer = await offer_of(peer)
    await peer.close()
    return offer


async def test_a_publisher_is_a_camera_and_the_next_one_its_next_epoch() -> None:
    async with running(configured(CAMERA)) as (engine, client):
        await waiting(engine)
        status = (await client.get("/api/v1/cameras/cam"))["status"]
        assert status["state"] == "connecting"
        assert "waiting for a publisher" in status["message"]

        async with Publisher(client.address, "cam") as publisher:
            assert publisher.status == 201
            assert publisher.location.startswith("/whip/cam/")
            assert "x-google-start-bitrate=3000" in publisher.body
            await live(engine)
            await until(lambda: engine.cameras.status("cam").clock == "rtcp")
            result = last_result(engine)
            assert result is not None
            assert result["size"] == [320, 180]
            _, metrics, _ = await client.ask("GET", "/metrics")
            assert 'partstream_webrtc_sessions{ice="completed"} 1.0' in metrics
            assert (await client.ask("DELETE", "/whip/cam/another"))[0] == 204
            assert (await client.ask("DELETE", "/whip/dog" + publisher.location[9:]))[0] == 204
            assert engine.cameras.status("cam").state == "live"
            assert await publisher.leave() == 204
            await until(lambda: engine.cameras.status("cam").state == "reconnecting")
        await waiting(engine)
        async with Publisher(client.address, "cam") as publisher:
            await live(engine, epoch=2)


async def test_a_publisher_of_h264_is_decoded_too() -> None:
    async with (
        running(configured(CAMERA)) as (engine, client),
        Publisher(client.address, "cam", codec="H264") as publisher,
    ):
        await live(engine)
        assert "VP8" not in publisher.body


async def test_a_newer_publisher_replaces_the_previous_one() -> None:
    config = configured(CAMERA, webrtc={"max_publishers": 1})
    async with running(config) as (engine, client), Publisher(client.address, "cam") as first:
        await live(engine)
        async with Publisher(client.address, "cam") as second:
            assert second.status == 201
            await live(engine, epoch=2)
            await until(lambda: first.peer.connectionState == "closed")
            assert engine.cameras.status("cam").epoch == 2
            assert await first.leave() == 204
            assert second.peer.connectionState == "connected"


async def test_another_size_of_the_same_aspect_keeps_the_epoch_and_another_aspect_begins_one() -> None:
    async with running(configured(CAMERA)) as (engine, client), Publisher(client.address, "cam") as publisher:
        await live(engine)
        for size, epoch in (((640, 360), 1), ((320, 180), 1), ((320, 240), 2)):
            publisher.track.size = size
            before = publisher.track.sent
            await until(lambda before=before: publisher.track.sent > before + 10)
            await live(engine, epoch=epoch)
            assert engine.cameras.status("cam").epoch == epoch
        await until(lambda: engine.cameras.status("cam").size == (320, 240))


async def test_a_publisher_that_falls_silent_or_disconnects_is_noticed() -> None:
    async with running(configured(CAMERA)) as (engine, client):
        async with Publisher(client.address, "cam") as publisher:
            await live(engine)
            (session,) = engine._peers._connections
            session._stall_timeout_s = 0.5
            publisher.track.paused = True
            await until(lambda: publisher.peer.connectionState == "closed")
        await waiting(engine)
        async with Publisher(client.address, "cam") as publisher:
            await live(engine, epoch=2)
        await waiting(engine)


async def test_a_publisher_that_never_connects_or_never_sends_is_disconnected() -> None:
    async with running(configured(CAMERA)) as (engine, client):
        status, _, _ = await client.ask("POST", "/whip/cam", data=await some_offer(), headers=SDP)
        assert status == 201
        (session,) = engine._peers._connections
        session._start_timeout_s = 0.5
        await waiting(engine)

        track = PaintedTrack()
        track.paused = True
        async with Publisher(client.address, "cam", track) as publisher:
            await until(lambda: publisher.peer.connectionState == "connected")
            (session,) = engine._peers._connections
            session._start_timeout_s = 0.5
            await until(lambda: publisher.peer.connectionState == "closed")
        await waiting(engine)
        assert engine.cameras.status("cam").epoch == 0


async def test_a_camera_that_is_removed_disabled_or_stopped_ends_its_publisher_s_session() -> None:
    publishers: list[Publisher] = []

    async def published(engine: Engine, address: str, epoch: int = 1) -> Publisher:
        publishers.append(Publisher(address, "cam"))
        assert await publishers[-1].publish() == 201
        await live(engine, epoch=epoch)
        return publishers[-1]

    async with running(configured(CAMERA)) as (engine, client):
        address = client.address
        first = await published(engine, address)
        assert (await client.ask("PATCH", "/api/v1/cameras/cam", json={"enabled": False}))[0] == 200
        await until(lambda: first.peer.connectionState == "closed")
        status, body, _ = await client.ask("POST", "/whip/cam", data=await some_offer(), headers=SDP)
        assert (status, body["type"]) == (409, "urn:partstream:problem:not-published-to")
        assert (await client.ask("PATCH", "/api/v1/cameras/cam", json={"enabled": True}))[0] == 200
        second = await published(engine, address, 2)
        assert (await client.ask("DELETE", "/api/v1/cameras/cam"))[0] == 204
        await until(lambda: second.peer.connectionState == "closed")
        assert (await client.ask("PUT", "/api/v1/cameras/cam", json=CAMERA))[0] == 201
        third = await published(engine, address, 3)
    await until(lambda: third.peer.connectionState == "closed")
    for publisher in publishers:
        await publisher.vanish()


async def test_after_a_loss_units_are_discarded_until_a_keyframe_and_the_camera_continues() -> None:
    async with running(configured(CAMERA)) as (engine, client), Publisher(client.address, "cam") as publisher:
        await live(engine)
        (session,) = engine._peers._connections
        add, lost = session.add, [0]

        def lossy(packet: Any) -> tuple[bool, None]:
            """Lose every packet of half a second. They are not sent again, because this is after the NACKs."""
            lost[0] += 1
            return (False, None) if 5 <= lost[0] < 18 else add(packet)

        session.add = lossy  # pyright: ignore[reportAttributeAccessIssue]
        await until(lambda: lost[0] > 18)
        before = engine._cameras["cam"].ring.processed
        await until(lambda: engine._cameras["cam"].ring.processed > before + 25)
        assert engine.cameras.status("cam").epoch == 1
        assert publisher.peer.connectionState == "connected"
        _, metrics, _ = await client.ask("GET", "/metrics")
        assert 'partstream_units_discarded_total{camera="cam",reason="awaiting_keyframe"}' in metrics
        assert 'reason="corrupt"' not in metrics


async def test_publishing_needs_the_control_token_and_wrong_requests_have_distinct_errors() -> None:
    cameras = [CAMERA, {"id": "film", "source": "pattern:"}]
    async with running(configured(*cameras, http=OFF_LOOPBACK), READ) as (engine, client):
        offer = await some_offer()
        assert (await client.ask("POST", "/whip/cam", data=offer, headers=SDP))[0] == 403
        wrong = {**SDP, "Authorization": "Bearer wrong"}
        assert (await client.ask("POST", "/whip/cam", data=offer, headers=wrong))[0] == 401
        allowed = {**SDP, "Authorization": f"Bearer {CONTROL}"}

        async def refused(method: str, path: str, data: str | bytes | None, **headers: str) -> tuple[int, str]:
            status, body, _ = await client.ask(method, path, data=data, headers={**allowed, **headers})
            return status, body["type"].rsplit(":", 1)[1]

        assert await refused("POST", "/whip/nobody", offer) == (404, "no-such-camera")
        assert await refused("POST", "/whip/film", offer) == (409, "not-published-to")
        json = "application/json"
        assert await refused("POST", "/whip/cam", offer, **{"Content-Type": json}) == (415, "unsupported-body")
        assert await refused("POST", "/whip/cam", b"v=0\r\n" + bytes(1 << 20)) == (413, "body-too-large")
        assert await refused("POST", "/whip/cam", b"v=0\r\n") == (422, "bad-offer")
        assert await refused("POST", "/whip/cam", offer.replace("a=ice-pwd", "a=x")) == (422, "bad-offer")
        assert await refused("PATCH", "/whip/cam/any", "a=candidate:1") == (405, "method-not-allowed")
        status, _, headers = await client.ask("OPTIONS", "/whip/cam")
        assert (status, headers["Accept-Post"]) == (204, "application/sdp")
        assert not engine._peers.ice_states()


async def test_fifty_publishers_at_once_leave_nothing_behind() -> None:
    async with running(configured(CAMERA, webrtc={"max_publishers": 1})) as (engine, client):
        async with Publisher(client.address, "cam"):
            await live(engine)
        status, _, _ = await client.ask("PATCH", "/api/v1/cameras/cam", json={"start_timeout_s": 2.0})
        assert status == 200  # none of the following publishers connects
        await waiting(engine)
        offer = await some_offer()
        before = set(threading.enumerate()), descriptors(), len(asyncio.all_tasks())

        async def publish() -> int:
            return (await client.ask("POST", "/whip/cam", data=offer, headers=SDP))[0]

        statuses = [status for _ in range(10) for status in await asyncio.gather(*(publish() for _ in range(5)))]
        assert set(statuses) <= {201, 503}
        assert statuses.count(201) >= 10
        await waiting(engine)
        await until(lambda: descriptors() <= before[1] + 1 and len(asyncio.all_tasks()) <= before[2])
        assert set(threading.enumerate()) <= before[0]
        loop = engine._peers._thread._loop
        assert loop is not None
        await until(lambda: len(asyncio.all_tasks(loop)) == 0)
