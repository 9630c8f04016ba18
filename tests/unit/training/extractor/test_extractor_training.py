"""Training of the extractor on annotated boxes: what is asked of each, views, folded batch norm, the file."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from stages.keypoint_features.skeleton import KEYPOINTS
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.region_features.vgg_weights import load_features
from support.training.kinetics_tps_examples import FACTS, person, put_dataset
from training.extractor.batch_norm import folded, with_batch_norm
from training.extractor.box_examples import KINDS, UNKNOWN, Example, centre_view, random_view, read_examples
from training.extractor.extractor_run import run_training
from training.extractor.extractor_training import BoxReader, ExtractorTraining, losses, train_extractor
from training.kinetics_tps import AnnotatedFrame, Video, video_file
from training.picture_training.optimisation import PictureTrainingError
from training.synthetic.videos.truth import Keypoint, TrueFrame, TruePerson, Truth, truth_file, write_truth

VERBS, ACTIONS = ("hold", "none"), ("lunge", "wave")
SMALL = VggConfig(channels=2, hidden=16, short_side=64, dropout=0.0)
SHORT = ExtractorTraining(steps=2, batch=2, crop=64, shuffle_buffer=2)


def example(root: Path, name: str = "a1") -> Video:
    """A person with three parts, of one of which nobody has a word for what it does, in two frames."""
    somebody = person(box=(10, 5, 39, 59), head="none", left_hand="hold", right_hand="others")
    frames = tuple(AnnotatedFrame(index, (somebody,)) for index in (1, 4))
    return Video(name, "lunge", video_file(root, "train", "lunge", name), FACTS, frames)


def read(root: Path, video: Video) -> list[Example]:
    return list(read_examples(root, video, [1, 4], VERBS, ACTIONS, 128))


def test_each_box_has_its_part_state_and_action(tmp_path: Path) -> None:
    video = example(tmp_path)
    put_dataset(tmp_path, [video])
    first, second = read(tmp_path, video)
    assert [KINDS[kind] for kind in first.kind] == ["person", "head", "left_hand", "right_hand"]
    assert first.verb.tolist() == [UNKNOWN, 1, 0, UNKNOWN] and first.action.tolist() == [0] * 4
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
    assert first.action.tolist() == [1] * 4 and second.action.tolist() == [UNKNOWN] * 4


def test_a_boxs_labels_follow_it_into_a_view() -> None:
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [44, 44, 60, 60]], np.float32)
    kinds = np.array([KINDS.index(name) for name in ("head", "left_hand", "right_foot")])
    whole = Example(np.zeros((64, 64, 3), np.uint8), boxes, kinds, np.array([0, 1, 2]), np.array([3, 4, 5]))
    middle = centre_view(whole, 32)
    assert [KINDS[kind] for kind in middle.kind] == ["left_hand"]
    assert middle.boxes.tolist() == [[4, 4, 14, 14]] and (middle.verb, middle.action) == ([1], [4])
    random = np.random.default_rng(0)
    views = [random_view(whole, 48, 0.1, random) for _ in range(100)]
    hands = {KINDS[kind] for view in views for kind, verb in zip(view.kind, view.verb, strict=True) if verb == 1}
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


def square(seed: int) -> Example:
    """A left hand is red and holds, a right one is blue and does nothing."""
    random = np.random.default_rng(seed)
    picture = random.integers(90, 130, (64, 64, 3), np.uint8)
    boxes: list[list[int]] = []
    for at, colour in enumerate(((250, 40, 40), (40, 40, 250))):
        x, y = 32 * at + int(random.integers(0, 12)), int(random.integers(0, 40))
        picture[y : y + 20, x : x + 20] = colour
        boxes.append([x, y, x + 20, y + 20])
    kinds = np.array([KINDS.index("left_hand"), KINDS.index("right_hand")])
    action = np.array([seed % 2] * 2) if seed < 1000 else np.array([UNKNOWN] * 2)
    return Example(picture, np.array(boxes, np.float32), kinds, np.array([0, 1]), action)


def test_the_extractor_learns_its_tasks_and_keeps_them_without_batch_norm() -> None:
    torch.manual_seed(0)
    extractor = VggFeatures(SMALL)
    plain, extractor.features = extractor.features, with_batch_norm(extractor.features)
    reader = BoxReader(extractor, len(VERBS), len(ACTIONS)).train()
    optimiser = torch.optim.AdamW(reader.parameters(), 3e-3)
    terms: list[dict[str, torch.Tensor]] = []
    for step in range(60):
        terms.append(losses(reader(some := [square(4 * step + row) for row in range(4)]), some))
        optimiser.zero_grad()
        torch.stack(list(terms[-1].values())).sum().backward()
        optimiser.step()
    assert terms[-1]["verb"] < 0.2 * terms[0]["verb"] and terms[-1]["kind"] < 0.2 * terms[0]["kind"]
    # Nothing in the pictures says it.
    assert terms[-1]["action"] > 0.4
    extractor.features = folded(reader.eval().extractor.features)
    assert len(extractor.features) == len(plain)
    unseen = [square(seed) for seed in range(1000, 1016)]
    assert (reader(unseen)["verb"].argmax(-1).view(-1, 2) == torch.tensor([0, 1])).float().mean() > 0.9
    # Where nothing is known nothing is learned.
    assert losses(reader(unseen), unseen)["action"] == 0


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


def test_a_broken_video_is_left_out_and_none_left_ends_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = example(tmp_path, "a1"), example(tmp_path, "a2")
    put_dataset(tmp_path, [good, bad])
    bad.path.write_bytes(b"nothing")

    def train(videos: list[Video], minutes: float | None = None) -> int:
        return train_extractor(
            VggFeatures(SMALL), tmp_path, videos, VERBS, ACTIONS, SHORT, given=False, minutes=minutes
        )[1]

    with caplog.at_level(logging.WARNING):
        assert train([good, bad]) == 2
    assert caplog.text.count("a2.mp4: can't be read") == 1
    with pytest.raises(PictureTrainingError, match="none of the videos can be read"):
        train([bad])
    assert train([good], minutes=0) == 0


def test_an_infinite_loss_ends_the_run(tmp_path: Path) -> None:
    video = example(tmp_path)
    put_dataset(tmp_path, [video])
    broken = VggFeatures(SMALL)
    broken.fc7.weight.data.fill_(float("nan"))
    with pytest.raises(PictureTrainingError, match=r"the loss is nan at step 0: train with a lower learning rate"):
        train_extractor(broken, tmp_path, [video], VERBS, ACTIONS, SHORT, given=False)
