"""Pictures of regions, cut from a slot's planes: on the host, on a device, and as the detector sees them."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch

from ring_buffers.frames import Lease, SlotFormat
from ring_buffers.slot_writers import RgbWriter, picture_writer
from stages.detection.keypoint_batches import detect_keypoints
from stages.detection.movenet.movenet import MoveNet, slot_format
from stages.detection.views.slot_pictures import (
    cut_picture,
    region_content,
    region_pictures,
    stack_slots,
    whole_picture,
)
from stages.device.plane_pictures import cut_pictures
from stages.looks import REGION_SIDE, Region, look_at
from support.models.footage_frames import CPU, frame_of, lent

MAX_DIFFERENCE, MEAN_DIFFERENCE = 6, 2.5
"""Of 255, between swscale and torch, as in test_plane_pictures.py."""
STREET_REGIONS = [Region(430, 180, 160), Region(200, 120, 256, 5, 8), Region(512, 192, 384, 8, 3), Region(0, 0, 768)]


@pytest.fixture(scope="module")
def street() -> Lease:
    """768x576, BT.601."""
    return lent(frame_of("vtest", "vtest.avi", 100))


@pytest.fixture(scope="module")
def movenet() -> MoveNet:
    return MoveNet.load()


@pytest.mark.parametrize("size", [None, (640, 480), (256, 256), (1024, 768)])
@pytest.mark.parametrize("footage", [("vtest", "vtest.avi", 100), ("sports2d", "demo.mp4", 80)])
def test_whole_pictures_made_from_planes_are_those_of_the_cameras_thread(
    footage: tuple[str, str, int], size: tuple[int, int] | None
) -> None:
    frame = frame_of(*footage)
    expected_format = slot_format((frame.width, frame.height), size)
    expected = np.zeros(expected_format.shape, np.uint8)
    picture_writer(expected_format).write(frame, expected)
    lease = lent(frame, size)
    assert np.array_equal(whole_picture(lease.picture, lease.meta.format), expected)


@pytest.mark.parametrize("region", STREET_REGIONS)
def test_a_region_shows_what_the_cut_frame_would(street: Lease, region: Region) -> None:
    format = street.meta.format
    width, height = region.shown(format.size)
    content = region_content(region, format.size)
    found = cut_picture(street.picture, format, (region.left, region.top, width, height), content, region.seen())
    luma = street.picture[: 768 * 576].reshape(576, 768)
    cut = av.VideoFrame.from_ndarray(
        np.ascontiguousarray(luma[region.top : region.top + height, region.left : region.left + width]), "gray"
    )
    cut.color_range = 1
    grey = np.zeros((*region.seen()[::-1], 3), np.uint8)
    RgbWriter(SlotFormat("rgb24", region.seen(), content)).write(cut, grey)
    # The street is nearly grey: green, most of luma, hardly differs from a picture of luma alone.
    difference = np.abs(found[..., 1].astype(int) - grey[..., 1].astype(int))
    assert difference[: content[1], : content[0]].mean() < 12
    assert not found[content[1] :].any() and not found[:, content[0] :].any()


@pytest.mark.parametrize("region", STREET_REGIONS)
def test_regions_made_in_torch_agree_with_those_of_swscale(street: Lease, region: Region) -> None:
    format = street.meta.format
    cut = (region.left, region.top, *region.shown(format.size))
    content = region_content(region, format.size)
    expected = cut_picture(street.picture, format, cut, content, region.seen())[: content[1], : content[0]]
    (found,) = cut_pictures(stack_slots([street.picture], CPU), format, [(0, *cut)], [content])
    off = np.abs(found.numpy().astype(int) - expected.astype(int))
    # swscale enlarges chroma less smoothly.
    assert off.mean() <= MEAN_DIFFERENCE
    if region.side >= REGION_SIDE:
        assert off.max() <= MAX_DIFFERENCE


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_regions_of_several_cameras_are_made_together_and_agree(street: Lease) -> None:
    other = lent(frame_of("sports2d", "demo.mp4", 80))
    wanted = [(0, STREET_REGIONS[0]), (1, Region(400, 200, 512)), (0, STREET_REGIONS[1]), (1, Region(0, 0, 1024))]
    expected = region_pictures([street, other], wanted, CPU)
    found = region_pictures([street, other], wanted, torch.device("cuda"))
    off = (found.cpu().int() - expected.int()).abs().float()
    assert off.mean() <= MEAN_DIFFERENCE


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_same_people_are_found_in_regions(street: Lease, movenet: MoveNet) -> None:
    look = look_at(STREET_REGIONS[:3])
    expected = detect_keypoints([street], [look], movenet, 16, CPU).people[0]
    cuda = torch.device("cuda")
    found = detect_keypoints([street], [look], MoveNet.load().to(cuda), 16, cuda).people[0]
    sure = expected[expected[:, 4] > 0.25]
    assert len(sure) >= 3
    for person in sure:
        assert np.abs(found[:, :4] - person[:4]).max(1).min() < 6
