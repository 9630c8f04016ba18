"""Training of the extractor on annotated boxes: what is asked of each, views, folded batch norm, the file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import nn

from stages.keypoint_features.skeleton import KEYPOINTS
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import load_features
from support.training.kinetics_tps_examples import FACTS, person, put_dataset
from training.kinetics_tps import AnnotatedFrame, Video, video_file
from training.kinetics_tps.names import swapped_sides
from training.picture_training.extractor import (
    KINDS,
    UNKNOWN,
    ExtractorTraining,
    folded,
    read_examples,
    run_training,
    with_batch_norm,
)
from training.picture_training.pictures import LabelledPicture, centre_view, random_view
from training.synthetic.videos.truth import Keypoint, TrueFrame, TruePerson, Truth, truth_file, write_truth

VERBS, ACTIONS = ("hold", "none"), ("lunge", "wave")
SMALL = VggConfig(channels=2, hidden=16, short_side=64, dropout=0.0)
SHORT = ExtractorTraining(steps=2, batch=2, crop=64, shuffle_buffer=2)


def example(root: Path, name: str = "a1") -> Video:
    """A person with three parts, of one of which nobody has a word for what it does, in two frames."""
    somebody = person(box=(10, 5, 39, 59), head="none", left_hand="hold", right_hand="others")
    frames = tuple(AnnotatedFrame(index, (somebody,)) for index in (1, 4))
    return Video(name, "lunge", video_file(root, "train", "lunge", name), FACTS, frames)


def read(root: Path, video: Video) -> list[LabelledPicture]:
    return list(read_examples(root, video, [1, 4], VERBS, ACTIONS, 128))


def test_each_box_has_its_part_state_and_action(tmp_path: Path) -> None:
    video = example(tmp_path)
    put_dataset(tmp_path, [video])
    first, second = read(tmp_path, video)
    assert [KINDS[kind] for kind in first.labels[:, 0]] == ["person", "head", "left_hand", "right_hand"]
    assert first.labels[:, 1].tolist() == [UNKNOWN, 1, 0, UNKNOWN] and first.labels[:, 2].tolist() == [0] * 4
    assert first.boxes[0].tolist() == [20, 10, 80, 120]
    assert (first.picture != second.picture).any()


def test_actions_come_from_the_truth_file_if_there_is_one(tmp_path: Path) -> None:
    video = example(tmp_path)
    put_dataset(tmp_path, [video])

    def true(action: str | None, left: float, number: int = 1) -> TruePerson:
        nowhere: Keypoint = (0.0, 0.0, 0)
        return TruePerson(number, 1.0, (left, 5.0, left + 29, 59.0), action, (nowhere,) * KEYPOINTS, {})

    # Somebody else first, who isn't annotated; in the fourth frame one action turns into another.
    frames = [TrueFrame(())] * FACTS.frames
    frames[0], frames[3] = TrueFrame((true("lunge", 60.0), true("wave", 10.4, 2))), TrueFrame((true(None, 10.0),))
    write_truth(truth_file(tmp_path, video.name), Truth(tuple(frames)))
    first, second = read(tmp_path, video)
    assert first.labels[:, 2].tolist() == [1] * 4 and second.labels[:, 2].tolist() == [UNKNOWN] * 4


def test_a_boxs_labels_follow_it_into_a_view() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [44, 44, 60, 60]], np.float32)
    kinds = np.array([KINDS.index(name) for name in ("head", "left_hand", "right_foot")])
    whole = LabelledPicture(np.zeros((64, 64, 3), np.uint8), boxes, np.stack([kinds, [0, 1, 2], [3, 4, 5]], -1))
    middle = centre_view(whole, 32)
    assert middle.boxes.tolist() == [[4, 4, 14, 14]]
    assert middle.labels.tolist() == [[KINDS.index("left_hand"), 1, 4]]
    random = np.random.default_rng(0)
    views = [random_view(whole, 48, swapped_sides(KINDS), random, 0.1) for _ in range(100)]
    hands = {KINDS[kind] for view in views for kind, verb, _ in view.labels if verb == 1}
    assert hands == {"left_hand", "right_hand"}
    assert all((view.boxes >= 0).all() and (view.boxes <= 48).all() for view in views)


def test_folding_a_batch_norm_changes_no_answer() -> None:
    torch.manual_seed(0)
    plain = VggFeatures(SMALL).features
    normed = with_batch_norm(plain).train()
    for layer in normed:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 2.0)
            nn.init.normal_(layer.bias)
    for _ in range(3):
        normed(torch.randn(4, 3, 48, 48))
    pictures = torch.randn(2, 3, 48, 64)
    with torch.no_grad():
        expected = normed.eval()(pictures)
        found = folded(normed)
        assert torch.allclose(found(pictures), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    assert [type(layer) for layer in found] == [type(layer) for layer in plain]


def test_a_run_writes_weights_that_training_loads_and_continues_without_batch_norm(tmp_path: Path) -> None:
    put_dataset(tmp_path, [example(tmp_path, name) for name in ("a1", "a2")])
    out = tmp_path / "runs" / "features.safetensors"
    whole = dataclasses.replace(SHORT, crop=VggConfig().short_side)

    def run(to: Path, start: str | None) -> dict[str, dict[str, float]]:
        return run_training(tmp_path, to, whole, start=start, sizes=(2, 16), held_out_share=0.5, frames=2)

    figures = run(out, None)
    assert figures["boxes"] == 8 and figures["action"] == {"right": 1.0, "most_frequent": 1.0}
    assert figures["verb"]["most_frequent"] == 1.0
    first = load_features(out, short_side=256)
    assert (first.config.channels, first.config.hidden) == (2, 16)
    run(tmp_path / "more.safetensors", str(out))
    more = load_features(tmp_path / "more.safetensors")
    changed = {name for name, tensor in more.state_dict().items() if not tensor.equal(first.state_dict()[name])}
    convolutions = [name for name in changed if name.startswith("features.")]
    assert "fc6.weight" in changed and convolutions
    # conv1 and conv2 of given weights stay as they are.
    assert min(int(name.split(".")[1]) for name in convolutions) == 10
