"""NanoDet-g in torch against its published graph, run once in TensorFlow.js (tests/fixtures/graph_reference.mjs)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou, nms

from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.detection.nanodet.nanodet import MIN_SCORE, SUPPRESSION_OVERLAP, Boxes, Heads, NanoDet
from stages.detection.nanodet.nanodet_network import CLASSES, STRIDES
from support.models.reference_frames import CASES, NANODET_CASES, Case, picture
from support.repository import REPOSITORY

REFERENCE = json.loads((REPOSITORY / "tests" / "fixtures" / "nanodet_reference.json").read_text())["results"]
SHELF = Case("shelf-480x640", "talking", "jwpIntro.mp4", 10, 0, 0, 480, 640)
"""A man before shelves of books."""
BY_NAME = {case.name: case for case in (*CASES, *NANODET_CASES)}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def net() -> NanoDet:
    return NanoDet.load()


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    return torch.stack([torch.from_numpy(picture(case)) for case in NANODET_CASES])


@pytest.mark.parametrize("index", range(len(NANODET_CASES)), ids=lambda index: NANODET_CASES[index].name)
def test_scores_and_distributions_equal_those_of_the_published_graph(
    index: int, net: NanoDet, pictures: Tensor
) -> None:
    reference = REFERENCE[NANODET_CASES[index].name]
    one = pictures[index : index + 1]
    same_input = hashlib.sha256(one.numpy().tobytes()).hexdigest() == reference["sha256"]
    where = "same input" if same_input else "input decoded differently on this machine"
    cells = [output[0].flatten(1).T for output in net(one).maps]
    assert [len(level) for level in cells] == [2704, 676, 169]
    scores, logits = [level[:, :CLASSES].sigmoid() for level in cells], [level[:, CLASSES:] for level in cells]
    for level, expected in zip((*scores, *logits), reference["sampled"], strict=True):
        difference = (level.flatten()[::997] - torch.tensor(expected)).abs().max()
        assert difference < (1e-3 if same_input else 0.2), where
    for level, best in enumerate(reference["best"]):
        for cell, label, score, *bins in best:
            assert (scores[level][cell, label] - score).abs() < (1e-4 if same_input else 0.05), where
            assert (logits[level][cell] - torch.tensor(bins)).abs().max() < (1e-3 if same_input else 0.2), where
        if same_input:
            best_cells = scores[level].amax(1).topk(len(best)).indices
            assert best_cells.tolist() == [cell for cell, *_ in best]


def found_in(net: NanoDet, whole: Tensor) -> Boxes:
    return net.decode(net(whole[None]))


def named(boxes: Boxes, min_score: float) -> list[tuple[str, Tensor]]:
    rows = zip(boxes.labels[0].tolist(), boxes.scores[0].tolist(), boxes.boxes[0], strict=True)
    return [(CLASS_NAMES[label], box) for label, score, box in rows if score > min_score]


def every_cell(heads: Heads) -> tuple[Tensor, Tensor]:
    """The box and the class scores of every cell of one picture, `[N, 4]` and `[N, 80]`, one stride after the other."""
    boxes, scores = [], []
    for output, stride in zip(heads.maps, STRIDES, strict=True):
        height, width = output.shape[2:]
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        sides = output[0, CLASSES:].unflatten(0, (4, 11)).softmax(1)
        left, top, right, bottom = (sides * torch.arange(11.0)[:, None, None]).sum(1)
        box = torch.stack((x - left, y - top, x + right, y + bottom), -1).clamp_min(0) * stride
        limits = torch.tensor([width, height, width, height]) * stride
        boxes.append(box.minimum(limits).flatten(0, 1))
        scores.append(output[0, :CLASSES].sigmoid().flatten(1).T)
    return torch.cat(boxes), torch.cat(scores)


@pytest.mark.parametrize("case", [*NANODET_CASES, SHELF], ids=lambda case: case.name)
def test_boxes_equal_those_of_the_published_decoding(case: Case, net: NanoDet) -> None:
    """Compare with a loop over all cells and classes, and torchvision's suppression of each class by itself."""
    heads = net(torch.from_numpy(picture(case))[None])
    expected: list[tuple[float, int, list[float]]] = []
    boxes, scores = every_cell(heads)
    for label in range(CLASSES):
        rows = torch.nonzero(scores[:, label] > MIN_SCORE)[:, 0]
        kept = rows[nms(boxes[rows], scores[rows, label], SUPPRESSION_OVERLAP)]
        expected += [(float(scores[row, label]), label, boxes[row].tolist()) for row in kept]
    expected.sort(key=lambda one: -one[0])
    found = net.decode(heads)
    used = found.scores[0] > 0
    assert 20 < used.sum() <= 100 and not found.packed[0, ~used].any()
    assert found.scores[0, used].tolist() == [score for score, _, _ in expected][: int(used.sum())]
    assert found.labels[0, used].tolist() == [label for _, label, _ in expected][: int(used.sum())]
    boxes = torch.tensor([box for _, _, box in expected][: int(used.sum())])
    assert (found.boxes[0, used] - boxes).abs().max() < 1e-3


def test_the_fixed_size_decoding_gives_the_same_boxes(
    net: NanoDet, pictures: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.detection import suppression

    heads = net(pictures)
    expected = net.decode(heads)
    in_rounds = suppression.nms_mask
    monkeypatch.setattr(
        suppression, "nms_mask", lambda boxes, scores, threshold, labels, _: in_rounds(boxes, scores, threshold, labels)
    )
    found = net.decode(heads)
    assert (expected.scores > 0).sum() > 100
    assert torch.equal(found.packed, expected.packed)


def test_a_batch_of_pictures_gives_exactly_the_same_as_single_pictures(net: NanoDet, pictures: Tensor) -> None:
    together = net.decode(net(pictures))
    assert together.packed.shape == (len(pictures), 100, 6)
    singles = [net.decode(net(one[None])).packed for one in pictures]
    assert torch.equal(together.packed, torch.cat(singles))
    assert torch.equal(together.packed, net.decode(net(pictures)).packed), "deterministic"
    assert net.decode(net(pictures[:0])).packed.shape == (0, 100, 6)


def test_all_eight_people_of_the_street_and_the_parked_car_are_found(net: NanoDet) -> None:
    street = torch.from_numpy(picture(BY_NAME["crowd-576x768"]))
    found = named(found_in(net, street), 0.45)
    people = torch.stack([box for name, box in found if name == "person"])
    height = people[:, 3] - people[:, 1]
    assert (height > 45).sum() == 8, "eight pedestrians, counted by eye"
    (car,) = [box for name, box in found if name == "car" and box[0] > 725]
    assert box_iou(car[None], torch.tensor([[733.0, 51, 768, 95]])).item() > 0.8


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_nothing_waits_for_the_device_and_boxes_are_the_same(net: NanoDet, pictures: Tensor) -> None:
    expected = net.decode(net(pictures))
    device_net, on_device = NanoDet.load().cuda(), pictures.cuda()
    device_net.decode(device_net(on_device))  # The first run sets up workspaces and kernels.
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = device_net.decode(device_net(on_device))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    clear = expected.scores > 0.3
    assert (found.packed.cpu()[clear] - expected.packed[clear]).abs().max() < 0.5
