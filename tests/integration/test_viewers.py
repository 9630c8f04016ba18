"""Live video over WebRTC (WHEP) to viewers of the tests: what they receive, and that a bad viewer affects no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aioice.ice
import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from stream.engine import Engine
from stream.live.live_video import LiveUnit
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, PATIENT, PATTERN, READ, configured, running
from support.engines.small_clips import REORDERED_H264, make_clip
from support.ports import reserved_port
from support.waiting import until
from support.webrtc.webrtc_publisher import Publisher
from support.webrtc.webrtc_viewer import Viewer

SDP = "application/sdp"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    folder = tmp_path_factory.mktemp("clips")
    files = {
        "/plain": make_clip(folder / "plain.mp4", 500),
        "/reordered": make_clip(folder / "reordered.mp4", 100, options=REORDERED_H264),
        "/mjpeg": make_clip(folder / "mjpeg.mkv", 50, codec="mjpeg", pixels="yuvj420p"),
    }
    with RtspServer(files=files) as made:
        yield made


def yard(server: RtspServer, path: str = "/plain", **settings: Any) -> dict[str, Any]:
    reconnect = {"reconnect_initial_s": 0.1, "reconnect_max_s": 0.3}
    return {"id": "yard", "source": server.url(path), **reconnect, **PATIENT, **settings}


async def live(engine: Engine, camera: str = "yard") -> None:
    await until(lambda: engine.cameras.status(camera).state == "live")


def assert_consecutive(numbers: list[int]) -> None:
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_a_viewer_receives_each_picture_unchanged_and_its_time(server: RtspServer) -> None:
    async with running(configured(yard(server))) as (engine, client):
        await live(engine)
        video = engine.cameras.running["yard"].live_video
        assert not video.watched
        assert (await client.get("/api/v1/cameras/yard"))["no_video"] is None
        times: list[tuple[int, int]] = []
        engine.publisher.on_message(
            lambda topic, message: (
                times.append((message.epoch, message.media_time_us))  # pyright: ignore
                if topic.startswith("results")
                else None
            )
        )
        async with Viewer(client.address, "yard") as viewer:
            assert viewer.status == 201
            assert viewer.location.startswith("/whep/yard/")
            assert "H264" in viewer.body and "VP8" not in viewer.body
            await until(lambda: len(viewer.numbers) > 30)
            assert_consecutive(viewer.numbers[:30])
            await until(lambda: len(viewer.origins) == 1)
            (origin,) = viewer.origins
            known = {(timestamp - origin["rtp"]) % 2**32 for timestamp in viewer.timestamps}

            def each_has_a_result() -> bool:
                of_epoch = [media_us for epoch, media_us in times if epoch == origin["epoch"]]
                ticks = {(media_us - origin["media_us"]) * 9 / 100 for media_us in of_epoch}
                return all(any(abs(tick - one) < 2 for one in ticks) for tick in known)

            await until(each_has_a_result)
            _, metrics, _ = await client.ask("GET", "/metrics")
            assert "partstream_video_viewers 1.0" in metrics
            assert 'partstream_webrtc_sessions{ice="completed"} 1.0' in metrics

            assert (await client.ask("DELETE", "/whep/yard/another"))[0] == 204
            assert len(engine._viewers) == 1
            assert await viewer.leave() == 204
            await until(lambda: viewer.peer.connectionState == "closed")
        await until(lambda: len(engine._viewers) == 0 and not engine._peers.ice_states())
        assert not video.watched


async def test_two_viewers_receive_the_same_video_and_its_next_epoch_after_an_outage(tmp_path: Path) -> None:
    with RtspServer(files={"/plain": make_clip(tmp_path / "plain.mp4", 500)}, port=reserved_port()) as own:
        async with running(configured(yard(own))) as (engine, client):
            await live(engine)
            async with Viewer(client.address, "yard") as first, Viewer(client.address, "yard", channel=False) as second:
                await until(lambda: len(first.numbers) > 5 and len(second.numbers) > 5)
                assert second.origins == []
                own.kill()
                own.restart()
                await until(lambda: len(first.origins) == 2)
                epochs = [origin["epoch"] for origin in first.origins]
                assert epochs == [1, 2]
                before = len(second.numbers)
                await until(lambda: len(second.numbers) > before + 5)
                # Its removal ends what is sent of it.
                assert (await client.ask("DELETE", "/api/v1/cameras/yard"))[0] == 204
                await until(lambda: first.peer.connectionState == second.peer.connectionState == "closed")
            assert len(engine._viewers) == 0


class KeysOf:
    """Counts the keyframes that are sent to the only viewer from now on."""

    def __init__(self, engine: Engine) -> None:
        self.seen = 0
        (session,) = engine._viewers._sessions.values()
        assert session is not None
        self._put = session._queue.put
        session._queue.put = self._count

    def _count(self, unit: LiveUnit) -> None:
        self.seen += unit.is_key
        self._put(unit)


async def test_a_published_vp8_camera_is_forwarded_and_viewers_keyframes_are_requested_from_its_publisher() -> None:
    async with running(configured({"id": "phone", "source": "whip"})) as (engine, client):
        refused = await client.get("/api/v1/cameras/phone")
        assert "no video" in refused["no_video"]
        async with Publisher(client.address, "phone"):
            await live(engine, "phone")
            async with Viewer(client.address, "phone") as viewer:
                assert "VP8" in viewer.body and "H264" not in viewer.body
                # The first keyframe has passed, and the publisher makes another only when it is asked for one.
                await until(lambda: len(viewer.numbers) > 10)
                assert_consecutive(viewer.numbers[:10])
                await until(lambda: len(viewer.numbers) > 40)
                keys = KeysOf(engine)
                (receiver,) = viewer.peer.getReceivers()
                await receiver._send_rtcp_pli(viewer.ssrc)
                await until(lambda: keys.seen > 0)
                assert (await client.get("/api/v1/cameras/phone"))["status"]["epoch"] == 1
                _, metrics, _ = await client.ask("GET", "/metrics")
                assert 'units_discarded_total{camera="phone"' not in metrics, "the camera lost nothing by it"


@pytest.mark.parametrize(("path", "why"), [("/reordered", "B-frames"), ("/mjpeg", "mjpeg")])
async def test_video_that_cannot_be_forwarded_is_refused_with_the_reason(
    server: RtspServer, path: str, why: str
) -> None:
    async with running(configured(yard(server, path))) as (engine, client):
        await until(lambda: engine.cameras.running["yard"].ring.processed > 5)
        async with Viewer(client.address, "yard") as viewer:
            assert viewer.status == 409
            assert viewer.body["type"] == "urn:partstream:problem:not-sendable"
            assert why in viewer.body["detail"]


async def test_wrong_requests_have_distinct_errors_and_leave_nothing_behind(server: RtspServer) -> None:
    pattern = {"id": "test-picture", "source": PATTERN}
    off = {"id": "off", "source": "rtsp://127.0.0.1:9/x", "enabled": False}
    async with running(configured(yard(server), pattern, off, webrtc={"max_viewers": 1}, http=OFF_LOOPBACK)) as (
        engine,
        client,
    ):
        await live(engine)
        await live(engine, "test-picture")

        async def refused(path: str, data: str, **headers: str) -> tuple[int, str]:
            about = {"Content-Type": SDP, "Authorization": f"Bearer {READ}", **headers}
            async with client.session.post(client.address + path, data=data, headers=about) as answer:
                return answer.status, (await answer.json(content_type=None))["type"].rpartition(":")[2]

        assert await refused("/whep/yard", "v=0", Authorization="Bearer wrong") == (401, "unauthorised")
        assert await refused("/whep/dog", "v=0") == (404, "no-such-camera")
        assert await refused("/whep/test-picture", "v=0") == (409, "not-sendable")
        assert await refused("/whep/off", "v=0") == (409, "not-sendable")
        assert await refused("/whep/yard", "v=0") == (422, "bad-offer")
        assert await refused("/whep/yard", "{}", **{"Content-Type": "application/json"}) == (415, "unsupported-body")
        assert await refused("/whep/yard", "v=0\r\n" + "a=x\r\n" * 20_000) == (413, "body-too-large")
        read = {"Authorization": f"Bearer {READ}"}
        async with Viewer(client.address, "yard", codec="VP8", **read) as viewer:
            assert viewer.status == 422
            assert "H264" in viewer.body["detail"]
        assert len(engine._viewers) == 0
        async with Viewer(client.address, "yard", **read) as viewer:
            assert viewer.status == 201, "who may read may look"
            await until(lambda: viewer.peer.connectionState == "connected")
            await until(lambda: all(one and one.connected for one in engine._viewers._sessions.values()))
            async with Viewer(client.address, "yard", Authorization=f"Bearer {CONTROL}") as other:
                assert other.status == 503
                assert other.body["type"].endswith(":too-many-viewers")
        await until(lambda: len(engine._viewers) == 0)


async def test_a_viewer_that_vanishes_is_removed(server: RtspServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(configured(yard(server))) as (engine, client):
        await live(engine)
        async with Viewer(client.address, "yard") as viewer:
            await until(lambda: len(viewer.numbers) > 3)
            viewer.vanish()
            monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 0.2)
            monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 2)
            await until(lambda: len(engine._viewers) == 0)
            assert not engine.cameras.running["yard"].live_video.watched
