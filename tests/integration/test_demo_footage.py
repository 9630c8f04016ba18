"""The footage of the demo: real people, sent as a camera sends them."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from commands.demo.show import SCENES, Scene, cut
from stages.third_party import weights
from stream.config import Config
from support.engines.recognised import recognise

SECONDS = 2.0
"""Two keyframes, and two windows of steps."""


@pytest.mark.parametrize("scene", SCENES, ids=[scene.camera for scene in SCENES])
async def test_footage_has_a_keyframe_a_second_and_people_in_most_frames_at_the_detector_size_of_the_demo(
    scene: Scene, tmp_path: Path
) -> None:
    clip = tmp_path / "clip.mp4"
    footage = weights.locate(scene.asset, scene.file)
    cut(footage, clip, SECONDS)
    with av.open(str(footage)) as source, av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == source.streams.video[0].average_rate
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert len(packets) == SECONDS * float(stream.average_rate or 0)
        assert [packet.pts for packet in packets] == [packet.dts for packet in packets]  # no B frames
        assert len([packet for packet in packets if packet.is_keyframe]) == SECONDS
    camera = {"id": scene.camera, "source": str(clip), "pace": "fast", "detector_size": scene.detector_size}
    config = Config.model_validate(
        {
            "cameras": [camera],
            "once": True,
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
        }
    )
    seen = await recognise(config)
    assert seen.camera.processed == seen.camera.decoded > 0
    assert seen.share_with_people >= 0.9
    assert seen.seconds_by_label
