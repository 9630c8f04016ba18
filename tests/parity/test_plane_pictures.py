"""Pictures and regions that torch makes from planes agree with those of swscale, and so do the model's results."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace

from ring_buffers.frames import LUMA_SHARES, Colours, FrameMeta, Lease, Matrix, SlotFormat
from ring_buffers.slot_writers import RgbWriter, frame_colours, picture_writer
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import MoveNet, slot_format
from stages.detection.views.slot_pictures import (
    cut_picture,
    planes_for,
    region_content,
    region_pictures,
    stack_slots,
    whole_picture,
)
from stages.device.plane_pictures import cut_pictures, device_pictures
from stages.looks import REGION_SIDE, Region
from stages.pipeline import Pipeline
from stages.profiles import load_checkpoint
from stages.settings import ModelSettings, PipelineSettings
from stages.third_party import weights
from stages.types import FrameAnalysis
from support.models.footage_frames import CPU, frame_of, lent

NEAR = 8
"""In pixels of the 768x576 street, where people are about 80 pixels high."""
CLEAR = 0.6
"""Least score of a label that small differences of the pictures should not change."""
MAX_DIFFERENCE, MEAN_DIFFERENCE = 6, 2.5
"""Of 255. The greatest measured values are 6 and 2.25, mostly because swscale rounds down."""
SPACES: dict[Matrix, Colorspace] = {
    "bt601": Colorspace.ITU601,
    "bt709": Colorspace.ITU709,
    "fcc": Colorspace.FCC,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020": Colorspace.BT2020,
}
STREET, ATHLETE = ("vtest", "vtest.avi", 100), ("sports2d", "demo.mp4", 80)
"""768x576 in BT.601, and 1768x994 in BT.709."""
STREET_REGIONS = [Region(430, 180, 160), Region(200, 120, 256, 5, 8), Region(512, 192, 384, 8, 3), Region(0, 0, 768)]


def by_swscale(frame: av.VideoFrame, detector_size: tuple[int, int] | None) -> np.ndarray:
    """Return the picture that a camera's thread writes: uint8 [H, W, 3]."""
    format = slot_format((frame.width, frame.height), detector_size)
    picture = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, picture)
    return picture


def assert_near(frame: av.VideoFrame, detector_size: tuple[int, int] | None) -> None:
    """Compare the picture that torch makes from planes with swscale's."""
    lease = lent(frame, detector_size)
    found = device_pictures(torch.from_numpy(lease.picture)[None], lease.meta.format)[0].numpy()
    expected = by_swscale(frame, detector_size)
    assert found.shape == expected.shape and found.dtype == np.uint8
    off = np.abs(expected.astype(int) - found.astype(int))
    assert off.max() <= MAX_DIFFERENCE and off.mean() <= MEAN_DIFFERENCE


@pytest.mark.parametrize("size", [None, (640, 480), (256, 256)])
@pytest.mark.parametrize("footage", [STREET, ATHLETE])
def test_pictures_of_footage_agree_with_swscale_and_on_the_host_equal_those_of_the_cameras_thread(
    footage: tuple[str, str, int], size: tuple[int, int] | None
) -> None:
    frame = frame_of(*footage)
    assert_near(frame, size)
    lease = lent(frame, size)
    assert np.array_equal(whole_picture(lease.picture, lease.meta.format), by_swscale(frame, size))


def smooth(width: int, height: int, colours: Colours) -> av.VideoFrame:
    """Return a frame with smooth gradients of all hues, so that only the colour conversion can differ."""
    frame = av.VideoFrame(width, height, "yuv420p")
    low, high = (0, 255) if colours.full_range else (16, 235)
    for plane, phase in zip(frame.planes, (0.0, 2.1, 4.2), strict=True):
        x, y = np.meshgrid(np.linspace(0, 3, plane.width), np.linspace(0, 2, plane.height))
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = (low + (high - low) * (0.5 + 0.45 * np.sin(x + y + phase))).astype(np.uint8)
        plane.update(rows.tobytes())
    frame.colorspace = SPACES[colours.matrix]
    frame.color_range = ColorRange.JPEG if colours.full_range else ColorRange.MPEG
    return frame


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", list(LUMA_SHARES))
def test_colours_of_every_matrix_and_range_agree_with_swscale(matrix: Matrix, full_range: bool) -> None:
    frame = smooth(640, 480, Colours(matrix, full_range))
    assert frame_colours(frame) == Colours(matrix, full_range)
    assert_near(frame, (320, 256))


@pytest.mark.parametrize("source", [(641, 359), (333, 251), (1281, 721)])
def test_sides_may_be_odd(source: tuple[int, int]) -> None:
    assert_near(smooth(*source, Colours()), (320, 320))


@pytest.mark.parametrize("region", STREET_REGIONS)
def test_a_region_shows_what_the_cut_frame_would_on_the_host_and_in_torch(region: Region) -> None:
    street = lent(frame_of(*STREET))
    format = street.meta.format
    width, height = region.shown(format.size)
    cut, content = (region.left, region.top, width, height), region_content(region, format.size)
    found = cut_picture(street.picture, format, cut, content, region.seen())
    luma = street.picture[: 768 * 576].reshape(576, 768)[region.top : region.top + height]
    alone = av.VideoFrame.from_ndarray(np.ascontiguousarray(luma[:, region.left : region.left + width]), "gray")
    alone.color_range = 1
    grey = np.zeros((*region.seen()[::-1], 3), np.uint8)
    RgbWriter(SlotFormat("rgb24", region.seen(), content)).write(alone, grey)
    # The street is nearly grey: green, most of luma, hardly differs from a picture of luma alone.
    shown = found[: content[1], : content[0]].astype(int)
    assert np.abs(shown[..., 1] - grey[: content[1], : content[0], 1]).mean() < 12
    assert not found[content[1] :].any() and not found[:, content[0] :].any()

    (by_torch,) = cut_pictures(stack_slots([street.picture], CPU), format, [(0, *cut)], [content])
    off = np.abs(by_torch.numpy().astype(int) - shown)
    # swscale enlarges chroma less smoothly.
    assert off.mean() <= MEAN_DIFFERENCE
    assert region.side < REGION_SIDE or off.max() <= MAX_DIFFERENCE


def analyses(frames: list[av.VideoFrame], pictures: str) -> list[FrameAnalysis]:
    model = ModelSettings.model_validate({"pictures": pictures})
    detector = KeypointDetector(MoveNet.load(), slot_format)
    pipeline = Pipeline(detector, load_checkpoint("edge"), PipelineSettings(model=model))
    batch: list[Lease] = []
    for number, frame in enumerate(frames):
        size = (frame.width, frame.height)
        format = pipeline.slot_format(size, (512, 384))
        if format.pixels == "planes":
            format = SlotFormat(format.pixels, format.size, format.content, format.target, frame_colours(frame))
        picture = np.zeros(format.shape, np.uint8)
        picture_writer(format).write(frame, picture)
        meta = FrameMeta("street", 1, number, number * 100_000, number * 100_000, "media", 0, 0, size, format)
        batch.append(Lease(meta, picture, 0))
    return [one for start in range(0, len(batch), 4) for one in pipeline.process(batch[start : start + 4])]


def test_people_parts_and_actions_on_a_real_street_agree_with_swscales_pictures() -> None:
    with av.open(str(weights.locate("vtest", "vtest.avi"))) as container:
        frames = [frame for number, frame in zip(range(704), container.decode(video=0)) if number >= 680]
    people = found = sure = same_label = 0
    for on_host, on_device in zip(analyses(frames, "host"), analyses(frames, "device"), strict=True):
        for person in on_host.people:
            people += 1
            # People are matched by position: tracks are numbered by score, which differs in the third digit.
            off = [np.abs(np.subtract(person.box, twin.box)).max() for twin in on_device.people]
            if not off or min(off) > NEAR:
                continue
            found += 1
            twin = on_device.people[int(np.argmin(off))]
            assert person.action is not None and twin.action is not None
            # A small difference decides between labels with nearly equal scores, as of a person who begins to walk.
            if person.action.score >= CLEAR:
                sure += 1
                same_label += person.action.label == twin.action.label
    assert people > 100 and found >= 0.97 * people
    assert sure > 50 and same_label >= 0.9 * sure


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_pinned_slots_and_regions_give_the_same_pictures_without_waiting() -> None:
    street, other, device = lent(frame_of(*STREET)), lent(frame_of(*ATHLETE)), torch.device("cuda")
    plain = planes_for(slot_format)((768, 576), None)
    slots = [torch.from_numpy(street.picture.copy()).pin_memory().numpy() for _ in range(3)]
    expected = device_pictures(torch.from_numpy(np.stack(slots)), plain)
    device_pictures(stack_slots(slots, device), plain)  # The first run copies the weights to the device.
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = device_pictures(stack_slots(slots, device), plain)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (expected.int() - found.cpu().int()).abs().max() <= 1

    wanted = [(0, STREET_REGIONS[0]), (1, Region(400, 200, 512)), (0, STREET_REGIONS[1]), (1, Region(0, 0, 1024))]
    on_host = region_pictures([street, other], wanted, CPU)
    off = region_pictures([street, other], wanted, device).cpu().int() - on_host.int()
    assert off.abs().float().mean() <= MEAN_DIFFERENCE
