"""MoveNet MultiPose with its published weights: detects people with 17 keypoints and returns feature maps.

The published graph takes one picture and returns six people. This implementation takes batches of any size whose sides
are multiples of 32, and returns any number of people.

Thunder finds the 17 keypoints of one person in each crop. It is more accurate than MultiPose, and needs a crop around
each person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ring_buffers.frames import SlotFormat
from stages.detection.detections import Computation
from stages.detection.movenet import keypoint_decoding as decoding
from stages.detection.movenet.keypoint_decoding import best_near
from stages.detection.movenet.movenet_network import (
    FEATURE_CHANNELS,
    STRIDE,
    Heads,
    Network,
    ThunderNetwork,
    maps_and_heads,
    maps_and_heads_of_batches,
    neighbourhoods,
)
from stages.detection.tfjs_graph import Constants, read_weights
from stages.third_party import weights

__all__ = ["FEATURE_CHANNELS", "KEYPOINTS", "Detections", "Heads", "MoveNet", "slot_format"]

KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""In COCO's order."""
SIZE_MULTIPLE = 32
LONGEST_SIDE = 768
SHORTEST_LONGEST_SIDE = 256


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The people of a batch, K rows per picture, best first, in one tensor so that one copy moves them all.

    `packed` float32 `[B, K, 56]`: x1, y1, x2, y2, score, then x, y, score of each keypoint, in input pixels. Unused
    rows have score 0.
    """

    packed: Tensor

    @property
    def boxes(self) -> Tensor:
        """`[B, K, 4]`: x1, y1, x2, y2 in input pixels."""
        return self.packed[..., :4]

    @property
    def scores(self) -> Tensor:
        """`[B, K]` in [0, 1]."""
        return self.packed[..., 4]

    @property
    def keypoints(self) -> Tensor:
        """`[B, K, 17, 3]`: x, y in input pixels and score, in the order of `KEYPOINTS`."""
        return self.packed[..., 5:].unflatten(-1, (len(KEYPOINTS), 3))


class MoveNet(nn.Module):
    """The keypoint network: `maps, heads = net(pictures); people = net.decode(heads, 32)`."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network from the published graph's constants (`tfjs_graph.read_weights`). Raises `GraphError`."""
        super().__init__()
        self.network = Network()
        self.network.fill(Constants(tensors, "MoveNet MultiPose"))
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.precision = torch.float32
        """Compute precision of the convolutions; maps and heads have the type of the weights."""
        self.computation: Computation | None = None
        """Computes the centre, the keypoint heatmap and the maps in the order of `FEATURE_CHANNELS`; None for torch."""
        # A buffer, so that it is on the device: copying it there for each batch would wait for the device.
        self.sigmas: Tensor
        self.register_buffer("sigmas", torch.tensor(decoding.COCO_SIGMAS), persistent=False)
        self.eval()

    @classmethod
    def load(cls, path: Path | None = None) -> MoveNet:
        """Load the weights from a folder (`movenet-multipose.json` and `.bin`), by default from the cache.

        Raises `WeightsError` naming the command to run if they are missing, `GraphError` if they are invalid.
        """
        folder = path or weights.locate("movenet-multipose")
        return cls(read_weights(folder / "movenet-multipose.json", folder / "movenet-multipose.bin"))

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> tuple[dict[int, Tensor], Heads]:
        """Compute maps by stride (4: `[B, 24, H/4, W/4]`, 8: 48, 16: 96, 32: 64 channels) and the heads.

        pictures `[B, H, W, 3]` uint8 RGB on the model's device; H and W are multiples of 32.
        """
        (found,) = self.each([pictures])
        return found

    @torch.no_grad()
    def each(self, batches: Sequence[Tensor]) -> Iterator[tuple[dict[int, Tensor], Heads]]:
        """Yield what the network returns for each batch. Other runtimes than torch may compute them side by side."""
        for pictures in batches:
            if pictures.shape[1] % SIZE_MULTIPLE or pictures.shape[2] % SIZE_MULTIPLE:
                raise ValueError(f"height and width must be multiples of 32, not {tuple(pictures.shape[1:3])}")
        yield from maps_and_heads_of_batches(self.network, batches, self.precision, self.computation)

    def _run(self, pictures: Tensor) -> tuple[dict[int, Tensor], Heads]:
        return maps_and_heads(self.network, pictures, self.precision)

    @torch.no_grad()
    def decode(self, heads: Heads, max_people: int, suppress_duplicates: bool = True) -> Detections:
        """Return the people of each picture, best first, in K = `max_people` rows.

        The published graph doesn't suppress duplicates, and finds people near the camera two or three times.
        """
        network = self.network
        height, width = heads.centre.shape[1:]
        centre, y, x = decoding.peaks(heads.centre, max_people)
        if not centre.is_cuda:  # On CUDA the host would have to wait for the count.
            rows = max(decoding.GRAPH_PEOPLE, int((centre > decoding.MIN_CENTRE_SCORE).sum(1).max()))
            centre, y, x = centre[:, :rows], y[:, :rows], x[:, :rows]
        neighbours = neighbourhoods(heads.features, y, x)
        boxes = decoding.boxes_at(
            y, x, network.box_scale.at(neighbours), network.box_offset.at(neighbours), (height, width)
        )
        regressed = network.keypoint_regression.at(neighbours).unflatten(-1, (len(KEYPOINTS), 2))
        joints = torch.stack((y, x), -1)[:, :, None] + regressed  # [B, K, 17, 2]
        joint_y, joint_x, joint_scores = decoding.refine_keypoints(heads.keypoint_heatmap, joints, boxes)
        offsets = network.keypoint_offset.at(neighbourhoods(heads.features, joint_y.flatten(1), joint_x.flatten(1)))
        # The head returns offsets of all 17 keypoints at each position; take the keypoint's own.
        offsets = offsets.unflatten(-1, (len(KEYPOINTS), 2)).unflatten(1, joint_y.shape[1:])  # [B, K, 17, 17, 2]
        offsets = offsets.diagonal(dim1=2, dim2=3)  # [B, K, 2, 17]
        positions = torch.stack((joint_x + offsets[:, :, 1], joint_y + offsets[:, :, 0]), -1) * STRIDE
        keypoints = torch.cat((positions, joint_scores[..., None]), -1)
        scores = decoding.person_scores(centre, joint_scores) * (centre > decoding.MIN_CENTRE_SCORE)
        corners = torch.stack([boxes[..., side] for side in (1, 0, 3, 2)], -1) * STRIDE
        if suppress_duplicates:
            scores = decoding.suppress(scores, decoding.overlaps(corners, positions, self.sigmas))
        scores, order = scores.sort(dim=-1, descending=True, stable=True)
        rows = torch.cat((corners, keypoints.flatten(2)), -1)
        rows = rows.gather(1, order[..., None].expand_as(rows))
        packed = torch.cat((rows[..., :4], scores[..., None], rows[..., 4:]), -1)
        return Detections(F.pad(packed, (0, 0, 0, max_people - packed.shape[1])))


def slot_format(source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
    """Return the format of the detector's pictures: rgb24, sides multiples of 32, with the source's aspect ratio.

    Sizes are (width, height). The content is the largest picture of the source's aspect ratio that fits into
    detector_size; the slot is padded with black on the right and below.

    Without a detector_size the content's longer side is that of the source, but at least 256 and at most 768. People
    far from a street camera need 768 (see docs/detector.md); time grows with the area, and enlarging a picture adds no
    information. Raises `ValueError` for sizes below 1.
    """
    width, height = source_size
    if width < 1 or height < 1:
        raise ValueError(f"a source of {width}x{height} pixels is empty")
    if detector_size is None:
        longest = min(max(width, height, SHORTEST_LONGEST_SIDE), LONGEST_SIDE)
        detector_size = (longest, longest)
    if min(detector_size) < 1:
        raise ValueError(f"detector_size {detector_size[0]}x{detector_size[1]} must be positive")
    scale = min(detector_size[0] / width, detector_size[1] / height)
    content = (max(1, round(width * scale)), max(1, round(height * scale)))
    return SlotFormat("rgb24", (_padded(content[0]), _padded(content[1])), content)


def _padded(length: int) -> int:
    return -(-length // SIZE_MULTIPLE) * SIZE_MULTIPLE


SIDE = 256
"""Height and width of a crop."""


class Thunder(nn.Module):
    """The single-person network: `keypoints = net.decode(net(crops))`."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network from the published graph's constants (`tfjs_graph.read_weights`). Raises `GraphError`."""
        super().__init__()
        self.network = ThunderNetwork()
        self.network.fill(Constants(tensors, "MoveNet Thunder"))
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.precision = torch.float32
        """Compute precision of the convolutions; heads have the type of the weights."""
        self.computation: Computation | None = None
        """Computes the centre, the keypoint heatmap and the finest map; None for torch."""
        self.eval()

    @classmethod
    def load(cls, path: Path | None = None) -> Thunder:
        """Load the weights from a folder (`movenet-thunder.json` and `.bin`), by default from the cache.

        Raises `WeightsError` naming the command to run if they are missing, `GraphError` if they are invalid.
        """
        folder = path or weights.locate("movenet-thunder")
        return cls(read_weights(folder / "movenet-thunder.json", folder / "movenet-thunder.bin"))

    @torch.no_grad()
    def forward(self, crops: Tensor) -> Heads:
        """Compute the heads: 64x64 cells of 4x4 pixels.

        crops `[B, 256, 256, 3]` uint8 RGB on the model's device, each with one person in its middle, whole, and black
        beyond the picture. B may be 0. Raises `ValueError` for crops of another shape.
        """
        if tuple(crops.shape[1:]) != (SIDE, SIDE, 3):
            raise ValueError(f"crops must have the shape [B, {SIDE}, {SIDE}, 3], not {list(crops.shape)}")
        ((_, heads),) = maps_and_heads_of_batches(self.network, [crops], self.precision, self.computation)
        return heads

    @torch.no_grad()
    def decode(self, heads: Heads) -> Tensor:
        """Return the keypoints of each crop: float32 `[B, 17, 3]`, x and y in pixels of the crop and score in [0, 1].

        The person's centre is the best cell near the middle of the crop. From there, the position of each keypoint is
        regressed. The keypoint is the best cell near that position, moved by the offset that is predicted there, and
        has the cell's score. The order is that of `KEYPOINTS`.
        """
        network = self.network
        middle = heads.centre.new_full((len(heads.centre), 1, 2), SIDE / STRIDE / 2)
        y, x, _ = best_near(heads.centre[:, None], middle)  # [B, 1]
        regressed = network.keypoint_regression.at(neighbourhoods(heads.features, y, x))
        expected = torch.stack((y, x), -1) + regressed.unflatten(-1, (len(KEYPOINTS), 2))[:, 0]  # [B, 17, 2]
        y, x, scores = best_near(heads.keypoint_heatmap, expected)  # [B, 17]
        offsets = network.keypoint_offset.at(neighbourhoods(heads.features, y, x))
        # The head returns offsets of all 17 keypoints at each position; take the keypoint's own.
        offsets = offsets.unflatten(-1, (len(KEYPOINTS), 2)).diagonal(dim1=1, dim2=2)  # [B, 2, 17]
        return torch.stack(((x + offsets[:, 1]) * STRIDE, (y + offsets[:, 0]) * STRIDE, scores), -1)
