"""Pictures that torch makes from planes agree with those of swscale, and so do the model's results."""

from __future__ import annotations

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace

from ring_buffers.frames import LUMA_SHARES, Colours, FrameMeta, Lease, Matrix, SlotFormat
from ring_buffers.slot_writers import frame_colours, picture_writer
from stages.detection.keypoint_detector import KeypointDetector
from stages.detection.movenet.movenet import MoveNet, slot_format
from stages.detection.views.slot_pictures import planes_for, stack_slots
from stages.device.plane_pictures import device_pictures
from stages.pipeline import Pipeline
from stages.profiles import load_checkpoint
from stages.settings import ModelSettings, PipelineSettings
from stages.third_party import weights
from stages.types import FrameAnalysis

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


def read_frames(asset: str, file: str, first: int, count: int) -> list[av.VideoFrame]:
    frames: list[av.VideoFrame] = []
    with av.open(str(weights.locate(asset, file))) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first:
                frames.append(frame)
            if len(frames) == count:
                break
    return frames


@pytest.fixture(scope="module")
def street() -> av.VideoFrame:
    """768x576, BT.601."""
    return read_frames("vtest", "vtest.avi", 400, 1)[0]


@pytest.fixture(scope="module")
def athlete() -> av.VideoFrame:
    """1768x994, BT.709."""
    return read_frames("sports2d", "demo.mp4", 80, 1)[0]


def both(frame: av.VideoFrame, detector_size: tuple[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
    """Return swscale's picture and the one made from planes: uint8 [H, W, 3] each."""
    size = (frame.width, frame.height)
    by_swscale = slot_format(size, detector_size)
    expected = np.zeros(by_swscale.shape, np.uint8)
    picture_writer(by_swscale).write(frame, expected)
    plain = planes_for(slot_format)(size, detector_size)
    format = SlotFormat(plain.pixels, plain.size, plain.content, plain.target, frame_colours(frame))
    planes = np.zeros(format.shape, np.uint8)
    picture_writer(format).write(frame, planes)
    found = device_pictures(torch.from_numpy(planes)[None], format)[0].numpy()
    assert found.shape == expected.shape and found.dtype == np.uint8
    return expected, found


def distance(expected: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.abs(expected.astype(int) - found.astype(int))


@pytest.mark.parametrize("size", [None, (768, 576), (640, 480), (384, 288), (320, 256), (256, 256)])
def test_pictures_of_the_street_agree_with_swscale(street: av.VideoFrame, size: tuple[int, int] | None) -> None:
    off = distance(*both(street, size))
    assert off.max() <= MAX_DIFFERENCE and off.mean() <= MEAN_DIFFERENCE


@pytest.mark.parametrize("size", [None, (960, 544), (640, 384), (256, 256)])
def test_pictures_with_bt709_colours_agree_with_swscale(athlete: av.VideoFrame, size: tuple[int, int] | None) -> None:
    assert frame_colours(athlete) == Colours("bt709", False)
    off = distance(*both(athlete, size))
    assert off.max() <= MAX_DIFFERENCE and off.mean() <= MEAN_DIFFERENCE


def smooth(width: int, height: int, colours: Colours) -> av.VideoFrame:
    """Return a frame with smooth gradients of all hues, so that only the colour conversion can differ."""
    frame = av.VideoFrame(width, height, "yuv420p")
    low, high = (0, 255) if colours.full_range else (16, 235)
    for plane, phase in zip(frame.planes, (0.0, 2.1, 4.2), strict=True):
        x, y = np.meshgrid(np.linspace(0, 3, plane.width), np.linspace(0, 2, plane.height))
        values = (low + (high - low) * (0.5 + 0.45 * np.sin(x + y + phase))).astype(np.uint8)
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : plane.width] = values
        plane.update(rows.tobytes())
    frame.colorspace = SPACES[colours.matrix]
    frame.color_range = ColorRange.JPEG if colours.full_range else ColorRange.MPEG
    return frame


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", list(LUMA_SHARES))
def test_colours_of_every_matrix_and_range_agree_with_swscale(matrix: Matrix, full_range: bool) -> None:
    frame = smooth(640, 480, Colours(matrix, full_range))
    assert frame_colours(frame) == Colours(matrix, full_range)
    expected, found = both(frame, (320, 256))
    assert distance(expected, found).max() <= MAX_DIFFERENCE


@pytest.mark.parametrize("source", [(640, 480), (641, 359), (333, 251), (1281, 721)])
@pytest.mark.parametrize("size", [(256, 256), (320, 320)])
def test_sides_may_be_odd(source: tuple[int, int], size: tuple[int, int]) -> None:
    expected, found = both(smooth(*source, Colours()), size)
    assert distance(expected, found).max() <= MAX_DIFFERENCE


def leases(frames: list[av.VideoFrame], pipeline: Pipeline, detector_size: tuple[int, int]) -> list[Lease]:
    made: list[Lease] = []
    for number, frame in enumerate(frames):
        size = (frame.width, frame.height)
        format = pipeline.slot_format(size, detector_size)
        if format.pixels == "planes":
            format = SlotFormat(format.pixels, format.size, format.content, format.target, frame_colours(frame))
        picture = np.zeros(format.shape, np.uint8)
        picture_writer(format).write(frame, picture)
        meta = FrameMeta("street", 1, number, number * 100_000, number * 100_000, "media", 0, 0, size, format)
        made.append(Lease(meta, picture, 0))
    return made


def analyses(frames: list[av.VideoFrame], pipeline: Pipeline, size: tuple[int, int]) -> list[FrameAnalysis]:
    batch = leases(frames, pipeline, size)
    return [one for start in range(0, len(batch), 4) for one in pipeline.process(batch[start : start + 4])]


def test_people_parts_and_actions_on_a_real_street_agree_with_swscales_pictures() -> None:
    frames = read_frames("vtest", "vtest.avi", 680, 24)
    detector, checkpoint = KeypointDetector(MoveNet.load(), slot_format), load_checkpoint("edge")
    results = [
        analyses(
            frames,
            Pipeline(detector, checkpoint, PipelineSettings(model=ModelSettings(pictures=where))),  # pyright: ignore[reportArgumentType]
            (512, 384),
        )
        for where in ("host", "device")
    ]
    people = found = sure = same_label = parts = same_parts = 0
    for on_host, on_device in zip(*results, strict=True):
        for person in on_host.people:
            people += 1
            # People are matched by position: tracks are numbered by score, which differs in the third digit.
            off = [np.abs(np.subtract(person.box, twin.box)).max() for twin in on_device.people]
            if not off or min(off) > NEAR:
                continue
            found += 1
            twin = on_device.people[int(np.argmin(off))]
            ours, theirs = ({part.part for part in one.parts} for one in (person, twin))
            parts += len(ours | theirs)
            same_parts += len(ours & theirs)
            assert person.action is not None and twin.action is not None
            # A small difference decides between labels with nearly equal scores, as of a person who begins to walk.
            if person.action.score >= CLEAR:
                sure += 1
                same_label += person.action.label == twin.action.label
    assert people > 100
    assert found >= 0.97 * people
    assert sure > 50
    assert same_label >= 0.9 * sure


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_pinned_slots_give_the_same_pictures_without_waiting(street: av.VideoFrame) -> None:
    plain = planes_for(slot_format)((street.width, street.height), None)
    slots = [torch.zeros(plain.shape, dtype=torch.uint8, pin_memory=True).numpy() for _ in range(3)]
    for slot in slots:
        picture_writer(plain).write(street, slot)
    expected = device_pictures(torch.from_numpy(np.stack(slots)), plain)
    device = torch.device("cuda")
    device_pictures(stack_slots(slots, device), plain)  # The first run copies the weights to the device.
    torch.cuda.set_sync_debug_mode("error")
    try:
        found = device_pictures(stack_slots(slots, device), plain)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert distance(expected.numpy(), found.cpu().numpy()).max() <= 1
