"""Training with a detector of people, parts and objects: cached features, and a checkpoint that contains the
detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ring_buffers.frames import FrameMeta, Lease
from stages.checkpoint import load
from stages.detection.cascade_rcnn import detector_file
from stages.profiles import load_model
from stages.third_party.weights import WeightsError
from stages.vocabulary import PARTS
from support.models.drawn_people import CLASSES, SIZE, trained_detector, walking, write_film
from support.repository import REPOSITORY
from support.training.training_examples import stand_in_table
from training.annotated_videos.region_sources import detector_source
from training.annotated_videos.sightings import read_roi
from training.kinetics_tps import (
    AnnotatedFrame,
    AnnotatedPart,
    AnnotatedPerson,
    Lists,
    Video,
    VideoFacts,
    video_file,
    write_annotations,
    write_frame_list,
    write_lists,
)
from training.run.clip_run import watch_settings, watched_folder
from training.run.train import train
from training.settings.run_config import TrainingConfig
from training.settings.run_config import load as load_config

CONFIG = REPOSITORY / "training" / "configs" / "kinetics-tps-tiny.yaml"
FRAMES = 16


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stored = trained_detector()
    path = tmp_path_factory.mktemp("runs") / "detector.safetensors"
    detector_file.save(stored.model(), stored.description, path)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two videos of each of two classes, with people annotated where they are drawn in the first frame."""
    root = tmp_path_factory.mktemp("films")
    videos = []
    for action in ("sway", "stand"):
        for number in range(2):
            name = f"{action}-{number}"
            path = write_film(video_file(root, "train", action, name), FRAMES)
            parts = {
                "left_hand": AnnotatedPart(0, (60, 35, 77, 52), "hold" if action == "sway" else "none", "left_hand")
            }
            frames = (AnnotatedFrame(1, (AnnotatedPerson(1, (28, 9, 83, 118), parts),)),)
            videos.append(Video(name, action, path, VideoFacts(FRAMES, *SIZE), frames))
            write_annotations(root, videos[-1])
    write_lists(root, Lists(PARTS, ("none", "hold"), ("ball",)))
    write_frame_list(root, "train", {video.name: FRAMES for video in videos})
    return root


def on_films(films: Path, detector: Path, **model: Any) -> TrainingConfig:
    sizes = dict.fromkeys(("relevance_hidden", "state_hidden", "prior_hidden", "graph_hidden", "action_hidden"), 12)
    vgg = {"weights": None, "channels": 2, "hidden": 16, "short_side": 64}
    return load_config(
        CONFIG,
        {
            "steps": 4,
            "data": {"folder": str(films), "batch": 4, "window": 6, "normalisation_batches": 2, "held_out_share": 0},
            "model": {**sizes, "detector": str(detector), "vgg": vgg, **model},
            "evaluation": {"every": 0},
        },
    )


def test_a_run_uses_the_detector_and_its_checkpoint_needs_no_other_file(
    films: Path, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTSTREAM_CACHE", str(tmp_path / "empty"))
    copied = tmp_path / "detector.safetensors"
    copied.write_bytes(detector.read_bytes())
    config = on_films(films, copied)
    videos = watched_folder(config)
    clip = videos.clips["train"][0]
    assert set(np.unique(clip.seen.track)) == {1, 2} and clip.seen.keypoints.shape == (len(clip.rows), 0, 3)
    assert clip.present.mean() > 0.8
    assert (clip.labels.action >= 0).any() and clip.labels.states_known.any()
    assert clip.features is not None
    kept = read_roi(clip.features, 0, len(clip.rows))
    # One of the two has a ball, so their object is not the whole picture.
    assert kept.objects.shape == (len(clip.rows), 1, 16) and len(torch.unique(kept.objects, dim=0)) > FRAMES

    words = videos.vocabulary
    out = tmp_path / "model.safetensors"
    train(config, out, priors=stand_in_table(words, torch.randn(10, len(words.states), 48)), videos=videos)
    copied.unlink()
    assert load(out).detector is not None
    model = load_model(str(out), "cpu", threads=1)
    format = model.slot_format(SIZE, None)
    for number, picture in enumerate(walking(4)):
        meta = FrameMeta("hall", 1, number, number * 100_000, 0, "media", 0, 0, SIZE, format)
        (analysis,) = model.process([Lease(meta, picture, 0)])
    assert [person.track for person in analysis.people] == [1, 2]
    assert all(person.action is not None and len(person.parts) > 8 for person in analysis.people)
    assert [thing.label for thing in analysis.objects] == ["ball"]


def test_a_missing_changed_or_partless_detector_is_reported(detector: Path, tmp_path: Path) -> None:
    path = tmp_path / "detector.safetensors"
    config = on_films(tmp_path, path)
    with pytest.raises(
        WeightsError, match=r"model\.detector: .*detector\.safetensors can't be read.*partstream train detector"
    ):
        watch_settings(config)
    path.write_bytes(detector.read_bytes())
    source = detector_source(config)
    assert source is not None and source.stored().description.classes == CLASSES
    path.write_bytes(b"torn")
    with pytest.raises(WeightsError, match="has changed since the run began"):
        source.make()
    again = detector_source(config)
    assert again is not None
    with pytest.raises(WeightsError, match=r"model\.detector: .*not a safetensors file"):
        again.make()
