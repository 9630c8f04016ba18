"""Thunder in torch against its published graph, run once in TensorFlow.js (tests/fixtures/graph_reference.mjs)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from stages.detection.movenet.movenet import MoveNet
from stages.detection.movenet.pose_heads import Heads
from stages.detection.movenet.thunder import SIDE, Thunder
from support.models.reference_frames import CASES, THUNDER_CASES, Case, picture
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
def multipose() -> MoveNet:
    return MoveNet.load()


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


def test_an_empty_batch_gives_no_keypoints(net: Thunder) -> None:
    assert net.decode(net(torch.zeros(0, SIDE, SIDE, 3, dtype=torch.uint8))).shape == (0, 17, 3)


@pytest.mark.parametrize("shape", [(1, 192, 192, 3), (1, 256, 256, 4), (256, 256, 3), (2, 3, 256, 256)])
def test_crops_of_another_shape_are_rejected_with_their_shape(net: Thunder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"crops must have the shape \[B, 256, 256, 3\], not \[" + str(shape[0])):
        net(torch.zeros(shape, dtype=torch.uint8))


def square_around(whole: Tensor, box: Tensor, margin: float = 1.3) -> tuple[Tensor, Tensor, float]:
    """Cut the square around a box, black beyond the picture: crop `[1, 256, 256, 3]`, its corner, pixels per pixel."""
    side = float((box[2:] - box[:2]).max()) * margin
    corner = (box[:2] + box[2:]) / 2 - side / 2
    grid = (torch.arange(SIDE) + 0.5) * side / SIDE - 0.5
    height, width = whole.shape[:2]
    x, y = grid + corner[0], grid + corner[1]
    place = torch.stack(torch.broadcast_tensors((x + 0.5) / width * 2 - 1, ((y + 0.5) / height * 2 - 1)[:, None]), -1)
    values = F.grid_sample(whole.permute(2, 0, 1)[None].float(), place[None], align_corners=False)
    return values.round().byte().permute(0, 2, 3, 1).contiguous(), corner, side / SIDE


def oks(ours: Tensor, theirs: Tensor, box: Tensor, sigmas: Tensor) -> float:
    area = float((box[2:] - box[:2]).prod()) * 0.53
    return float(torch.exp(-(ours - theirs).square().sum(-1) / (2 * area * (2 * sigmas) ** 2)).mean())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_on_crops_of_real_people_it_agrees_with_multipose(case: Case, net: Thunder, multipose: MoveNet) -> None:
    whole = torch.from_numpy(picture(case))
    people = multipose.decode(multipose(whole[None])[1], 16)
    clear = torch.nonzero(people.scores[0] > 0.35)[:, 0]
    assert len(clear) >= 1
    for row in clear:
        box, keypoints = people.boxes[0, row], people.keypoints[0, row]
        crop, corner, scale = square_around(whole, box)
        found = net.decode(net(crop))[0]
        places = (found[:, :2] + 0.5) * scale - 0.5 + corner
        assert found[:, 2].mean() > 0.3
        assert oks(places, keypoints[:, :2], box, multipose.sigmas) > 0.75


def test_of_two_people_the_one_in_the_middle_is_found(net: Thunder, multipose: MoveNet) -> None:
    case = next(case for case in CASES if case.name == "crowd-576x768")
    whole = torch.from_numpy(picture(case))
    people = multipose.decode(multipose(whole[None])[1], 16)
    for row in range(6):
        box = people.boxes[0, row]
        crop, corner, scale = square_around(whole, box, margin=2.5)  # several people are in these crops
        shoulders_and_hips = (net.decode(net(crop))[0, [5, 6, 11, 12], :2] * scale + corner).mean(0)
        assert (shoulders_and_hips > box[:2]).all() and (shoulders_and_hips < box[2:]).all()


def test_black_and_noise_give_finite_keypoints_with_low_scores(net: Thunder) -> None:
    noise = torch.randint(0, 256, (1, SIDE, SIDE, 3), generator=torch.Generator().manual_seed(1)).byte()
    found = net.decode(net(torch.cat((torch.zeros_like(noise), noise))))
    assert torch.isfinite(found).all()
    assert found[..., 2].mean(1).max() < 0.2


def test_a_half_precision_network_finds_almost_the_same_keypoints(crops: Tensor, net: Thunder) -> None:
    expected = net.decode(net(crops[:2]))
    rounded = Thunder.load()
    rounded.precision = torch.bfloat16
    found = rounded.decode(rounded(crops[:2]))
    assert found.dtype == torch.float32
    assert (found - expected)[..., :2].norm(dim=-1).median() < 2
    assert not torch.equal(found, expected)


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
