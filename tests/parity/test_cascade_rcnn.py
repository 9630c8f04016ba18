"""Cascade and Faster R-CNN in partstream against mmdet, on the same pictures and weights."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.detection.cascade_rcnn.cascade_rcnn import MAX_OBJECTS, CascadeRCNN
from stages.detection.cascade_rcnn.detector_model import DetectorDescription, build
from stages.detection.detections import DetectorError
from stages.vocabulary import PARTS
from support.models.random_detectors import (
    CLASSES,
    answers_of_mmdet,
    random_detector,
    random_picture,
    small_cascade,
    small_faster_rcnn,
    small_reversed,
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one thread, because the number of threads changes the order of sums and so their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def net() -> CascadeRCNN:
    return CascadeRCNN(random_detector(small_cascade()), small_cascade())


def in_slots(net: CascadeRCNN, pictures: list[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Return pictures of their format's content size in one batch: uint8 `[B, H, W, 3]`, and content `[B, 2]`."""
    formats = [net.slot_format((picture.shape[1], picture.shape[0])) for picture in pictures]
    slots = np.zeros((len(pictures), *formats[0].shape), np.uint8)
    for slot, picture in zip(slots, pictures, strict=True):
        slot[: picture.shape[0], : picture.shape[1]] = picture
    return torch.from_numpy(slots), torch.tensor([format.content for format in formats]).float()


def detect(net: CascadeRCNN, pictures: list[NDArray[np.uint8]]) -> list[Tensor]:
    """Return all boxes of each picture: `[R, 6]`."""
    boxes = net.boxes(net(*in_slots(net, pictures))[1])
    return [picture_boxes[picture_boxes[:, 4] > 0] for picture_boxes in boxes]


def close(ours: Tensor, theirs: Tensor) -> None:
    assert len(theirs) > 20
    assert ours.shape == theirs.shape
    assert torch.equal(ours[:, 5], theirs[:, 5])
    for columns in (slice(0, 4), slice(4, 5)):
        assert (ours[:, columns] - theirs[:, columns]).abs().max() <= 1e-5 * theirs[:, columns].abs().max()


@pytest.mark.parametrize("describe", [small_cascade, small_faster_rcnn, small_reversed])
@pytest.mark.parametrize("fixed", [False, True], ids=["any-shapes", "fixed-shapes"])
def test_boxes_scores_and_labels_equal_those_of_inference_detector(
    describe: Callable[[], DetectorDescription], fixed: bool
) -> None:
    description = describe()
    model = random_detector(description)
    picture = random_picture(150, 84)
    theirs = answers_of_mmdet(model, picture, description.scale)
    net = CascadeRCNN(model, description)
    net.fixed_shapes = fixed
    (ours,) = detect(net, [picture])
    assert len(set(ours[:, 5].tolist())) >= 3
    close(ours, theirs)


def test_a_batch_of_pictures_gives_the_same_as_single_pictures(net: CascadeRCNN) -> None:
    pictures = [random_picture(150, height, seed) for seed, height in enumerate((84, 90, 76))]
    assert {net.slot_format((150, picture.shape[0])).size for picture in pictures} == {(160, 96)}
    together = detect(net, pictures)
    for picture, ours in zip(pictures, together, strict=True):
        close(ours, detect(net, [picture])[0])


def used_rows(rows: NDArray[np.float32]) -> list[list[float]]:
    """Return the used rows; they must come first, and the others must be zero."""
    count = int((rows[:, 4] > 0).sum())
    assert not rows[count:].any()
    return rows[:count].tolist()


def test_people_parts_and_objects_are_the_best_boxes_of_their_classes(net: CascadeRCNN) -> None:
    pictures = [random_picture(150, 84, seed) for seed in (0, 1)]
    _, heads = net(*in_slots(net, pictures))
    found = net.decode(heads, 4)
    assert found.packed.shape == (2, 4 + len(PARTS) * 4 + MAX_OBJECTS, 6)
    rows = found.packed.numpy()
    objects = {float(CLASSES.index("ball")), float(CLASSES.index("bat"))}
    compared = 0
    for picture, boxes in enumerate(net.boxes(heads).tolist()):
        of_class = {name: [box for box in boxes if box[4] > 0 and CLASSES[int(box[5])] == name] for name in CLASSES}
        assert used_rows(found.layout.people_of(rows)[picture]) == of_class["person"][:4]
        for part, of_part in zip(PARTS, found.layout.parts_of(rows)[picture], strict=True):
            assert used_rows(of_part) == of_class[part][:4]
            compared += len(of_class[part])
        assert used_rows(found.layout.objects_of(rows)[picture]) == [
            box for box in boxes if box[5] in objects and box[4]
        ]
    assert compared > 20


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("roi_head", "bbox_roi_extractor", "roi_layer", "pool_mode"), "max"),
        (("test_cfg", "rcnn", "nms", "type"), "soft_nms"),
        (("data_preprocessor", "pad_value"), 7),
    ],
)
def test_an_unsupported_configuration_is_rejected_with_its_section(path: tuple[str, ...], value: object) -> None:
    description = small_cascade()
    section: Any = description.model
    for name in path[:-1]:
        section = section[name]
    section[path[-1]] = value
    with pytest.raises(DetectorError, match=path[-2]):
        CascadeRCNN(build(description), description)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_same_boxes_are_computed_without_waiting_for_the_device(net: CascadeRCNN) -> None:
    slots, content = in_slots(net, [random_picture(150, 84)])
    wanted = net.boxes(net(slots, content)[1])
    on_device = copy.deepcopy(net).cuda()
    slots, content = slots.cuda(), content.cuda()
    on_device.decode(on_device(slots, content)[1], 4)
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = on_device.boxes(on_device(slots, content)[1])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    torch.testing.assert_close(found.cpu(), wanted, rtol=1e-3, atol=1e-2)
