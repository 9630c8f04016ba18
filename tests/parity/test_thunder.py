"""Thunder in torch against its published graph, run once in TensorFlow.js (tests/fixtures/graph_reference.mjs)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from stages.detection.movenet.movenet import SIDE, Thunder
from stages.detection.movenet.movenet_network import Heads
from support.models.reference_frames import THUNDER_CASES, picture
from support.repository import REPOSITORY

REFERENCE = json.loads((REPOSITORY / "tests" / "fixtures" / "thunder_reference.json").read_text())["results"]
CELLS = SIDE // 4


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def net() -> Thunder:
    return Thunder.load()


@pytest.fixture(scope="module")
def crops() -> Tensor:
    return torch.stack([torch.from_numpy(picture(case)) for case in THUNDER_CASES])


@pytest.mark.parametrize("index", range(len(THUNDER_CASES)), ids=lambda index: THUNDER_CASES[index].name)
def test_keypoints_equal_those_of_the_published_graph(index: int, net: Thunder, crops: Tensor) -> None:
    reference = REFERENCE[THUNDER_CASES[index].name]
    expected = torch.tensor(reference["keypoints"])  # y and x as shares of the crop, score
    crop = crops[index : index + 1]
    same_input = hashlib.sha256(crop.numpy().tobytes()).hexdigest() == reference["sha256"]
    found = net.decode(net(crop))[0]
    assert found.shape == (17, 3) and found.dtype == torch.float32
    where = "same input" if same_input else "input decoded differently on this machine"
    assert (found[:, :2] - expected[:, [1, 0]] * SIDE).abs().max() < (0.01 if same_input else 0.5), where
    assert (found[:, 2] - expected[:, 2]).abs().max() < (1e-4 if same_input else 0.01), where


def test_a_batch_of_crops_gives_exactly_the_same_as_single_crops(net: Thunder, crops: Tensor) -> None:
    together = net.decode(net(crops))
    assert torch.equal(together, torch.cat([net.decode(net(crop[None])) for crop in crops]))
    assert torch.equal(together, net.decode(net(crops))), "deterministic"


def test_decoding_equals_the_formulas_of_the_published_graph_on_random_maps(net: Thunder) -> None:
    """Compare with whole maps of all heads and a loop over the keypoints in float64."""
    generator = torch.Generator().manual_seed(2)
    heads = Heads(
        torch.rand(6, CELLS, CELLS, generator=generator) ** 8,
        torch.rand(6, 17, CELLS, CELLS, generator=generator) ** 8,
        torch.rand(6, 24, CELLS, CELLS, generator=generator) * 2,
    )
    found = net.decode(heads)
    regressed = net.network.keypoint_regression(heads.features).double()
    offsets = net.network.keypoint_offset(heads.features).double()

    def best(scores: Tensor, y: float, x: float) -> tuple[int, int]:
        cells = torch.arange(CELLS, dtype=torch.float64)
        distance = torch.sqrt(((cells - y) ** 2)[:, None] + ((cells - x) ** 2)[None])
        return divmod(int((scores.double() / (distance + 1.7998046875)).argmax()), CELLS)

    for crop in range(6):
        y, x = best(heads.centre[crop], 32, 32)
        for part in range(17):
            expected = y + regressed[crop, 2 * part, y, x], x + regressed[crop, 2 * part + 1, y, x]
            at_y, at_x = best(heads.keypoint_heatmap[crop, part], *map(float, expected))
            moved = torch.stack(
                (at_x + offsets[crop, 2 * part + 1, at_y, at_x], at_y + offsets[crop, 2 * part, at_y, at_x])
            )
            assert (found[crop, part, :2] - moved * 4).abs().max() < 1e-3
            assert found[crop, part, 2] == heads.keypoint_heatmap[crop, part, at_y, at_x]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_nothing_waits_for_the_device_and_keypoints_are_the_same(net: Thunder, crops: Tensor) -> None:
    expected = net.decode(net(crops))
    device_net, on_device = Thunder.load().cuda(), crops.cuda()
    device_net.decode(device_net(on_device))  # The first run sets up workspaces and kernels.
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = device_net.decode(device_net(on_device))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (found.cpu() - expected)[..., :2].abs().max() < 0.5
    assert (found.cpu() - expected)[..., 2].abs().max() < 0.01
