"""Live pictures of a real engine over HTTP: they show the frame that they name, and viewers delay nothing."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Mapping

import aiohttp
import numpy as np
import pytest
from PIL import Image

from benchmarks.cameras import barcode
from stream import results
from stream.http.server import streaming
from stream.settings.engine import CameraConfig
from support.engines.controlled_engine import OFF_LOOPBACK, READ, configured, descriptors, running
from support.waiting import until

SOURCE = "pattern:320x180@50"
OF_A = "/api/v1/cameras/a/pictures"
SEVERAL = "/api/v1/pictures"


async def parts_of(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[Mapping[str, str], bytes]]:
    """Yield headers and body of each part."""
    assert answer.content_type == "multipart/x-mixed-replace"
    assert await answer.content.readline() == b"--partstream-picture\r\n"
    while True:
        headers: dict[str, str] = {}
        while line := (await answer.content.readline()).strip():
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        jpeg = await answer.content.readexactly(int(headers["Content-Length"]))
        assert await answer.content.readexactly(24) == b"\r\n--partstream-picture\r\n"
        yield headers, jpeg


def number_in(jpeg: bytes) -> int:
    """Return the number of a picture of the test pattern, read from its pixels."""
    return barcode.read(np.ascontiguousarray(np.asarray(Image.open(io.BytesIO(jpeg)).convert("L"))))


async def test_each_part_shows_the_frame_that_it_names_and_this_frame_has_a_result() -> None:
    async with running(configured({"id": "a", "source": SOURCE})) as (engine, client):
        published: dict[int, results.Frame] = {}

        def note(topic: str, message: results.Message) -> None:
            if isinstance(message, results.Frame):
                published[message.frame] = message

        engine.publisher.on_message(note)
        async with client.session.get(f"{client.address}{OF_A}?width=320&max_fps=60") as answer:
            seen: list[int] = []
            async for headers, jpeg in parts_of(answer):
                frame = int(headers["X-Frame"])
                assert number_in(jpeg) == frame
                assert Image.open(io.BytesIO(jpeg)).size == (320, 180)
                result = published[frame]
                assert (headers["Content-Type"], headers["X-Camera"]) == ("image/jpeg", "a")
                assert (int(headers["X-Epoch"]), int(headers["X-Capture-Us"])) == (result.epoch, result.capture_us)
                seen.append(frame)
                if len(seen) == 10:
                    break
        assert seen == sorted(set(seen))


async def test_one_response_has_several_cameras_also_one_added_later_in_the_requested_width() -> None:
    async with running(configured({"id": "a", "source": SOURCE}, {"id": "b", "source": SOURCE})) as (_, client):
        query = "camera=a&camera=b&camera=later&width=160"
        async with client.session.get(f"{client.address}{SEVERAL}?{query}") as answer:
            seen: set[str] = set()
            async for headers, jpeg in parts_of(answer):
                assert Image.open(io.BytesIO(jpeg)).width == 160
                seen.add(headers["X-Camera"])
                if seen == {"a", "b"}:
                    seen.add("asked")
                    await client.ask("PUT", "/api/v1/cameras/later", json={"source": SOURCE})
                if "later" in seen:
                    break


async def test_while_no_client_watches_no_picture_is_made() -> None:
    async with running(configured({"id": "a", "source": SOURCE})) as (engine, client):
        await until(lambda: engine.cameras.running["a"].ring.processed > 20)
        assert engine._live_pictures.encoded == 0
        async with client.session.get(f"{client.address}{OF_A}?max_fps=10") as answer:
            count = 0
            async for _ in parts_of(answer):
                count += 1
                if count == 11:
                    break
        await until(lambda: not engine._live_pictures._watched)
        made, processed = engine._live_pictures.encoded, engine.cameras.running["a"].ring.processed
        await until(lambda: engine.cameras.running["a"].ring.processed > processed + 20)
        assert engine._live_pictures.encoded <= made + 1, "at most the one that was in hand"
        page = await client.get("/metrics")
        assert f"partstream_live_pictures_total {engine._live_pictures.encoded}.0" in page


async def test_invalid_requests_are_errors() -> None:
    async with running(configured({"id": "a", "source": SOURCE}, http=OFF_LOOPBACK)) as (_, client):
        reads = {"Authorization": f"Bearer {READ}", "Host": "engine.example"}
        for path, status, field in (
            ("/api/v1/cameras/nobody/pictures", 404, None),
            (f"{OF_A}?width=0", 422, "width"),
            (f"{OF_A}?width=1.5", 422, "width"),
            (f"{OF_A}?width=nan", 422, "width"),
            (f"{OF_A}?width=99999", 422, "width"),
            (f"{OF_A}?max_fps=-1", 422, "max_fps"),
            (f"{OF_A}?max_fps=inf", 422, "max_fps"),
            (f"{OF_A}?camera=b", 422, "query"),
            (SEVERAL, 422, "camera"),
            (f"{SEVERAL}?camera=../etc", 422, "camera"),
            (f"{SEVERAL}?" + "&".join(f"camera=c{number}" for number in range(257)), 422, "camera"),
        ):
            answered, problem, _ = await client.ask("GET", path, headers=reads)
            assert answered == status, path
            assert field is None or problem["errors"][0]["field"] == field, path


async def test_streams_are_limited_end_with_their_camera_and_leave_nothing_behind() -> None:
    async with running(configured({"id": "a", "source": SOURCE}, http={"max_streams": 2})) as (engine, client):
        for _ in range(2):
            await client.get("/api/v1/status")
        tasks, files = len(asyncio.all_tasks()), descriptors()
        async with client.session.get(client.address + OF_A) as one, client.session.get(client.address + OF_A) as two:
            await one.content.readline()
            status, problem, _ = await client.ask("GET", OF_A)
            assert (status, problem["type"].rpartition(":")[2]) == (503, "too-many-streams")
            await client.ask("DELETE", "/api/v1/cameras/a")
            await asyncio.gather(one.content.read(), two.content.read())
        await until(lambda: (engine._http.streams, len(engine._live_pictures._watched)) == (0, 0))  # type: ignore[union-attr]
        await until(lambda: len(asyncio.all_tasks()) <= tasks + 1 and descriptors() <= files + 1)


async def test_clients_that_do_not_read_cause_few_pictures_stop_no_camera_and_are_disconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "STALLED_S", 2.0)
    async with running(configured()) as (engine, client):
        opened = [await client.silent(f"{SEVERAL}?camera=a&camera=b&width=640&max_fps=60") for _ in range(30)]
        await until(lambda: len(engine._live_pictures._watched.get("b", ())) == 30)
        for name in "ab":
            engine.cameras.add(CameraConfig.model_validate({"id": name, "source": "pattern:640x360@25"}))
        await until(lambda: engine.cameras.running["a"].ring.processed > 100)
        await until(lambda: engine._http.streams == 0)  # type: ignore[union-attr]
        processed = sum(camera.processed for camera in engine.stats().cameras)
        print(f"{engine._live_pictures.encoded} pictures encoded of {processed} frames")
        assert engine._live_pictures.encoded < processed / 3, "no more than fill the buffers"
        for one in opened:
            one.close()
