"""MoveNet in torch against its published graph, run once in TensorFlow.js (tests/fixtures/graph_reference.mjs)."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from stages.detection.movenet import keypoint_decoding as decoding
from stages.detection.movenet.movenet import MoveNet
from support.models.reference_frames import CASES, Case, picture
from support.repository import REPOSITORY

REFERENCE = json.loads((REPOSITORY / "tests" / "fixtures" / "movenet_reference.json").read_text())["results"]


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def net() -> MoveNet:
    return MoveNet.load()


@pytest.fixture(scope="module")
def pictures() -> dict[str, torch.Tensor]:
    return {case.name: torch.from_numpy(picture(case)) for case in CASES}


def graph_people(case: Case) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The graph's six rows in pixels: boxes x1 y1 x2 y2, scores, keypoints x y score."""
    rows = torch.tensor(REFERENCE[case.name]["people"])
    size = torch.tensor([case.width, case.height], dtype=torch.float32)
    keypoints = rows[:, :51].unflatten(1, (17, 3))
    keypoints = torch.cat((keypoints[..., [1, 0]] * size, keypoints[..., 2:]), -1)
    return rows[:, [52, 51, 54, 53]] * size.repeat(2), rows[:, 55], keypoints


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_people_equal_those_of_the_published_graph(case: Case, net: MoveNet, pictures: dict[str, torch.Tensor]) -> None:
    same_input = hashlib.sha256(pictures[case.name].numpy().tobytes()).hexdigest() == REFERENCE[case.name]["sha256"]
    boxes, scores, keypoints = graph_people(case)
    _, heads = net(pictures[case.name][None])
    found = net.decode(heads, 32, suppress_duplicates=False)
    for row in range(6):
        distance = (found.boxes[0] - boxes[row]).abs().amax(-1)
        match = int(distance.argmin())
        where = (
            f"row {row} of {case.name} ({'same input' if same_input else 'input decoded differently on this machine'})"
        )
        assert distance[match] < 1, where
        if scores[row] > decoding.MIN_CENTRE_SCORE:
            assert (found.scores[0, match] - scores[row]).abs() < 0.01, where
        else:  # Not a person: the score is at most the graph's.
            assert found.scores[0, match] < scores[row] + 0.01, where
        assert (found.keypoints[0, match, :, :2] - keypoints[row, :, :2]).abs().max() < 0.5, where
        assert (found.keypoints[0, match, :, 2] - keypoints[row, :, 2]).abs().max() < 0.01, where


def test_a_batch_of_pictures_gives_the_same_as_single_pictures(net: MoveNet, pictures: dict[str, torch.Tensor]) -> None:
    batch = [pictures["street-576x768"], pictures["crowd-576x768"], pictures["street-576x768"].flip(1)]
    maps, heads = net(torch.stack(batch))
    together = net.decode(heads, 12)
    for index, single in enumerate(batch):
        maps_alone, heads_alone = net(single[None])
        alone = net.decode(heads_alone, 12)
        people = alone.scores[0] > 0.05
        assert people.sum() >= 2
        assert (together.packed[index, people] - alone.packed[0, people]).abs().max() < 0.01
        for stride, one in maps_alone.items():
            assert (maps[stride][index] - one[0]).abs().max() <= 1e-5 * one.abs().max()


def test_more_than_six_people_are_found(net: MoveNet, pictures: dict[str, torch.Tensor]) -> None:
    found = net.decode(net(pictures["crowd-576x768"][None])[1], 32)
    people = found.scores[0] > 0.25
    assert people.sum() == 8, "eight pedestrians, counted by eye"
    overlap = decoding.overlaps(found.boxes[:, people], found.keypoints[:, people, :, :2], net.sigmas)[0]
    assert (overlap - torch.eye(8)).max() < 0.2, "eight different places"


@pytest.mark.parametrize("size", [(32, 32), (96, 224), (160, 64)])
def test_any_size_in_multiples_of_32_is_accepted(size: tuple[int, int], net: MoveNet) -> None:
    height, width = size
    maps, heads = net(torch.zeros(1, height, width, 3, dtype=torch.uint8))
    assert {stride: tuple(one.shape) for stride, one in maps.items()} == {
        stride: (1, channels, height // stride, width // stride)
        for stride, channels in ((32, 64), (16, 96), (8, 48), (4, 24))
    }
    assert heads.centre.shape == (1, height // 4, width // 4)


@pytest.mark.parametrize("case", CASES[2:4], ids=lambda case: case.name)
def test_the_network_in_narrow_bands_equals_the_network_in_one_piece(
    case: Case, net: MoveNet, pictures: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.detection.movenet.movenet_network._BAND_BYTES", 1 << 40)
    whole, _ = net(pictures[case.name][None])
    monkeypatch.setattr("stages.detection.movenet.movenet_network._BAND_BYTES", 700_000)
    in_bands, _ = net(pictures[case.name][None])
    for stride, one in whole.items():
        assert (in_bands[stride] - one).abs().max() <= 1e-5 * one.abs().max()


@pytest.mark.parametrize(("height", "width"), [(40, 56), (72, 80)])
def test_the_windowed_keypoint_search_equals_a_search_of_the_whole_map(height: int, width: int) -> None:
    """Compare with the graph's formula in float64, with sharp random peaks and boxes that exclude joints."""
    generator = torch.Generator().manual_seed(2)
    people, parts = 9, 17
    heatmap = torch.rand(1, parts, height, width, generator=generator) ** 8
    limits = torch.tensor([height, width], dtype=torch.float32)
    joints = torch.rand(1, people, parts, 2, generator=generator) * limits * 1.2 - limits * 0.1
    corners = torch.rand(1, people, 2, 2, generator=generator).sort(2).values * limits
    boxes = corners.flatten(2)
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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_decoding_does_not_wait_for_the_device_and_gives_the_same_people(
    net: MoveNet, pictures: dict[str, torch.Tensor]
) -> None:
    frames = torch.stack([pictures["street-576x768"], pictures["crowd-576x768"]])
    expected = net.decode(net(frames)[1], 32)
    device_net = MoveNet.load().cuda()
    on_device = frames.cuda()
    device_net.decode(device_net(on_device)[1], 32)  # The first run sets up workspaces and kernels.
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = device_net.decode(device_net(on_device)[1], 32)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    people = expected.scores > 0.1
    assert (found.packed.cpu()[people] - expected.packed[people]).abs().max() < 0.5
