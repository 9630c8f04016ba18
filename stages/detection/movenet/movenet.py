"""MoveNet MultiPose: pictures in, feature maps and people with 17 keypoints out, with its published weights.

Owns the network's weights, for as long as the detector lives. The published graph stops at six people and takes one
picture; this takes any batch, any size that is a multiple of 32, and finds as many people as it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ring_buffers.frames import SlotFormat
from stages.detection.movenet import keypoint_decoding as decoding
from stages.detection.movenet.movenet_network import FEATURE_CHANNELS, STRIDE, Network, Weights, neighbourhoods
from stages.detection.movenet.tfjs_graph import read_weights
from stages.device.precision import computing_in
from stages.third_party import weights

__all__ = ["FEATURE_CHANNELS", "KEYPOINTS", "Detections", "Heads", "MoveNet", "slot_format"]

KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle",
)  # fmt: skip
"""COCO's order."""
SIZE_MULTIPLE = 32
LONGEST_SIDE = 768
SHORTEST_LONGEST_SIDE = 256
# The published graph's own constants: pixels become p · (2/255, as a float16) − 1.
_PIXEL_SCALE = 0.007843017578125


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What decoding needs of a batch; h, w = H/4, W/4.

    centre `[B, h, w]` and keypoint_heatmap `[B, 17, h, w]` are scores in [0, 1]; from features `[B, 24, h, w]`, the
    pyramid's finest map, the other heads answer at single positions.
    """

    centre: Tensor
    keypoint_heatmap: Tensor
    features: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """People of a batch, K rows a picture, best first, in one tensor so that one copy moves them all.

    `packed` `[B, K, 56]` float32: x1, y1, x2, y2, score, then x, y, score of each keypoint; input pixels. Rows without
    a person have score 0.
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
    """The detector. `maps, heads = net(pictures); people = net.decode(heads, 32)`."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """From the published graph's constants (`tfjs_graph.read_weights`). Raises `GraphError`."""
        super().__init__()
        self.network = Network()
        self.network.fill(Weights(tensors))
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.precision = torch.float32
        """In which convolutions are computed; maps and heads are given in the weights' own type."""
        # On the device from the start: making it there would wait for the copy.
        self.sigmas: Tensor
        self.register_buffer("sigmas", torch.tensor(decoding.COCO_SIGMAS), persistent=False)
        self.eval()

    @classmethod
    def load(cls, path: Path | None = None) -> MoveNet:
        """With the weights in that folder (`movenet-multipose.json` and `.bin`), else with those in the cache.

        Raises `WeightsError` saying what to run where they are missing, `GraphError` if they are something else.
        """
        where = path or weights.locate("movenet-multipose")
        return cls(read_weights(where / "movenet-multipose.json", where / "movenet-multipose.bin"))

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> tuple[dict[int, Tensor], Heads]:
        """pictures `[B, H, W, 3]` uint8 RGB on the model's device, H and W multiples of 32.

        Returns maps by stride (4: `[B, 24, H/4, W/4]`, 8: 48, 16: 96, 32: 64 channels) and the heads.
        """
        if pictures.shape[1] % SIZE_MULTIPLE or pictures.shape[2] % SIZE_MULTIPLE:
            raise ValueError(f"height and width must be multiples of 32, not {tuple(pictures.shape[1:3])}")
        if pictures.is_cuda or len(pictures) <= 1:
            return self._together(pictures)
        # On the CPU a batch in one go is no faster, and at 768x576 slower: it costs 30,000 page faults a picture.
        singles = [self._together(picture[None]) for picture in pictures]
        maps = {stride: torch.cat([maps[stride] for maps, _ in singles]) for stride in FEATURE_CHANNELS}
        heads = [heads for _, heads in singles]
        return maps, Heads(
            torch.cat([one.centre for one in heads]),
            torch.cat([one.keypoint_heatmap for one in heads]),
            maps[STRIDE],
        )

    def _together(self, pictures: Tensor) -> tuple[dict[int, Tensor], Heads]:
        dtype = self.network.last.weight.dtype
        x = pictures.permute(0, 3, 1, 2).to(dtype).mul_(_PIXEL_SCALE).sub_(1.0)
        with computing_in(self.precision, x.device):
            maps = self.network(x)
            centre = self.network.centre(maps[STRIDE])
            heatmap = self.network.keypoint_heatmap(maps[STRIDE])
        # What comes after is small, and places are told to a tenth of a pixel.
        maps = {stride: features.to(dtype) for stride, features in maps.items()}
        return maps, Heads(centre.to(dtype).sigmoid_()[:, 0], heatmap.to(dtype).sigmoid_(), maps[STRIDE])

    @torch.no_grad()
    def decode(self, heads: Heads, max_people: int, suppress_duplicates: bool = True) -> Detections:
        """The people of each picture, at most `max_people`, best first; K = `max_people` rows whatever was found.

        The published graph doesn't suppress duplicates, and finds a near person two or three times.
        """
        network = self.network
        height, width = heads.centre.shape[1:]
        centre, y, x = decoding.peaks(heads.centre, max_people)
        if not centre.is_cuda:  # There the count would have to be waited for.
            rows = max(decoding.GRAPH_PEOPLE, int((centre > decoding.FAINT).sum(1).max()))
            centre, y, x = centre[:, :rows], y[:, :rows], x[:, :rows]
        around = neighbourhoods(heads.features, y, x)
        boxes = decoding.boxes_at(y, x, network.box_scale.at(around), network.box_offset.at(around), (height, width))
        regressed = network.keypoint_regression.at(around).unflatten(-1, (len(KEYPOINTS), 2))
        joints = torch.stack((y, x), -1)[:, :, None] + regressed  # [B, K, 17, 2]
        joint_y, joint_x, joint_scores = decoding.refine(heads.keypoint_heatmap, joints, boxes)
        offsets = network.keypoint_offset.at(neighbourhoods(heads.features, joint_y.flatten(1), joint_x.flatten(1)))
        # Each keypoint's own pair of the 17 that the head gives at its place.
        offsets = offsets.unflatten(-1, (len(KEYPOINTS), 2)).unflatten(1, joint_y.shape[1:])  # [B, K, 17, 17, 2]
        offsets = offsets.diagonal(dim1=2, dim2=3)  # [B, K, 2, 17]
        places = torch.stack((joint_x + offsets[:, :, 1], joint_y + offsets[:, :, 0]), -1) * STRIDE
        keypoints = torch.cat((places, joint_scores[..., None]), -1)
        scores = decoding.person_scores(centre, joint_scores) * (centre > decoding.FAINT)
        corners = torch.stack([boxes[..., side] for side in (1, 0, 3, 2)], -1) * STRIDE
        if suppress_duplicates:
            scores = decoding.suppress(scores, decoding.overlaps(corners, places, self.sigmas))
        scores, order = scores.sort(dim=-1, descending=True, stable=True)
        rows = torch.cat((corners, keypoints.flatten(2)), -1)
        rows = rows.gather(1, order[..., None].expand_as(rows))
        packed = torch.cat((rows[..., :4], scores[..., None], rows[..., 4:]), -1)
        return Detections(F.pad(packed, (0, 0, 0, max_people - packed.shape[1])))


def slot_format(source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
    """The picture that the detector wants of a source: rgb24, sides multiples of 32, the source's aspect kept.

    source_size and detector_size are (width, height). The content is the largest picture of the source's aspect that
    fits into detector_size; the slot is that, filled up with black on the right and below.

    Without a detector_size the content's longer side is that of the source, within 256 and 768: people far from a
    street camera need 768 (docs/detector.md gives the figures), more costs time in proportion to the area, and a
    picture made larger than its source shows no more.
    """
    width, height = source_size
    if width < 1 or height < 1:
        raise ValueError(f"a source of {width}x{height} pixels has no picture")
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
