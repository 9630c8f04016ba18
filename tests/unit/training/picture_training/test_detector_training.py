"""Training of detectors: average precision, pictures and boxes out of annotated videos, views, losses, and the file."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages.detection.cascade_rcnn.detector_file import load
from stages.detection.cascade_rcnn.detector_model import DetectorDescription, build, narrow_detector
from stages.vocabulary import PARTS
from support.training.kinetics_tps_examples import FACTS, LISTS, person, put_dataset
from training.kinetics_tps import AnnotatedFrame, AnnotatedObject, Lists, Video, video_file
from training.kinetics_tps.names import swapped_sides
from training.picture_training.detector import (
    DetectorTraining,
    average_precision,
    classes_of,
    read_pictures,
    run_training,
    train_detector,
)
from training.picture_training.pictures import LabelledPicture, PictureTrainingError, centre_view, cropped, mirrored

SQUARE, AWAY = [0.0, 0.0, 10.0, 10.0], [50.0, 50.0, 60.0, 60.0]


def rows(*boxes: list[float]) -> np.ndarray:
    width = len(boxes[0]) if boxes else 5
    return np.array(boxes, np.float32).reshape(-1, width)


def test_precision_is_one_if_exactly_the_true_boxes_are_detected() -> None:
    assert average_precision([rows([*SQUARE, 0.3], [*AWAY, 0.2])], [rows(SQUARE, AWAY)]) == 1


def test_detections_are_ranked_over_all_pictures_and_matched_within_each() -> None:
    found = [rows([*AWAY, 0.9]), rows([*SQUARE, 0.8])]
    assert average_precision(found, [rows(SQUARE), rows(SQUARE)]) == pytest.approx(0.5 * 0.5)


def test_a_second_box_on_the_same_object_is_wrong() -> None:
    twice = [rows([*SQUARE, 0.9], [*SQUARE, 0.8], [*AWAY, 0.7])]
    assert average_precision(twice, [rows(SQUARE, AWAY)]) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_the_precision_at_a_recall_is_the_best_at_that_or_a_greater_one() -> None:
    # right, wrong, right, right: precisions 1, 2/3, 3/4 become 1, 3/4, 3/4.
    found = [rows([*SQUARE, 0.9]), rows([*AWAY, 0.8]), rows([*SQUARE, 0.7]), rows([*SQUARE, 0.6])]
    true = [rows(SQUARE), np.zeros((0, 4), np.float32), rows(SQUARE), rows(SQUARE)]
    assert average_precision(found, true) == pytest.approx((1 + 0.75 + 0.75) / 3)


CPU = torch.device("cpu")
CLASSES = ("person", *PARTS, "ball")


def example(root: Path, name: str = "a1", action: str = "lunge") -> Video:
    """A person with two parts in five frames, and a ball in the last."""
    somebody = person(box=(10, 5, 39, 59), head="none", left_hand="hold")
    frames = [AnnotatedFrame(index, (somebody,)) for index in (1, 4, 6, 9)]
    frames.append(AnnotatedFrame(11, (somebody,), (AnnotatedObject(1, (50, 30, 59, 39), "ball"),)))
    return Video(name, action, video_file(root, "train", action, name), FACTS, tuple(frames))


def test_annotated_frames_have_boxes_scaled_like_the_picture(tmp_path: Path) -> None:
    video = example(tmp_path)
    put_dataset(tmp_path, [video])
    pictures = list(read_pictures(video, [4, 11], CLASSES, 128))
    assert [labelled.picture.shape for labelled in pictures] == [(128, 192, 3)] * 2
    names = [[CLASSES[label] for label in labelled.labels] for labelled in pictures]
    assert names == [["person", "head", "left_hand"], ["person", "head", "left_hand", "ball"]]
    # Twice as large, and the last pixel of an annotation is inside.
    assert pictures[1].boxes[0].tolist() == [20, 10, 80, 120]
    assert pictures[1].boxes[3].tolist() == [100, 60, 120, 80]
    assert (pictures[0].picture != pictures[1].picture).any()


def test_classes_are_person_parts_and_listed_or_annotated_objects(tmp_path: Path) -> None:
    assert classes_of(LISTS, []) == CLASSES
    assert classes_of(Lists(PARTS, ("none",), ()), [example(tmp_path)]) == CLASSES
    assert classes_of(Lists(PARTS, ("none",), ("bat", "ball")), []) == (*CLASSES, "bat")


def drawn() -> LabelledPicture:
    """A picture whose boxes are filled with 10 times their row."""
    boxes = np.array([[4, 2, 14, 12], [20, 8, 30, 22], [0, 20, 6, 24]], np.float32)
    picture = np.zeros((24, 40, 3), np.uint8)
    for row, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        picture[y1:y2, x1:x2] = 10 * (row + 1)
    return LabelledPicture(picture, boxes, np.array([1, 2, 0]))


def filled(view: LabelledPicture) -> list[int]:
    """What each box is filled with; it must be filled with one thing and hold all of it."""
    values: list[int] = []
    for x1, y1, x2, y2 in view.boxes.astype(int):
        inside = view.picture[y1:y2, x1:x2]
        assert (inside == inside[0, 0]).all()
        assert (view.picture == inside[0, 0]).sum() == inside.size
        values.append(int(inside[0, 0, 0]))
    return values


def test_boxes_move_with_a_crop_and_those_mostly_outside_are_dropped() -> None:
    view = cropped(drawn(), 10, 2, 20)
    assert view.picture.shape == (20, 20, 3)
    assert view.boxes.tolist() == [[0, 0, 4, 10], [10, 6, 20, 20]] and view.labels.tolist() == [1, 2]
    assert filled(view) == [10, 20]
    # A fifth of the first is left.
    assert cropped(drawn(), 12, 2, 20).labels.tolist() == [2]
    assert centre_view(drawn(), 24).labels.tolist() == [1, 2]


def test_a_mirrored_picture_has_mirrored_boxes_and_sides() -> None:
    swapped = swapped_sides(("head", "left_hand", "right_hand"))
    assert swapped.tolist() == [0, 2, 1]
    assert swapped_sides(("left_over", "ball")).tolist() == [0, 1]
    view = mirrored(drawn(), swapped)
    assert filled(view) == [10, 20, 30] and view.labels.tolist() == [2, 1, 0]
    again = mirrored(view, swapped)
    assert (again.picture == drawn().picture).all() and (again.boxes == drawn().boxes).all()


@pytest.fixture
def small() -> DetectorDescription:
    description = narrow_detector(("person",))
    model: Any = description.model
    model["train_cfg"]["rpn_proposal"].update(nms_pre=100, max_per_img=50)
    for stage in model["train_cfg"]["rcnn"]:
        stage["sampler"]["num"] = 32
    return description


def folder(root: Path) -> Path:
    put_dataset(root, [example(root, name, action) for name, action in (("a1", "lunge"), ("a2", "lunge"))])
    return root


SHORT = DetectorTraining(steps=2, batch=2, short_side=64, crop=64, shuffle_buffer=2)


def test_a_run_writes_a_detector_that_loads_with_its_classes_and_figures(tmp_path: Path) -> None:
    out = tmp_path / "runs" / "detector.safetensors"
    figures = run_training(folder(tmp_path), out, SHORT, held_out_share=0.5, command="the command", frames=2)
    model, description = load(out)
    assert description.classes == CLASSES
    assert (description.trained, description.training_command) == (True, "the command")
    assert description.metrics["training"]["steps_taken"] == 2 and description.metrics["training"]["videos"] == 1
    assert description.metrics["held_out"] == figures and figures["pictures"] == 2
    assert any(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules())
    again = run_training(tmp_path, tmp_path / "more.safetensors", SHORT, start=out, held_out_share=0.5, frames=2)
    assert set(again["ap50"]) == set(figures["ap50"]) == {"person", "head", "left_hand", "ball"} - {"ball"}


def test_a_broken_video_is_left_out_and_none_left_ends_the_run(
    tmp_path: Path, small: DetectorDescription, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = example(tmp_path, "a1"), example(tmp_path, "a2")
    put_dataset(tmp_path, [good, bad])
    bad.path.write_bytes(b"nothing")
    description = dataclasses.replace(small, classes=("person",))
    model = build(description, initialise=True)
    with caplog.at_level(logging.WARNING):
        assert train_detector(model, description, [good, bad], SHORT, CPU) == 2
    assert caplog.text.count("a2.mp4: can't be read") == 1
    with pytest.raises(PictureTrainingError, match="none of the videos can be read"):
        train_detector(model, description, [bad], SHORT, CPU)


def test_an_infinite_loss_ends_the_run(tmp_path: Path, small: DetectorDescription) -> None:
    video = example(tmp_path)
    put_dataset(tmp_path, [video])
    model = build(small, initialise=True)
    next(model.parameters()).data.fill_(float("nan"))
    with pytest.raises(PictureTrainingError, match=r"the loss is nan at step 0: train with a lower learning rate"):
        train_detector(model, small, [video], SHORT, CPU)
