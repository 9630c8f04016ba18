"""The paper's profile on an RTSP camera: people with actions and parts, on a CPU."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cameras.rtsp_server import RtspServer
from stream.config import Config
from stream.engine import Engine
from stream.results import Frame
from training.synthetic.videos.folder import GeneratedFolder, Plan


async def test_results_of_a_camera_have_people_with_actions_and_parts(tmp_path: Path) -> None:
    GeneratedFolder(tmp_path, Plan("train", 1, 25, ("walk",))).make()
    (film,) = tmp_path.glob("train_videos/*/*.mp4")
    with RtspServer(files={"/hall": film}) as server:
        config = Config.model_validate(
            {
                "cameras": [{"id": "hall", "source": server.url("/hall")}],
                "model": {"profile": "kinetics-tps", "device": "cpu", "threads": 1},
                "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
                "http": {"bind": None},
            }
        )
        full: list[Frame] = []
        async with Engine(config) as engine:
            async for message in engine.results():
                if isinstance(message, Frame) and len(message.people) == 1:
                    full.append(message)
                if len(full) >= 5:
                    break
    assert all(frame.model.profile == "kinetics-tps" and frame.clock in ("arrival", "rtcp") for frame in full)
    for frame in full:
        width, height = frame.size
        assert all(person.action is not None for person in frame.people)
        for box in (part.box for person in frame.people for part in person.parts):
            assert 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
    parts = {part.part for frame in full for person in frame.people for part in person.parts}
    assert parts >= {"head", "left_leg", "right_leg"}
    assert all(0 <= part.relevance <= 1 for frame in full for person in frame.people for part in person.parts)
