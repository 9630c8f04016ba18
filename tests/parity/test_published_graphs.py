"""Networks in torch against their published graphs, run once in TensorFlow.js (tests/fixtures/graph_reference.mjs)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.ops import nms

from stages.detection.movenet import keypoint_decoding as decoding
from stages.detection.movenet.movenet import SIDE, MoveNet, Thunder
from stages.detection.movenet.movenet_network import Heads
from stages.detection.nanodet.nanodet import MIN_SCORE, SUPPRESSION_OVERLAP, NanoDet
from stages.detection.nanodet.nanodet import Heads as NanoDetHeads
from stages.detection.nanodet.nanodet_network import CLASSES, STRIDES
from support.models.reference_frames import CASES, NANODET_CASES, THUNDER_CASES, Case, picture
from support.repository import REPOSITORY

THUNDER_CELLS = SIDE // 4


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def reference(network: str) -> dict[str, Any]:
    return json.loads((REPOSITORY / "tests" / "fixtures" / f"{network}_reference.json").read_text())["results"]


@cache
def movenet() -> MoveNet:
    return MoveNet.load()


@cache
def thunder() -> Thunder:
    return Thunder.load()


@cache
def nanodet() -> NanoDet:
    return NanoDet.load()


@cache
def shown(*cases: Case) -> Tensor:
    return torch.from_numpy(np.stack([picture(case) for case in cases]))


def same_input(network: str, case: Case) -> bool:
    """Return whether this machine decodes the picture to the bytes that the published graph was given."""
    return hashlib.sha256(shown(case).numpy().tobytes()).hexdigest() == reference(network)[case.name]["sha256"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_people_of_movenet_equal_those_of_the_published_graph(case: Case) -> None:
    rows = torch.tensor(reference("movenet")[case.name]["people"])
    size = torch.tensor([case.width, case.height], dtype=torch.float32)
    boxes, scores = rows[:, [52, 51, 54, 53]] * size.repeat(2), rows[:, 55]
    keypoints = rows[:, :51].unflatten(1, (17, 3))
    found = movenet().decode(movenet()(shown(case))[1], 32, suppress_duplicates=False)
    for row in range(6):
        distance = (found.boxes[0] - boxes[row]).abs().amax(-1)
        match = int(distance.argmin())
        where = f"row {row} of {case.name}, same input: {same_input('movenet', case)}"
        assert distance[match] < 1, where
        if scores[row] > decoding.MIN_CENTRE_SCORE:
            assert (found.scores[0, match] - scores[row]).abs() < 0.01, where
        else:  # Not a person: the score is at most the graph's.
            assert found.scores[0, match] < scores[row] + 0.01, where
        assert (found.keypoints[0, match, :, :2] - keypoints[row][:, [1, 0]] * size).abs().max() < 0.5, where
        assert (found.keypoints[0, match, :, 2] - keypoints[row, :, 2]).abs().max() < 0.01, where


@pytest.mark.parametrize("case", THUNDER_CASES, ids=lambda case: case.name)
def test_keypoints_of_thunder_equal_those_of_the_published_graph(case: Case) -> None:
    expected = torch.tensor(reference("thunder")[case.name]["keypoints"])  # y and x as shares of the crop, score
    same = same_input("thunder", case)
    found = thunder().decode(thunder()(shown(case)))[0]
    assert found.shape == (17, 3) and found.dtype == torch.float32
    assert (found[:, :2] - expected[:, [1, 0]] * SIDE).abs().max() < (0.01 if same else 0.5), same
    assert (found[:, 2] - expected[:, 2]).abs().max() < (1e-4 if same else 0.01), same


@pytest.mark.parametrize("case", NANODET_CASES, ids=lambda case: case.name)
def test_scores_and_distributions_of_nanodet_equal_those_of_the_published_graph(case: Case) -> None:
    expected, same = reference("nanodet")[case.name], same_input("nanodet", case)
    cells = [output[0].flatten(1).T for output in nanodet()(shown(case)).maps]
    assert [len(level) for level in cells] == [2704, 676, 169]
    scores, logits = [level[:, :CLASSES].sigmoid() for level in cells], [level[:, CLASSES:] for level in cells]
    for level, sampled in zip((*scores, *logits), expected["sampled"], strict=True):
        assert (level.flatten()[::997] - torch.tensor(sampled)).abs().max() < (1e-3 if same else 0.2), same
    for level, best in enumerate(expected["best"]):
        for cell, label, score, *bins in best:
            assert (scores[level][cell, label] - score).abs() < (1e-4 if same else 0.05), same
            assert (logits[level][cell] - torch.tensor(bins)).abs().max() < (1e-3 if same else 0.2), same


Decoded = Callable[[Tensor], Tensor]


def decoded(network: str, device: str = "cpu") -> Decoded:
    """Return a network's whole computation, from pictures to people, keypoints or boxes."""
    if network == "movenet":
        multipose = movenet() if device == "cpu" else MoveNet.load().to(device)
        return lambda pictures: multipose.decode(multipose(pictures)[1], 12).packed
    if network == "thunder":
        single = thunder() if device == "cpu" else Thunder.load().to(device)
        return lambda pictures: single.decode(single(pictures))
    objects = nanodet() if device == "cpu" else NanoDet.load().to(device)
    return lambda pictures: objects.decode(objects(pictures)).packed


of_each_network = pytest.mark.parametrize(
    ("network", "cases"), [("movenet", CASES[3:]), ("thunder", THUNDER_CASES), ("nanodet", NANODET_CASES)]
)


@of_each_network
def test_a_batch_of_pictures_gives_the_same_as_single_pictures(network: str, cases: tuple[Case, ...]) -> None:
    run, pictures = decoded(network), shown(*cases)
    together = run(pictures)
    assert torch.equal(together, run(pictures)), "deterministic"
    for row, alone in enumerate(run(one[None])[0] for one in pictures):
        if network == "movenet":
            people = alone[:, 4] > 0.05
            assert people.sum() >= 2 and (together[row, people] - alone[people]).abs().max() < 0.01
        else:
            assert torch.equal(together[row], alone)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@of_each_network
def test_on_cuda_nothing_waits_for_the_device_and_the_results_are_the_same(
    network: str, cases: tuple[Case, ...]
) -> None:
    expected = decoded(network)(shown(*cases))
    run, pictures = decoded(network, "cuda"), shown(*cases).cuda()
    run(pictures)  # The first run sets up workspaces and kernels.
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = run(pictures)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    clear = ... if network == "thunder" else expected[..., 4] > 0.3
    assert (found.cpu()[clear] - expected[clear]).abs().max() < 0.5


def test_more_than_six_people_are_found() -> None:
    net = movenet()
    found = net.decode(net(shown(CASES[4]))[1], 32)
    people = found.scores[0] > 0.25
    assert people.sum() == 8, "eight pedestrians, counted by eye"
    overlap = decoding.overlaps(found.boxes[:, people], found.keypoints[:, people, :, :2], net.sigmas)[0]
    assert (overlap - torch.eye(8)).max() < 0.2, "eight different places"


def test_the_network_in_narrow_bands_equals_the_network_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for limit in (1 << 40, 700_000):
        monkeypatch.setattr("stages.detection.movenet.movenet_network._BAND_BYTES", limit)
        found.append(movenet()(shown(CASES[2]))[0])
    assert {stride: one.shape[1] for stride, one in found[0].items()} == {32: 64, 16: 96, 8: 48, 4: 24}
    for stride, one in found[0].items():
        assert (found[1][stride] - one).abs().max() <= 1e-5 * one.abs().max()


@pytest.mark.parametrize(("height", "width"), [(40, 56), (72, 80)])
def test_the_windowed_keypoint_search_equals_a_search_of_the_whole_map(height: int, width: int) -> None:
    """Compare with the graph's formula in float64, with sharp random peaks and boxes that exclude joints."""
    generator = torch.Generator().manual_seed(2)
    people, parts = 9, 17
    heatmap = torch.rand(1, parts, height, width, generator=generator) ** 8
    limits = torch.tensor([height, width], dtype=torch.float32)
    joints = torch.rand(1, people, parts, 2, generator=generator) * limits * 1.2 - limits * 0.1
    boxes = (torch.rand(1, people, 2, 2, generator=generator).sort(2).values * limits).flatten(2)
    y, x, score = decoding.refine_keypoints(heatmap, joints, boxes)

    rows, columns = torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64)
    weighted = torch.zeros(people, parts, height, width, dtype=torch.float64)
    for person in range(people):
        y1, x1, y2, x2 = boxes[0, person].double()
        inside = ((rows >= y1) & (rows < y2))[:, None] & ((columns >= x1) & (columns < x2))[None]
        for part in range(parts):
            joint = joints[0, person, part].double()
            distance = (rows - joint[0])[:, None] ** 2 + (columns - joint[1])[None] ** 2
            weight = torch.exp(-distance / (0.300048828125 * max(min(height, width), 64)))
            weighted[person, part] = heatmap[0, part].double() * weight * inside
    greatest = weighted[:6].amax(0)
    compared = 0
    for person in range(people):
        for part in range(parts):
            own = weighted[person, part]
            if own.max() < 1e-6:
                continue  # The joint has no weight in the person's box, so its position is arbitrary.
            best = int(own.argmax())
            assert (int(y[0, person, part]), int(x[0, person, part])) == (best // width, best % width)
            expected = max(own.max(), greatest[part].flatten()[best])
            assert score[0, person, part] == pytest.approx(float(expected), rel=1e-4)
            compared += 1
    assert compared > 60


def test_thunders_decoding_equals_the_formulas_of_the_published_graph_on_random_maps() -> None:
    """Compare with whole maps of all heads and a loop over the keypoints in float64."""
    net, cells = thunder(), THUNDER_CELLS
    generator = torch.Generator().manual_seed(2)
    heads = Heads(
        torch.rand(6, cells, cells, generator=generator) ** 8,
        torch.rand(6, 17, cells, cells, generator=generator) ** 8,
        torch.rand(6, 24, cells, cells, generator=generator) * 2,
    )
    found = net.decode(heads)
    regressed = net.network.keypoint_regression(heads.features).double()
    offsets = net.network.keypoint_offset(heads.features).double()

    def best(scores: Tensor, y: float, x: float) -> tuple[int, int]:
        at = torch.arange(cells, dtype=torch.float64)
        distance = torch.sqrt(((at - y) ** 2)[:, None] + ((at - x) ** 2)[None])
        return divmod(int((scores.double() / (distance + 1.7998046875)).argmax()), cells)

    for crop in range(6):
        y, x = best(heads.centre[crop], 32, 32)
        for part in range(17):
            expected = y + regressed[crop, 2 * part, y, x], x + regressed[crop, 2 * part + 1, y, x]
            at_y, at_x = best(heads.keypoint_heatmap[crop, part], *map(float, expected))
            moved = at_x + offsets[crop, 2 * part + 1, at_y, at_x], at_y + offsets[crop, 2 * part, at_y, at_x]
            assert (found[crop, part, :2] - torch.stack(moved) * 4).abs().max() < 1e-3
            assert found[crop, part, 2] == heads.keypoint_heatmap[crop, part, at_y, at_x]


def every_cell(heads: NanoDetHeads) -> tuple[Tensor, Tensor]:
    """The box and the class scores of every cell of one picture, `[N, 4]` and `[N, 80]`, one stride after the other."""
    boxes, scores = [], []
    for output, stride in zip(heads.maps, STRIDES, strict=True):
        height, width = output.shape[2:]
        y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
        sides = output[0, CLASSES:].unflatten(0, (4, 11)).softmax(1)
        left, top, right, bottom = (sides * torch.arange(11.0)[:, None, None]).sum(1)
        box = torch.stack((x - left, y - top, x + right, y + bottom), -1).clamp_min(0) * stride
        boxes.append(box.minimum(torch.tensor([width, height, width, height]) * stride).flatten(0, 1))
        scores.append(output[0, :CLASSES].sigmoid().flatten(1).T)
    return torch.cat(boxes), torch.cat(scores)


@pytest.mark.parametrize("case", NANODET_CASES, ids=lambda case: case.name)
def test_boxes_of_nanodet_equal_those_of_the_published_decoding(case: Case) -> None:
    """Compare with a loop over all cells and classes, and torchvision's suppression of each class by itself."""
    heads = nanodet()(shown(case))
    expected: list[tuple[float, int, list[float]]] = []
    boxes, scores = every_cell(heads)
    for label in range(CLASSES):
        rows = torch.nonzero(scores[:, label] > MIN_SCORE)[:, 0]
        kept = rows[nms(boxes[rows], scores[rows, label], SUPPRESSION_OVERLAP)]
        expected += [(float(scores[row, label]), label, boxes[row].tolist()) for row in kept]
    found = nanodet().decode(heads)
    used = found.scores[0] > 0
    assert 20 < used.sum() <= 100 and not found.packed[0, ~used].any()
    best = sorted(expected, key=lambda one: -one[0])[: int(used.sum())]
    assert found.scores[0, used].tolist() == [score for score, _, _ in best]
    assert found.labels[0, used].tolist() == [label for _, label, _ in best]
    assert (found.boxes[0, used] - torch.tensor([box for *_, box in best])).abs().max() < 1e-3
