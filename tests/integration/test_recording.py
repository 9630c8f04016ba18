"""Clips of events from real cameras, the files beside them, and the engine's independence of them."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from commands.demo.show import cut
from stages.third_party import weights
from stream.http.server.app import HttpServer
from stream.recording.clips import NAME
from stream.recording.library import LOCK
from stream.settings.engine import CameraConfig
from stream.sources.reader import CameraReader
from support.engines.controlled_engine import PATIENT
from support.engines.recording_engine import between, lines, pictures, recorded, recording
from support.engines.small_clips import REORDERED_H264, make_clip
from support.ports import reserved_port
from support.waiting import until

SECONDS = 8.0
LARGE = 40_000_000
"""Bytes of a file that no socket's buffers hold."""


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return real footage as a camera would send it: H.264 with a keyframe each second."""
    clip = tmp_path_factory.mktemp("street") / "street.mp4"
    cut(weights.locate("vtest", "vtest.avi"), clip, SECONDS)
    return clip


async def test_a_clip_of_real_footage_over_rtsp_shows_the_source_s_own_frames_with_their_results(
    street: Path, tmp_path: Path
) -> None:
    source = pictures(street)
    with RtspServer(files={"/street": street}) as server:
        config = recording(
            tmp_path / "clips", {"id": "gate", "source": server.url("/street"), **PATIENT, "ring_slots": 64}
        )
        async with recorded(config, between(2.5, 3.5)) as engine:
            clip = await engine.clip()
            published = [json.loads(msgspec.json.encode(frame)) for frame in engine.frames]
            page = engine.engine.metrics.render().decode()
    folder = tmp_path / "clips"
    assert files_of_clips(folder) == [clip.name + end for end in (".json", ".jsonl", ".mp4")]
    assert NAME.fullmatch(clip.name) and clip.name.endswith("_gate_fall")
    assert json.loads((folder / f"{clip.name}.json").read_bytes()) == json.loads(msgspec.json.encode(clip))

    shown = pictures(folder / f"{clip.name}.mp4")
    assert (clip.codec, clip.reencoded, clip.frames, clip.ended) == ("h264", False, len(shown), "complete")
    digests = [digest for _, digest in source]
    first = digests.index(shown[0][1])
    assert [digest for _, digest in shown] == digests[first : first + len(shown)]

    (event,) = clip.events
    assert (event.action, event.score, event.track) == ("fall", 0.9, 1)
    assert 2_500_000 <= event.media_time_us < 2_700_000
    assert event.end_media_time_us is not None
    assert 3_500_000 <= event.end_media_time_us < 3_700_000
    assert clip.start_media_time_us <= event.media_time_us - 1_000_000
    assert 300_000 <= clip.end_media_time_us - event.end_media_time_us <= 500_000  # at 10 frames per second

    beside = lines(folder / f"{clip.name}.jsonl")
    assert beside == [body for body in published if body in beside]
    assert clip.results == len(beside)
    times = {body["media_time_us"] - clip.start_media_time_us: body for body in beside}
    for at_us, _ in shown:  # no frame is dropped
        assert min(abs(at_us - other) for other in times) <= 1
    assert len(beside) == len(shown)
    assert clip.start_us == beside[0]["capture_us"] and clip.end_us == beside[-1]["capture_us"]
    assert 'partstream_clips_written_total{camera="gate"} 1.0' in page
    assert 'partstream_recording_state{state="ready"} 1.0' in page
    assert f"partstream_clips_bytes {float(sum(path.stat().st_size for path in folder.iterdir()))}" in page


async def test_reordered_pictures_are_in_order_and_a_broken_connection_ends_the_clip(tmp_path: Path) -> None:
    footage = make_clip(tmp_path / "reordered.mp4", frames=500, options=REORDERED_H264)
    digests = [digest for _, digest in pictures(footage)]
    folder = tmp_path / "clips"
    with RtspServer(files={"/reordered": footage}, port=reserved_port()) as server:
        camera = {"id": "cam", "source": server.url("/reordered"), "reconnect_initial_s": 0.1}
        async with recorded(recording(folder, camera), between(1.5, 60)) as engine:
            await until(lambda: any(frame.media_time_us > 2_500_000 for frame in engine.frames))
            server.kill()
            clip = await engine.clip()
            server.restart()
            await until(lambda: any(f.epoch == 2 and f.media_time_us > 2_000_000 for f in engine.frames))
    again = engine.recorder.library.clips()[0]
    shown = pictures(folder / f"{clip.name}.mp4")
    assert (clip.epoch, clip.ended, clip.reencoded) == (1, "epoch", False)
    numbers = [digests.index(digest) for _, digest in shown]
    # The last picture sent may be one that others, which never came, were to be shown before.
    whole = numbers[:-1]
    assert whole == list(range(whole[0], whole[0] + len(whole)))
    assert whole[-1] < numbers[-1] <= whole[-1] + 3
    assert clip.events[0].end_media_time_us is None
    assert {body["epoch"] for body in lines(folder / f"{clip.name}.jsonl")} == {1}
    assert (again.epoch, again.ended) == (2, "camera")


async def test_overlapping_events_make_one_clip_of_limited_length(tmp_path: Path) -> None:
    def acts(at_s: float) -> str:
        return "fall" if 1.5 <= at_s < 2 or 2.4 <= at_s < 2.6 or at_s > 4.2 else "stand"

    camera = {"id": "cam", "source": "pattern:128x96@25", **PATIENT}
    async with recorded(recording(tmp_path, camera, max_clip_s=2.2), acts) as engine:
        await engine.clip(2)
        newer, older = engine.recorder.library.clips()
    assert [event.action for event in older.events] == ["fall", "fall"]
    assert older.ended == "longest"
    assert 2_100_000 <= older.end_media_time_us - older.start_media_time_us <= 2_200_000
    assert (len(newer.events), newer.ended) == (1, "longest")


async def test_a_source_without_packets_is_encoded_with_the_same_times(tmp_path: Path) -> None:
    camera = {"id": "cam", "source": "pattern:128x96@25", **PATIENT}
    async with recorded(recording(tmp_path, camera), between(1.5, 2)) as engine:
        clip = await engine.clip()
    shown = pictures(tmp_path / f"{clip.name}.mp4")
    assert (clip.codec, clip.reencoded, clip.frames) == ("h264", True, len(shown))
    beside = lines(tmp_path / f"{clip.name}.jsonl")
    assert len({digest for _, digest in shown}) == len(shown) >= 45
    for body in beside:
        assert min(abs(body["media_time_us"] - clip.start_media_time_us - at_us) for at_us, _ in shown) <= 20


async def test_stopping_the_engine_or_removing_the_camera_completes_the_open_clip(tmp_path: Path) -> None:
    cameras = [{"id": name, "source": "pattern:128x96@25"} for name in ("gone", "left")]
    async with recorded(recording(tmp_path, *cameras), between(0.5, 60)) as engine:
        await until(lambda: sum(frame.media_time_us > 1_000_000 for frame in engine.frames) > 10)
        await engine.engine.cameras.remove("gone")
        gone = await engine.clip()
        assert set(engine.recorder.cameras) == {"left"}
    clips = engine.recorder.library.clips()
    assert gone.camera == "gone"
    assert {clip.camera: clip.ended for clip in clips} == {"gone": "camera", "left": "camera"}
    for clip in clips:
        assert len(pictures(tmp_path / f"{clip.name}.mp4")) == clip.frames > 10
    assert not list(tmp_path.glob("*.part"))


def fail_to_start(reader: CameraReader) -> None:
    raise RuntimeError("can't start new thread")


async def test_nothing_is_held_of_a_camera_that_is_disabled_or_no_longer_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = [{"id": name, "source": "pattern:128x96@25"} for name in ("disabled", "faster", "changed")]
    async with recorded(recording(tmp_path, *cameras), lambda at_s: "stand") as engine:
        recorder = engine.recorder

        async def change(camera: str, **settings: Any) -> None:
            before = recorder.cameras[camera]
            await until(lambda: len(before.packets) > 0)
            status, _, _ = await engine.client.ask("PATCH", f"/api/v1/cameras/{camera}", json=settings)
            assert status == 200
            # The writer looks by itself only every 30 s.
            await until(lambda: before not in (*recorder._finishing, *recorder.cameras.values()))

        await change("disabled", enabled=False)
        await change("faster", pace="fast")
        await change("changed", ring_slots=3)
        monkeypatch.setattr(CameraReader, "start", fail_to_start)
        with pytest.raises(RuntimeError, match="thread"):
            engine.engine.cameras.add(CameraConfig.model_validate({**cameras[0], "id": "unstarted"}))
        assert set(recorder.cameras) == {"changed"}
        page = engine.engine.metrics.render().decode()
    assert 'partstream_clip_packet_bytes{camera="changed"}' in page
    assert 'partstream_clip_packet_bytes{camera="disabled"}' not in page


def files_of_clips(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def file_sizes(folder: Path) -> Iterator[int]:
    """Yield the size of each file, without files that are being renamed or removed."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            yield path.stat().st_size


async def test_the_budget_holds_while_clips_are_written(tmp_path: Path) -> None:
    budget = 1 << 20
    sizes: list[int] = []
    camera = {"id": "cam", "source": "pattern:640x360@25"}
    config = recording(tmp_path, camera, budget=budget, seconds_before=0.2, seconds_after=0.2, max_clip_s=1.5)
    (tmp_path / "20200101T000000000Z_cam_fall.mp4").write_bytes(bytes(budget - 1000))
    async with recorded(config, lambda at_s: "fall" if at_s % 1 < 0.4 else "stand") as engine:
        while engine.recorder.cameras["cam"].counts.written < 3:
            sizes.append(sum(file_sizes(tmp_path)))
            await engine.client.get("/healthz")
    assert max(sizes) <= budget + 300_000, "it may grow between two checks"
    assert not (tmp_path / "20200101T000000000Z_cam_fall.mp4").exists()
    assert engine.recorder.library.bytes_kept <= budget


class FullDisk(io.RawIOBase):
    """A file on a disk without room."""

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def write(self, data: Any, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_loses_the_clip_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    open_file = Path.open
    full = True

    def open_path(path: Path, mode: str = "r", **options: Any) -> Any:
        if full and path.name.endswith(".jsonl.part"):
            open_file(path, mode, **options).close()
            return io.BufferedWriter(FullDisk())
        return open_file(path, mode, **options)

    monkeypatch.setattr(Path, "open", open_path)
    camera = {"id": "cam", "source": "pattern:640x360@25", **PATIENT}
    config = recording(tmp_path, camera, seconds_before=0.2, seconds_after=0.3)
    async with recorded(config, lambda at_s: "fall" if at_s % 1 < 0.4 else "stand") as engine:
        await until(lambda: engine.failed("cam").get("disk_full", 0) >= 2)
        await until(lambda: engine.recorder.library.condition.state == "low_disk")  # between two tries
        page = engine.engine.metrics.render().decode()
        assert 'partstream_clips_failed_total{camera="cam",reason="disk_full"} 0.0' not in page
        await until(lambda: files_of_clips(tmp_path) == [])  # the next clip may have begun
        full = False
        await engine.clip()
        assert engine.recorder.library.condition.state == "ready"
        numbers = [frame.frame for frame in engine.frames]
        stats = engine.engine.stats().cameras[0]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert stats.dropped == {}
    assert "camera cam: no clip of 'fall' (disk_full)" in caplog.text


async def test_a_directory_that_cannot_be_made_does_not_affect_the_engine(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    camera = {"id": "cam", "source": "pattern:128x96@25"}
    async with recorded(recording(tmp_path / "file" / "clips", camera), between(0.5, 0.8)) as engine:
        await until(lambda: engine.failed("cam").get("unwritable", 0) >= 1)
        count = len(engine.frames)
        await until(lambda: len(engine.frames) > count + 10)
        listed = await engine.client.get("/api/v1/clips")
    assert (listed["state"], listed["clips"]) == ("unwritable", [])
    assert "cannot be written" in listed["message"]


async def test_low_free_space_stops_recording_and_is_reported(tmp_path: Path) -> None:
    least = shutil.disk_usage(tmp_path).total + 1
    camera = {"id": "cam", "source": "pattern:128x96@25"}
    async with recorded(recording(tmp_path, camera, least_free=least), between(0.5, 0.8)) as engine:
        await until(lambda: engine.failed("cam").get("low_disk", 0) >= 1)
        page = engine.engine.metrics.render().decode()
    assert 'partstream_recording_state{state="low_disk"} 1.0' in page
    assert files_of_clips(tmp_path) == []


async def test_files_read_fast_and_cameras_not_listed_are_not_recorded(tmp_path: Path) -> None:
    cameras = [
        {"id": "fast", "source": "pattern:128x96@25", "pace": "fast"},
        {"id": "other", "source": "pattern:128x96@25"},
        {"id": "chosen", "source": "pattern:128x96@25"},
    ]
    config = recording(tmp_path, *cameras, cameras=["fast", "chosen"], actions={"wave": 0.95, "fall": 0.9})
    async with recorded(config, between(0.5, 0.8)) as engine:
        assert set(engine.recorder.cameras) == {"chosen"}
        assert (await engine.clip()).camera == "chosen"


async def test_clips_are_listed_and_read_over_http(tmp_path: Path) -> None:
    cameras = [{"id": name, "source": "pattern:128x96@25"} for name in ("a", "b")]
    config = recording(tmp_path, *cameras, seconds_before=0.2, seconds_after=0.2)

    def acts(at_s: float) -> str:
        return "fall" if 0.5 < at_s < 0.8 else "kick" if 2 < at_s < 2.2 else "stand"

    async with recorded(config, acts) as on:
        await on.clip(4)
        client = on.client
        listed = await client.get("/api/v1/clips")
        names = [clip["name"] for clip in listed["clips"]]
        assert (listed["state"], len(names)) == ("ready", 4)
        assert names == sorted(names, reverse=True)
        assert listed["bytes"] == sum(path.stat().st_size for path in tmp_path.iterdir())
        of_a = (await client.get("/api/v1/clips?camera=a&action=fall"))["clips"]
        assert [(clip["camera"], clip["events"][0]["action"]) for clip in of_a] == [("a", "fall")]
        paged = await client.get(f"/api/v1/clips?limit=2&before={names[0]}")
        assert [clip["name"] for clip in paged["clips"]] == names[1:3]

        video = (tmp_path / f"{names[0]}.mp4").read_bytes()
        async with client.session.get(f"{client.address}/api/v1/clips/{names[0]}") as answer:
            assert (answer.status, answer.content_type) == (200, "video/mp4")
            assert await answer.read() == video
        part = {"Range": "bytes=100-199"}
        async with client.session.get(f"{client.address}/api/v1/clips/{names[0]}", headers=part) as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (206, f"bytes 100-199/{len(video)}")
            assert await answer.read() == video[100:200]
        async with client.session.get(f"{client.address}/api/v1/clips/{names[0]}/results") as answer:
            assert (await answer.read()) == (tmp_path / f"{names[0]}.jsonl").read_bytes()

        (tmp_path / "secret.mp4").write_bytes(b"x")
        for name in ("secret", "..%2fsecret", "%2e%2e", names[0] + ".mp4", "20200101T000000000Z_a_fall"):
            status, problem, _ = await client.ask("GET", f"/api/v1/clips/{name}")
            assert status == 404 and problem["type"].endswith(("no-such-clip", "not-found"))
        for query in ("limit=0", "limit=x", "limit=²", "camera=A", "before=..%2fx", "colour=red"):
            status, problem, _ = await client.ask("GET", f"/api/v1/clips?{query}")
            assert (status, problem["type"]) == (422, "urn:partstream:problem:invalid")


async def test_a_download_may_take_longer_than_a_connection_may_live_and_its_client_may_disconnect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = {**(HttpServer.__init__.__kwdefaults__ or {}), "connection_life_s": 2.0}
    monkeypatch.setattr(HttpServer.__init__, "__kwdefaults__", defaults)
    config = recording(tmp_path, {"id": "cam", "source": "pattern:128x96@25"}, seconds_before=0.2, seconds_after=0.2)
    async with recorded(config, between(0.3, 0.6)) as on:
        clip = await on.clip()
        video = tmp_path / f"{clip.name}.mp4"
        os.truncate(video, LARGE)
        server = on.engine._http
        assert server is not None
        address = f"{on.client.address}/api/v1/clips/{clip.name}"
        async with on.client.session.get(address) as answer:
            idle, idle_writer = await asyncio.open_connection(*on.client.address.removeprefix("http://").split(":"))
            assert await idle.read() == b"", "a connection that is no stream has been closed"
            idle_writer.close()
            assert server.streams == 1
            assert len(await answer.read()) == LARGE
        await until(lambda: server.streams == 0)
        async with on.client.session.get(address) as answer:
            await answer.content.readexactly(1000)
            answer.close()
        await until(lambda: server.streams == 0)
        unread = await on.client.session.get(address)  # does not delay the stop
    unread.close()
    assert not [record for record in caplog.records if record.name.startswith("aiohttp")]
