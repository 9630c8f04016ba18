"""The paper's profile from a camera to a subscriber: RTSP in, people, parts and objects on ZeroMQ out, on a CPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from stages.checkpoint import save
from stages.vocabulary import PARTS
from stream.results import Frame
from stream.subscriber import subscribe
from support.models.drawn_people import drawn_checkpoint, write_film
from support.repository import REPOSITORY

ACTION = "walk"
PORTS = ["--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"]

pytestmark = pytest.mark.timeout(900)  # a detector is learned, a film rendered, and an engine started for each


class Shown(NamedTuple):
    """A profile, a film with `people` people that it detects, and the objects that it detects."""

    profile: str
    film: Path
    people: int
    things: set[str]


@pytest.fixture(scope="module", params=["packaged", "rectangles"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Return the packaged checkpoint with a generated film, or a checkpoint whose detector has learned people drawn as
    rectangles, with a ball."""
    folder = tmp_path_factory.mktemp("paper")
    if request.param == "packaged":
        generate = [sys.executable, "run_stream.py", "data", "generate", str(folder / "set"), "--workers", "1"]
        subprocess.run([*generate, "--videos", "1", "--actions", ACTION, "--seed", "25"], check=True, cwd=REPOSITORY)
        return Shown("kinetics-tps", next((folder / "set").glob("train_videos/*/*.mp4")), 1, set())
    save(drawn_checkpoint(), folder / "paper.safetensors")
    return Shown(str(folder / "paper.safetensors"), write_film(folder / "film.mp4", 60), 2, {"ball"})


class Engine(NamedTuple):
    process: subprocess.Popen[str]
    endpoint: str


@pytest.fixture
def engine(shown: Shown) -> Iterator[Engine]:
    with RtspServer(files={"/hall": shown.film}) as server:
        process = subprocess.Popen(
            [sys.executable, "run_stream.py", "run", f"hall={server.url('/hall')}", "--profile", shown.profile, *PORTS],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PARTSTREAM_MODEL__DEVICE": "cpu", "PARTSTREAM_MODEL__THREADS": "1"},
        )
        try:
            yield Engine(process, _endpoint(process))
        finally:
            process.terminate()
            try:
                process.wait()
            finally:
                process.kill()


def _endpoint(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    read: list[str] = []
    for line in process.stdout:
        read.append(line)
        if match := re.search(r"tcp://127\.0\.0\.1:\d+", line):
            return match[0]
    raise AssertionError(f"no endpoint was printed:\n{''.join(read)}")


async def test_results_of_a_camera_have_people_with_actions_and_parts_and_objects(engine: Engine, shown: Shown) -> None:
    seen: list[Frame] = []
    async with subscribe(engine.endpoint, camera="hall") as results:
        async for frame in results:
            seen.append(frame)
            if sum(len(one.people) == shown.people for one in seen) >= 5:
                break
    full = [frame for frame in seen if len(frame.people) == shown.people]
    assert all(frame.model.profile == "kinetics-tps" and frame.clock in ("arrival", "rtcp") for frame in seen)
    assert {thing.label for frame in full for thing in frame.objects} >= shown.things
    for frame in full:
        width, height = frame.size
        assert all(person.action is not None for person in frame.people)
        for box in (part.box for person in frame.people for part in person.parts):
            assert 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
    parts = {part.part for frame in full for person in frame.people for part in person.parts}
    assert parts == set(PARTS) if shown.things else parts >= {"head", "left_leg", "right_leg"}
    assert all(0 <= part.relevance <= 1 for frame in full for person in frame.people for part in person.parts)
