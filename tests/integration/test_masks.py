"""Privacy masks of a real engine: black in what leaves, no packet to anyone, and stricter only over HTTP."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from stages.free_model import FreeModel
from stream.cameras.registry import CameraRegistry
from stream.cameras.state_file import CameraStateFile
from stream.engine import Engine
from stream.privacy.known_privacy import HiddenCamera
from stream.settings.engine import CameraConfig
from support.engines.controlled_engine import PATTERN, Client, configured, running
from support.engines.recording_engine import between, lines, recorded, recording
from support.waiting import until

CAMERA = "/api/v1/cameras/hall"
LEFT = {"points": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}
ALL = {"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}
MASKED = {"id": "hall", "source": PATTERN, "masks": {"window": LEFT}}


async def live_picture(client: Client) -> np.ndarray:
    """Return the next live picture of the camera: uint8 [height, width, 3]."""
    async with client.session.get(f"{client.address}{CAMERA}/pictures") as answer:
        received = b""
        while b"\xff\xd9" not in received:
            received += await answer.content.readany()
    jpeg = received[received.index(b"\xff\xd8") : received.index(b"\xff\xd9") + 2]
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))


@pytest.mark.parametrize("masked", [True, False])
async def test_a_mask_is_black_in_live_pictures(masked: bool) -> None:
    async with running(configured(MASKED if masked else {"id": "hall", "source": PATTERN})) as (_, client):
        picture = await live_picture(client)
        assert picture.shape == (96, 128, 3)
        assert (picture[:, :64].max() < 20) == masked
        assert picture[:, 72:].max() > 100


async def test_a_clip_of_a_masked_camera_shows_its_pictures_with_the_masks(tmp_path: Path) -> None:
    async with recorded(recording(tmp_path, MASKED), between(2, 3)) as engine:
        clip = await engine.clip()
        hall = engine.engine.cameras.running["hall"]
        assert hall.reader._packets is None
        hall.live_video.want_keyframe()
        assert not hall.reader._keyframe_wanted(1e9), "the request is left to the drawn video"
        assert (clip.privacy, clip.codec, clip.reencoded, clip.ended) == ("masked", "h264", False, "complete")
        assert clip.start_media_time_us <= 1_000_000 and clip.end_media_time_us >= 3_400_000
        async with engine.client.session.get(f"{engine.client.address}/api/v1/clips/{clip.name}") as answer:
            assert answer.status == 200
            video = av.open(io.BytesIO(await answer.read()), "r")
        results = lines(tmp_path / f"{clip.name}.jsonl")
        times = {result["media_time_us"] for result in results}
        count = 0
        for picture in video.decode(video=0):
            shown = picture.to_ndarray(format="rgb24")
            assert shown[:, :60].max() < 40 and shown[:, 72:].max() > 100
            assert picture.pts is not None and picture.time_base is not None
            at_us = clip.start_media_time_us + round(picture.pts * picture.time_base * 1_000_000)
            assert at_us in times, "each picture has its result"
            count += 1
        assert count == clip.frames
        during = [result for result in results if 2_000_000 <= result["media_time_us"] < 3_000_000]
        assert len(during) > 20, "results have the camera's rate"


async def test_no_packet_of_a_masked_camera_reaches_a_viewer_or_a_clip_and_both_say_why(tmp_path: Path) -> None:
    config = recording(tmp_path, MASKED, privacy={"video": "refuse"})
    async with recorded(config, between(1, 2)) as engine:
        await until(lambda: engine.failed("hall") == {"privacy": 1})
        assert engine.recorder.cameras["hall"].packets.oldest_serial == 0
        assert engine.recorder.cameras["hall"].packets.oldest_arrival_ns is None
        assert engine.engine.cameras.running["hall"].reader._packets is None
        assert not list(tmp_path.glob("*.mp4*"))
        headers = {"Content-Type": "application/sdp"}
        status, problem, _ = await engine.client.ask("POST", "/whep/hall", data="v=0", headers=headers)
        assert (status, problem["type"]) == (409, "urn:partstream:problem:not-sendable")
        assert "privacy masks" in problem["detail"]
        assert "privacy masks" in (await engine.client.get(CAMERA))["no_video"]


@pytest.mark.parametrize(
    "change",
    [
        ("PATCH", {"masks": None}),
        ("PATCH", {"masks": {}}),
        ("PATCH", {"masks": {"window": {"points": [[0, 0], [0.4, 0], [0.4, 1], [0, 1]]}}}),
        ("PUT", {"source": PATTERN}),
    ],
)
async def test_a_camera_cannot_be_made_laxer_over_http(change: tuple[str, dict[str, Any]]) -> None:
    method, body = change
    async with running(configured(MASKED)) as (engine, client):
        before = engine.cameras.configs["hall"]
        status, problem, _ = await client.ask(method, CAMERA, json=body)
        assert (status, problem["type"]) == (403, "urn:partstream:problem:private")
        assert engine.cameras.configs["hall"] is before


async def test_a_camera_that_is_deleted_and_added_again_or_masked_over_http_stays_masked() -> None:
    async with running(configured({"id": "hall", "source": PATTERN})) as (engine, client):
        await until(lambda: engine.cameras.status("hall").state == "live")
        status, changed, _ = await client.ask("PATCH", CAMERA, json={"masks": {"window": LEFT}})
        assert (status, changed["settings"]["masks"]["window"]["points"]) == (200, LEFT["points"])
        await until(lambda: engine.cameras.status("hall").epoch == 2)
        assert (await live_picture(client))[:, :64].max() < 20
        assert (await client.ask("DELETE", CAMERA))[0] == 204
        assert (await client.ask("PUT", CAMERA, json={"source": PATTERN}))[0] == 403
        assert (await client.ask("PUT", CAMERA, json={"source": PATTERN, "masks": {"all": ALL}}))[0] == 201


async def test_kept_changes_do_not_outlive_stricter_masks_in_the_configuration(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    CameraStateFile(state, configured({"id": "hall", "source": PATTERN}).cameras).save(
        configured({"id": "hall", "source": PATTERN, "max_fps": 5}).cameras
    )
    async with Engine(configured(MASKED, state_file=str(state)), model=FreeModel()) as engine:
        hall = engine.cameras.configs["hall"]
        assert (hall.max_fps, list(hall.masks)) == (5, ["window"])


async def test_what_a_removed_camera_hid_stays_hidden_after_a_restart(tmp_path: Path) -> None:
    shown, hidden = {"id": "hall", "source": PATTERN}, {"source": PATTERN, "masks": {"window": LEFT}}
    settings = {"state_file": str(tmp_path / "state.json")}
    async with running(configured(shown, **settings)) as (_, client):
        assert (await client.ask("PATCH", CAMERA, json={"masks": {"window": LEFT}}))[0] == 200
        assert (await client.ask("DELETE", CAMERA))[0] == 204
    async with running(configured(shown, **settings)) as (engine, client):
        assert engine.cameras.privacy.mode_of("hall") == "masked"
        assert (await client.ask("PUT", CAMERA, json=shown))[0] == 403
        assert (await client.ask("PUT", CAMERA, json=hidden))[0] == 201


async def test_a_camera_that_the_configuration_decides_about_shows_what_it_says(tmp_path: Path) -> None:
    state = CameraStateFile(tmp_path / "state.json", [])
    state.save([], [HiddenCamera.of(configured(MASKED).cameras[0])])
    again = CameraStateFile(tmp_path / "state.json", configured({"id": "hall", "source": PATTERN}).cameras)
    assert [camera.masks for camera in again.load()] == [{}] and not again.hidden
    masked = CameraStateFile(tmp_path / "state.json", configured(MASKED).cameras)
    masked.load()
    assert masked.hidden, "since when it is hidden stays known"
    assert not state.load() and len(state.hidden) == 1


async def test_a_change_that_is_being_made_ends_without_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = {"source": "rtsp://127.0.0.1:1/x"}
    state = tmp_path / "state.json"
    stopped, change = asyncio.Event(), CameraRegistry.change

    async def slow_change(registry: CameraRegistry, config: CameraConfig) -> None:
        await stopped.wait()
        await change(registry, config)

    monkeypatch.setattr(CameraRegistry, "change", slow_change)
    async with running(configured({"id": "hall", **address}, state_file=str(state))) as (engine, _):
        changing = asyncio.create_task(engine.control.patch("hall", {"privacy": "skeleton"}))
        await until(lambda: engine.cameras.privacy.mode_of("hall") == "skeleton")
        changing.cancel()
        stopped.set()
        await until(lambda: engine.cameras.configs["hall"].privacy == "skeleton")
        assert json.loads(state.read_text())["cameras"][0]["privacy"] == "skeleton"
