"""Clips of WHIP cameras, whose codec and size are known only from their pictures."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from support.engines.controlled_engine import PATIENT
from support.engines.recording_engine import between, recorded, recording
from support.waiting import until
from support.webrtc.webrtc_publisher import Publisher


@pytest.mark.parametrize(("codec", "reencoded"), [("H264", False), ("VP8", True)])
async def test_published_video_is_recorded_like_any_camera(tmp_path: Path, codec: str, reencoded: bool) -> None:
    camera = {"id": "cam", "source": "whip", **PATIENT}
    config = recording(tmp_path, camera)
    async with recorded(config, between(1.0, 1.5)) as engine, Publisher(engine.client.address, "cam", codec=codec):
        await until(lambda: bool(len(engine.recorder.library) or engine.failed("cam")))
        assert engine.failed("cam") == {}
        clip = await engine.clip()
    assert (clip.codec, clip.reencoded, clip.ended) == ("h264", reencoded, "complete")
    with av.open(str(tmp_path / f"{clip.name}.mp4")) as container:
        shown = list(container.decode(video=0))
    assert len(shown) == clip.frames
    assert {(frame.width, frame.height) for frame in shown} == {(320, 180)}
