"""The paper's profile from a camera to a subscriber: RTSP in, people and parts on ZeroMQ out, on a CPU."""

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
from stream.results import Frame
from stream.subscriber import subscribe
from support.repository import REPOSITORY

ACTION = "walk"
PORTS = ["--pub", "tcp://127.0.0.1:0", "--replay", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0"]

pytestmark = pytest.mark.timeout(300)  # a film is rendered, and an engine started


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a generated film of one person."""
    folder = tmp_path_factory.mktemp("paper") / "set"
    generate = [sys.executable, "run_stream.py", "data", "generate", str(folder), "--workers", "1"]
    subprocess.run([*generate, "--videos", "1", "--actions", ACTION, "--seed", "25"], check=True, cwd=REPOSITORY)
    return next(folder.glob("train_videos/*/*.mp4"))


class Engine(NamedTuple):
    process: subprocess.Popen[str]
    endpoint: str


@pytest.fixture
def engine(film: Path) -> Iterator[Engine]:
    with RtspServer(files={"/hall": film}) as server:
        process = subprocess.Popen(
            [
                sys.executable,
                "run_stream.py",
                "run",
                f"hall={server.url('/hall')}",
                "--profile",
                "kinetics-tps",
                *PORTS,
            ],
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


async def test_results_of_a_camera_have_people_with_actions_and_parts(engine: Engine) -> None:
    seen: list[Frame] = []
    async with subscribe(engine.endpoint, camera="hall") as results:
        async for frame in results:
            seen.append(frame)
            if sum(len(one.people) == 1 for one in seen) >= 5:
                break
    full = [frame for frame in seen if len(frame.people) == 1]
    assert all(frame.model.profile == "kinetics-tps" and frame.clock in ("arrival", "rtcp") for frame in seen)
    for frame in full:
        width, height = frame.size
        assert all(person.action is not None for person in frame.people)
        for box in (part.box for person in frame.people for part in person.parts):
            assert 0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height
    parts = {part.part for frame in full for person in frame.people for part in person.parts}
    assert parts >= {"head", "left_leg", "right_leg"}
    assert all(0 <= part.relevance <= 1 for frame in full for person in frame.people for part in person.parts)
