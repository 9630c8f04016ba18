"""Scores of the real model on labelled footage: equal to the engine's results, and as a command."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from run_stream import app
from stages.profiles import load_model
from stages.third_party import weights
from stream.config import Config
from stream.engine import Engine
from stream.results import Frame
from training.footage.labels import UNSURE, instants
from training.scoring.clips import answer_film, packaged_labels

FRAMES = 16


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first 1.6 seconds of the street footage at half its size."""
    path = tmp_path_factory.mktemp("film") / "street.mp4"
    with av.open(str(weights.locate("vtest", "vtest.avi"))) as source, av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 384, 288, "yuv420p"
        for number, frame in enumerate(islice(source.decode(video=0), FRAMES)):
            picture = frame.reformat(384, 288, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 10)
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    return path


async def test_predictions_equal_the_engines_results_for_every_frame(street: Path) -> None:
    config = Config.model_validate(
        {
            "cameras": [{"id": "street", "source": str(street), "pace": "fast", "detector_size": [320, 256]}],
            "model": {"device": "cpu", "threads": 1},
            "once": True,
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
        }
    )
    async with Engine(config) as engine:
        messages = engine.results(buffer=1000)
        await engine.wait()
    expected = [message async for message in messages if isinstance(message, Frame)]
    frames, picture = answer_film(load_model("edge", "cpu", threads=1), street, (320, 256))
    assert picture == (320, 240)
    assert [frame.time for frame in frames] == [message.media_time_us / 1e6 for message in expected]
    assert len(expected) == FRAMES and sum(len(message.people) for message in expected) > FRAMES
    for frame, message in zip(frames, expected, strict=True):
        assert len(frame.people) == len(message.people)
        for mine, theirs in zip(frame.people, message.people, strict=True):
            assert mine.box == pytest.approx(theirs.box, abs=0.5)
            assert theirs.action is not None
            assert (mine.label, mine.score) == (theirs.action.label, pytest.approx(theirs.action.score, abs=1e-3))


def test_the_command_scores_one_clip_and_writes_every_instant(tmp_path: Path) -> None:
    out = tmp_path / "score.json"
    arguments = ["footage", "score", "--clip", "talking-test", "--detector-size", "128x128", "--json", str(out)]
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments, "--device", "cpu"])
    assert done.exit_code == 0, done.output
    for words in ("development half, labeller a", "development half, labeller b", "128x105", "precision", "coverage"):
        assert words in done.output
    content = json.loads(out.read_text())
    assert (content["profile"], content["detector_size"]) == ("edge", [128, 128])
    assert [(score["half"], score["labeller"]) for score in content["scores"]] == [
        ("development", "a"),
        ("development", "b"),
    ]
    for score, labels in zip(content["scores"], packaged_labels()["talking-test"], strict=True):
        sure = [one for one in instants(labels, "development") if one.label != UNSURE]
        found = score["clips"]["talking-test"]["instants"]
        assert [(one["time"], one["truth"]) for one in found] == [(one.time, one.label) for one in sure]
        assert sum(label["frames"] for label in score["actions"].values()) == len(sure) * labels.every
