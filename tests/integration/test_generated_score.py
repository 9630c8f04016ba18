"""Scores of the real model on generated videos: the same pipeline as live, with one or several processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from run_stream import app
from stages.checkpoint import Checkpoint
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import MoveNet, slot_format
from stages.pipeline import Pipeline
from stages.profiles import load_checkpoint
from stages.settings import ModelSettings, PipelineSettings
from stages.third_party import weights
from support.models.seeing_checkpoints import seeing_checkpoint
from training.kinetics_tps.names import GROUND_TRUTH_FILES, frame_file, video_file
from training.synthetic.scoring.detectors import CachingDetector
from training.synthetic.scoring.known_videos import known_videos
from training.synthetic.scoring.runs import Conditions, load_bench
from training.synthetic.scoring.watched_pipeline import WatchedPipeline
from training.synthetic.videos.manifest import GeneratedVideo, Manifest, write_manifest
from training.synthetic.videos.truth import TrueFrame, TruePerson, Truth, truth_file, write_truth
from training.video.analysis import analyse_video

FRAMES, SIZE = 14, (256, 192)
UPRIGHT = (
    (0.50, 0.08), (0.54, 0.06), (0.46, 0.06), (0.58, 0.07), (0.42, 0.07), (0.75, 0.2), (0.25, 0.2), (0.85, 0.35),
    (0.15, 0.35), (0.9, 0.48), (0.1, 0.48), (0.65, 0.52), (0.35, 0.52), (0.65, 0.73), (0.35, 0.73), (0.65, 0.94),
    (0.35, 0.94),
)  # fmt: skip
"""COCO keypoints of an upright person who faces the camera, as shares of the box."""


def standing(number: int, left: float) -> TruePerson:
    box = (left, 20.0, left + 60.0, 160.0)
    joints = tuple((left + 60 * across, 20 + 140 * down, 1) for across, down in UPRIGHT)
    states = {"left_leg": ("stand",), "hip": ("stand",), "left_arm": ("none",)}
    return TruePerson(number, 1.0, box, "stand", joints, states)


@pytest.fixture(scope="module")
def test_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two videos of a real street, labelled with people who stand where no one is, as true keypoints show."""
    root = tmp_path_factory.mktemp("set")
    street = weights.locate("vtest", "vtest.avi")
    truth = Truth((TrueFrame((standing(1, 20), standing(2, 150))),) * FRAMES)
    parts: dict[str, object] = {}
    videos: list[GeneratedVideo] = []
    for number, name in enumerate(("first", "second")):
        path = video_file(root, "test", "stand", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(street)) as source, av.open(str(path), "w") as film:
            stream = film.add_stream("libx264", rate=10)
            stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
            for at, frame in enumerate(islice(source.decode(video=0), 20 * number, 20 * number + FRAMES)):
                picture = frame.reformat(*SIZE, "yuv420p")
                picture.pts, picture.time_base = at, Fraction(1, 10)
                film.mux(stream.encode(picture))
            film.mux(stream.encode(None))
        write_truth(truth_file(root, name), truth)
        people = [{"box": list(person.box), "parts": {}} for person in truth.frames[0].people]
        parts[name] = {frame_file(index): {"humans": people} for index in range(1, FRAMES + 1, 5)}
        videos.append(GeneratedVideo(name, "stand", False, (("stand",),) * 2, 2, "fixed", False, SIZE, 10.0, FRAMES))
    folder = root / "ground_truth"
    folder.mkdir()
    for file, content in zip(GROUND_TRUTH_FILES, (dict.fromkeys(parts, "stand"), parts)):
        (folder / file).write_bytes(msgspec.json.encode(content))
    write_manifest(root, Manifest(1, "c" * 64, "test", {}, tuple(videos)))
    return root


@pytest.mark.parametrize("make", [partial(load_checkpoint, "edge"), seeing_checkpoint])
def test_the_watched_pipeline_gives_the_pipelines_results_also_from_memory(
    test_set: Path, make: Callable[[], Checkpoint]
) -> None:
    torch.set_num_threads(1)
    film = video_file(test_set, "test", "stand", "first")
    checkpoint, settings = make(), PipelineSettings(model=ModelSettings(detection="full"))
    network = MoveNet.load()
    detector = KeypointDetector(network, slot_format)
    plain = list(analyse_video(Pipeline(detector, checkpoint, settings), film))
    remembering = CachingDetector(network, settings.model.max_people, keep_maps=True)
    watched = WatchedPipeline(KeypointDetector(remembering, slot_format), remembering, checkpoint, settings)
    assert any(frame.analysis.people for frame in plain)
    for _ in range(2):
        steps = watched.effort.steps
        for one, other in zip(plain, analyse_video(watched, film), strict=True):
            assert len(one.analysis.people) == len(other.analysis.people)
            for a, b in zip(one.analysis.people, other.analysis.people):
                assert (a.track, a.action and a.action.label) == (b.track, b.action and b.action.label)
                assert a.action is None or b.action is None or abs(a.action.score - b.action.score) < 1e-4
                np.testing.assert_allclose(a.box, b.box, atol=1e-3)
                scores = watched.state_scores(other.meta.frame, b.track)
                assert scores is not None and scores.shape == (len(watched.pairs),)
                in_force = {(part.part, label): score for part in b.parts for label, score in part.states}
                assert all(0 <= score <= 1 for score in in_force.values()) and (scores >= 0).all()
        assert watched.effort.steps > steps


def test_true_people_are_all_found_and_the_windows_agree_while_they_are_young(test_set: Path) -> None:
    manifest = msgspec.json.decode((test_set / "generated.json").read_bytes(), type=Manifest)
    video = known_videos(test_set, manifest)[0]
    truth = Truth((TrueFrame((standing(1, 20), standing(2, 150))),) * FRAMES)
    conditions = Conditions(true_keypoints=True)
    found = {}
    for window in ("staggered", "continuous"):
        chosen = msgspec.structs.replace(conditions, window=window)
        (scored,) = load_bench(["edge"], chosen, lambda name: truth).score(video)
        judgement = scored.video.judgement
        assert judgement.detector is not None and judgement.extras == []
        assert (judgement.detector.people, judgement.detector.close) == (2 * FRAMES, 2 * FRAMES)
        assert judgement.detector.errors.max() < 1e-5
        assert not any(one.missed for one in judgement.judged) and len(judgement.judged) == 2 * FRAMES
        found[window] = [(one.answer, round(one.score, 4)) for one in judgement.judged]
    assert found["staggered"] == found["continuous"]


def test_two_processes_give_the_scores_of_one(test_set: Path, tmp_path: Path) -> None:
    scores = []
    for workers in (1, 2):
        out = tmp_path / f"{workers}.json"
        words = ["generated", "score", str(test_set), "--own-set", "--true-keypoints", "--keypoint-noise", "1"]
        words += ["--drop", "0.6", "--workers", str(workers), "--json", str(out)]
        done = CliRunner(env={"COLUMNS": "200"}).invoke(app, words)
        assert done.exit_code == 0, done.output
        scores.append({name: value for name, value in json.loads(out.read_text()).items() if name != "step_ms"})
    assert scores[0] == scores[1]
    assert scores[0]["online"]["person_frames"] == 4 * FRAMES and scores[0]["detector"]["recall"] == 1.0
