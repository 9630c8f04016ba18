"""`partstream predict` with the real model on real people writes what `partstream evaluate` accepts."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner, Result

from run_stream import app
from stages.third_party import weights
from stages.vocabulary import PARTS, packaged
from training.kinetics_tps import (
    AnnotatedFrame,
    AnnotatedPart,
    AnnotatedPerson,
    Box,
    Lists,
    Video,
    VideoFacts,
    video_file,
    write_annotations,
    write_frame_list,
    write_lists,
)

FRAMES = 12
SIZES = {"street": (384, 288), "roof": (384, 216)}
TRUTH: dict[str, list[tuple[Box, Box]]] = {
    "street": [((126, 108, 142, 154), (129, 109, 136, 117)), ((249, 78, 264, 117), (254, 79, 261, 87))],
    "roof": [((285, 117, 326, 203), (297, 118, 314, 137))],
}
"""Boxes of people and their heads in each first picture, drawn by hand."""


def cut(asset: str, file: str, path: Path, fps: int, start: int = 0) -> None:
    width, height = SIZES[path.stem]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(weights.locate(asset, file))) as source, av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, frame in enumerate(islice(source.decode(video=0), start, start + FRAMES)):
            picture = frame.reformat(width, height, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, fps)
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))


def person(number: int, box: Box, head: Box) -> AnnotatedPerson:
    return AnnotatedPerson(number, box, {"head": AnnotatedPart(1, head, "none", "head")})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write annotated videos of people who walk, and the same as test videos in folders of other actions."""
    root = tmp_path_factory.mktemp("data")
    cut("vtest", "vtest.avi", video_file(root, "train", "walk", "street"), 10)
    cut("sports2d", "demo.mp4", video_file(root, "train", "walk", "roof"), 30, start=60)
    for name, people in TRUTH.items():
        path = video_file(root, "train", "walk", name)
        frame = AnnotatedFrame(1, tuple(person(at, *boxes) for at, boxes in enumerate(people, 1)), ())
        write_annotations(root, Video(name, "walk", path, VideoFacts(FRAMES, *SIZES[name]), (frame,)))
        wrong = video_file(root, "test", "jump", name)
        wrong.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, wrong)
    write_lists(root, Lists(PARTS, ("none", "step"), ()))
    write_frame_list(root, "train", dict.fromkeys(TRUTH, FRAMES))
    return root


def partstream(*words: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(word) for word in words])


def test_predictions_on_real_people_are_written_completed_and_scored(data: Path, tmp_path: Path) -> None:
    out, truth = tmp_path / "out", tmp_path / "truth"
    predict = ("predict", "--data", data, "--out", out, "--device", "cpu", "--detector-size", "384x288")
    third = video_file(data, "test", "jump", "third")
    third.write_bytes(video_file(data, "test", "jump", "street").read_bytes()[:2000])
    done = partstream(*predict)
    assert done.exit_code == 1, done.output
    assert "third.mp4: " in done.stderr and "answered 3 videos; 1 with errors" in done.stdout
    assert "Traceback" not in done.output
    classes = json.loads((out / "pred_vid_result.json").read_text())
    assert set(classes) == {"street", "roof", "third"} and set(classes.values()) <= set(packaged("edge").actions)

    before = {name: (out / "videos" / f"{name}.json").stat().st_mtime_ns for name in TRUTH}
    video_file(data, "test", "kick", "third").parent.mkdir()
    third.unlink()
    shutil.copy(video_file(data, "test", "jump", "street"), video_file(data, "test", "kick", "third"))
    done = partstream(*predict)
    assert done.exit_code == 0, done.output
    assert "answered 3 videos, 2 of them in an earlier run" in done.stdout
    assert {name: (out / "videos" / f"{name}.json").stat().st_mtime_ns for name in TRUTH} == before
    parts = json.loads((out / "pred_part_result.json").read_text())
    assert parts["third"] == parts["street"]  # the same pictures from another folder

    assert partstream("data", "ground-truth", data, truth, "--every", 5).exit_code == 0
    scored = partstream("evaluate", "--gt", truth, "--pred", out, "--observed", out / "online.json", "--json")
    assert scored.exit_code == 0, scored.output
    scores = json.loads(scored.stdout)
    assert (scores["videos"], scores["people"], scores["people_matched"]) == (2, 3, 3)
    assert scores["observed"] is not None
    assert [warning for warning in scores["warnings"] if "'third'" not in warning] == []


def test_frames_have_integer_boxes_and_one_proposal_of_the_vocabulary(data: Path, tmp_path: Path) -> None:
    only = tmp_path / "videos"
    only.mkdir()
    shutil.copy(video_file(data, "train", "walk", "roof"), only / "roof.mp4")
    predict = ("predict", "--videos", only, "--out", tmp_path / "out", "--device", "cpu", "--detector-size", "256x160")
    assert partstream(*predict, "--every", 4).exit_code == 0
    frames = json.loads((tmp_path / "out" / "pred_part_result.json").read_text())["roof"]
    assert list(frames) == ["img_00001.json", "img_00005.json", "img_00009.json"]
    people = [person for frame in frames.values() for person in frame["humans"]]
    states = packaged("edge").states_of
    assert people
    for one in people:
        assert all(isinstance(edge, int) for edge in one["box"])
        for name, part in one["parts"].items():
            assert part["name"] == name and len(part["box"]) == len(part["verb"]) == 1
            assert all(isinstance(edge, int) for edge in part["box"][0]) and part["verb"][0] in states[name]
    online = json.loads((tmp_path / "out" / "online.json").read_text())["roof"]
    assert [round(seconds * 30) for seconds, _, _ in online] == list(range(FRAMES))
    # With other options, existing predictions are not mixed in.
    mixed = partstream(*predict)
    assert mixed.exit_code == 2 and "use another folder, or --force" in mixed.stderr
