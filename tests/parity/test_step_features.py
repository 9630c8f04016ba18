"""VGG features of steps agree with features computed region by region in each person's frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.region_features.step_features import SlotPictures, StepBoxes, step_features
from stages.region_features.vgg_features import PictureRegions, VggConfig, VggFeatures

CPU = torch.device("cpu")
SIZES = [(640, 360), (640, 480), (640, 360), (320, 320)]
FORMATS = [
    SlotFormat("rgb24", (96, 64), (96, 54)),
    SlotFormat("rgb24", (96, 64), (85, 64)),
    SlotFormat("rgb24", (96, 64), (96, 54)),
    SlotFormat("rgb24", (80, 80), (80, 80)),
]


@pytest.fixture(scope="module")
def extractor() -> VggFeatures:
    torch.manual_seed(3)
    return VggFeatures(VggConfig(channels=4, hidden=32, short_side=64), regions_at_once=5).eval()


def metas() -> list[FrameMeta]:
    return [
        FrameMeta(f"cam{frame}", 1, 0, 0, 0, "media", 0, 0, size, format)
        for frame, (size, format) in enumerate(zip(SIZES, FORMATS, strict=True))
    ]


def slots() -> list[SlotPictures]:
    """Return frames 0 to 2 with one slot shape and two content sizes, and frame 3 with another shape.

    Padding is noise, which must not be used.
    """
    generator = torch.Generator().manual_seed(1)

    def noise(count: int, height: int, width: int) -> torch.Tensor:
        return torch.randint(0, 256, (count, height, width, 3), generator=generator, dtype=torch.uint8)

    return [SlotPictures([2, 0, 1], noise(3, 64, 96)), SlotPictures([3], noise(1, 80, 80))]


def people() -> StepBoxes:
    """Return five people in three of the frames; two have no object, both in frame 0."""
    rng = np.random.default_rng(2)
    frames = [0, 3, 0, 1, 0]
    sizes = np.array([SIZES[frame] for frame in frames], np.float32)

    def boxes(*shape: int) -> np.ndarray:
        corners = np.sort(rng.uniform(0, 1, (5, *shape, 2, 2)).astype(np.float32), axis=-2)
        scaled = corners * sizes.reshape(5, *(1 for _ in shape), 1, 2)
        return scaled.reshape(5, *shape, 4)

    present = rng.uniform(size=(5, 10)) < 0.5
    parts = np.where(present[..., None], boxes(10), np.nan).astype(np.float32)
    there = np.array([True, True, False, True, False])
    return StepBoxes(frames, parts, present, boxes(), there)


def one_region(extractor: VggFeatures, frame: int, box: np.ndarray | None) -> torch.Tensor:
    """Return the feature of a box, in the source's pixels (None: the whole frame), without padding."""
    format, size = FORMATS[frame], SIZES[frame]
    width, height = format.content
    group = next(group for group in slots() if frame in group.frames)
    picture = group.pixels[list(group.frames).index(frame), :height, :width]
    scale = np.array([width / size[0], height / size[1]] * 2)
    corners = np.array([0, 0, width, height]) if box is None else box * scale
    with torch.inference_mode():
        return extractor(
            [PictureRegions(picture[None], torch.from_numpy(corners).float()[None], torch.zeros(1, dtype=torch.int64))]
        )[0]


def test_parts_and_objects_are_computed_in_their_own_frame_at_its_scale(extractor: VggFeatures) -> None:
    boxes = people()
    with torch.inference_mode():
        found = step_features(boxes, metas(), slots(), extractor, CPU)
    assert found.parts.shape == (8, 10, 32) and found.objects.shape == (8, 1, 32)
    limit = 1e-5 * float(found.parts.abs().max())
    assert limit > 0
    for person, frame in enumerate(boxes.frames):
        thing = boxes.objects[person] if boxes.objects_present[person] else None
        assert (found.objects[person, 0] - one_region(extractor, frame, thing)).abs().max() <= limit
        for part in range(10):
            if boxes.present[person, part]:
                expected = one_region(extractor, frame, boxes.parts[person, part])
                assert (found.parts[person, part] - expected).abs().max() <= limit
            else:
                assert found.parts[person, part].abs().max() == 0
    assert torch.equal(found.objects[2], found.objects[4]), "both use the whole of frame 0"
    assert found.parts[5:].abs().max() == found.objects[5:].abs().max() == 0, "padded rows"
