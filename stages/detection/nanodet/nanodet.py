"""NanoDet-g with its published weights: detects people and objects of COCO's other 79 classes.

The published graph takes one picture of 416x416. This implementation takes batches of any size whose sides are
multiples of 32. Maps become boxes by the formulas of Generalized Focal Loss (Li et al., NeurIPS 2020): a cell predicts
how far its centre is from each side of the box, in strides, as a distribution over the integers 0 to 10, of which the
distance is the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.transfer import to_host
from stages.detection.detections import Computation, ObjectDetections
from stages.detection.nanodet.class_names import CLASS_NAMES
from stages.detection.nanodet.nanodet_network import BINS, CLASSES, STRIDES, NanoDetNetwork
from stages.detection.suppression import DetectionSettings, nms_mask, select_detections
from stages.detection.tfjs_graph import Constants, read_weights
from stages.detection.views.slot_pictures import region_pictures
from stages.device.precision import computing_in
from stages.looks import Look, Region
from stages.third_party import weights

CELLS = 1000
"""Cells of a picture that are decoded, those with the best class scores. The published decoding takes as many of each
stride. In a room of 480x640 with many objects, 1,400 cells score more than the threshold of 0.05; the hundred best
boxes are the same."""


def cell_centres(height: int, width: int, stride: int, device: torch.device) -> Tensor:
    """Return the centres of a map's cells in input pixels, row by row: `[height · width, 2]` (x, y)."""
    y = (torch.arange(height, device=device) + 0.5) * stride
    x = (torch.arange(width, device=device) + 0.5) * stride
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((x, y), -1).flatten(0, 1)


def distances(logits: Tensor) -> Tensor:
    """Return the means of distributions over 0 to 10: logits `[..., 4 · 11]` → `[..., 4]`."""
    probabilities = logits.unflatten(-1, (4, BINS)).softmax(-1)
    return probabilities @ torch.arange(BINS, dtype=logits.dtype, device=logits.device)


def boxes_around(centres: Tensor, sides: Tensor, size: tuple[int, int]) -> Tensor:
    """Return boxes `[..., 4]` (x1, y1, x2, y2), clipped to a picture of `size` (height, width).

    centres `[..., 2]` (x, y); sides `[..., 4]`: distances to the left, top, right and bottom, in pixels.
    """
    x, y = centres.unbind(-1)
    left, top, right, bottom = sides.unbind(-1)
    height, width = size
    return torch.stack(
        (
            (x - left).clamp(0, width),
            (y - top).clamp(0, height),
            (x + right).clamp(0, width),
            (y + bottom).clamp(0, height),
        ),
        -1,
    )


def decode_maps(maps: Sequence[Tensor], strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return the boxes `[B, K, 4]` and class scores `[B, K, 80]` of the best K cells of the heads' maps.

    maps `[B, 124, H/s, W/s]` for each stride s. K is `CELLS`, or the number of cells if that is lower.
    """
    cells = torch.cat([output.flatten(2) for output in maps], 2)  # [B, 124, N]
    places = torch.cat([_places(output, stride) for output, stride in zip(maps, strides, strict=True)])  # [N, 3]
    _, rows = cells[:, :CLASSES].amax(1).topk(min(CELLS, cells.shape[2]))  # [B, K]
    cells = cells.transpose(1, 2).gather(1, rows[..., None].expand(-1, -1, cells.shape[1]))  # [B, K, 124]
    places = places[rows]  # [B, K, 3]
    sides = distances(cells[..., CLASSES:]) * places[..., 2:]
    size = maps[0].shape[2] * strides[0], maps[0].shape[3] * strides[0]
    return boxes_around(places[..., :2], sides, size), cells[..., :CLASSES].sigmoid()


def _places(output: Tensor, stride: int) -> Tensor:
    """Return x and y of the cells' centres in input pixels, and the stride: `[h · w, 3]`."""
    centres = cell_centres(output.shape[2], output.shape[3], stride, output.device)
    return F.pad(centres, (0, 1), value=stride)


SIZE_MULTIPLE = 32
TRAINED_SIDE = 416
"""Height and width of the pictures that the network learned from. They are scaled to fit, and black beyond."""
MIN_SCORE = 0.05
"""The published threshold; it is meant for measuring precision, and many boxes that score so little are wrong."""
SUPPRESSION_OVERLAP = 0.6
"""The published IoU above which a box suppresses a worse one of its class."""
# Mean and spread of COCO's pixels that the network was trained with, R, G, B.
_MEAN = (123.675, 116.28, 103.53)
_SPREAD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The network's outputs for a batch, for decoding.

    `maps`: `[B, 124, H/s, W/s]` for the strides s of 8, 16 and 32: logits of the 80 classes, then of the 11 bins of
    each distance from the cell's centre to the left, top, right and bottom of the box.
    """

    maps: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The boxes of a batch, K rows per picture, best first, in one tensor so that one copy moves them all.

    `packed` float32 `[B, K, 6]`: x1, y1, x2, y2 in input pixels, score, class. Unused rows are zeros.
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
    def labels(self) -> Tensor:
        """int64 `[B, K]`: indices into `CLASS_NAMES`."""
        return self.packed[..., 5].long()


class NanoDet(nn.Module):
    """The detector of people and objects: `boxes = net.decode(net(pictures))`."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        """Build the network from the published graph's constants (`tfjs_graph.read_weights`). Raises `GraphError`."""
        super().__init__()
        self.network = NanoDetNetwork()
        self.network.fill(Constants(tensors, "NanoDet-g"))
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.precision = torch.float32
        """Compute precision of the convolutions; heads have the type of the weights."""
        self.computation: Computation | None = None
        """Computes the maps of the heads, the finest first; None for torch."""
        # Buffers, so that they are on the device: copying them there for each batch would wait for the device.
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(_SPREAD)[:, None, None], persistent=False)
        self.eval()

    @classmethod
    def load(cls, path: Path | None = None) -> NanoDet:
        """Load the weights from a folder (`nanodet.json` and `.bin`), by default from the cache.

        Raises `WeightsError` naming the command to run if they are missing, `GraphError` if they are invalid.
        """
        folder = path or weights.locate("nanodet")
        return cls(read_weights(folder / "nanodet.json", folder / "nanodet.bin"))

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Heads:
        """Compute the heads.

        pictures `[B, H, W, 3]` uint8 RGB on the model's device; H and W are multiples of 32. Raises `ValueError` for
        other sizes.
        """
        if pictures.shape[1] % SIZE_MULTIPLE or pictures.shape[2] % SIZE_MULTIPLE:
            raise ValueError(f"height and width must be multiples of 32, not {tuple(pictures.shape[1:3])}")
        if pictures.is_cuda:
            return self._run(pictures)
        # On the CPU a whole batch is no faster, and one by one no picture affects the results of another.
        batches = pictures.split(1)
        if self.computation is None:
            singles = [self._run(batch).maps for batch in batches]
        else:
            singles = self.computation(batches)
        return Heads(tuple(torch.cat(maps) for maps in zip(*singles, strict=True)))

    def _run(self, pictures: Tensor) -> Heads:
        dtype = self.network.stem.weight.dtype
        x = pictures.permute(0, 3, 1, 2).to(dtype).sub_(self.mean).div_(self.spread)
        with computing_in(self.precision, x.device):
            maps = self.network(x)
        return Heads(tuple(one.to(dtype) for one in maps))

    @torch.no_grad()
    def decode(self, heads: Heads, max_boxes: int = 100, min_score: float = MIN_SCORE) -> Boxes:
        """Return the boxes of each picture that score more than `min_score`, in K = `max_boxes` rows.

        A cell may give boxes of several classes. A box suppresses worse ones of its class that overlap it with an IoU
        above `SUPPRESSION_OVERLAP`.
        """
        boxes, scores = decode_maps([output.float() for output in heads.maps], STRIDES)
        settings = DetectionSettings(min_score, SUPPRESSION_OVERLAP, max_boxes)
        return Boxes(select_detections(boxes[:, :, None], scores, settings, fixed=scores.is_cuda))


PERSON = CLASS_NAMES.index("person")
SAME_OBJECT = 0.6
"""IoU above which two boxes are one object, whatever their classes: the class with the best score is taken."""


class PackedObjects(Protocol):
    """The objects and people of a batch of pictures, best first."""

    @property
    def packed(self) -> Tensor:
        """float32 `[B, K, 6]`: x1, y1, x2, y2 in input pixels, score, class; rows of zeros for none."""
        ...


class ObjectNetwork(Protocol):
    """Detects objects of COCO's classes, as `stages.detection.nanodet.nanodet.NanoDet` does."""

    def __call__(self, pictures: Tensor) -> Any:
        """Run on uint8 `[B, H, W, 3]` RGB on the device; return heads for `decode`."""
        ...

    def decode(self, heads: Any) -> PackedObjects:
        """Return the objects of each picture."""
        ...


class ObjectFinder:
    """Looks for objects where looks say so."""

    def __init__(self, network: ObjectNetwork, device: torch.device | str = "cpu") -> None:
        """`network` must be on `device`."""
        self.network = network
        self._device = torch.device(device)

    def find(self, frames: Sequence[Lease], looks: Sequence[Look]) -> dict[int, ObjectDetections]:
        """Return the objects, by frame index, of the frames in which objects are looked for."""
        regions = [(index, look.objects) for index, look in enumerate(looks) if look.objects is not None]
        if not regions:
            return {}
        rows = self._run(region_pictures(frames, regions, self._device, TRAINED_SIDE))
        return {
            index: objects_of(found, region, frames[index].meta)
            for (index, region), found in zip(regions, rows, strict=True)
        }

    def warm_up(self, count: int) -> None:
        """Run on `count` blank pictures."""
        self._run(torch.zeros(count, TRAINED_SIDE, TRAINED_SIDE, 3, dtype=torch.uint8, device=self._device))

    def _run(self, pictures: Tensor) -> NDArray[np.float32]:
        return to_host(self.network.decode(self.network(pictures)).packed)


def objects_of(rows: NDArray[np.float32], region: Region, meta: FrameMeta) -> ObjectDetections:
    """Return the objects of a region from rows `[K, 6]`, in pixels of the epoch's first picture."""
    rows = rows[(rows[:, 4] > 0) & (rows[:, 5] != PERSON)]
    boxes, scores = torch.from_numpy(rows[None, :, :4]), torch.from_numpy(rows[None, :, 4])
    rows = rows[nms_mask(boxes, scores, SAME_OBJECT, fixed=False)[0].numpy()]
    offset = np.array((region.left, region.top), np.float32)
    scale = np.array(meta.size, np.float32) / np.array(meta.format.picture_size, np.float32)
    boxes = (rows[:, :4] * np.float32(region.side / TRAINED_SIDE) + np.tile(offset, 2)) * np.tile(scale, 2)
    # What the network sees below and to the right of the picture is black.
    boxes = np.minimum(boxes, np.tile(np.array(meta.size, np.float32), 2))
    return ObjectDetections(boxes, rows[:, 4], tuple(CLASS_NAMES[int(label)] for label in rows[:, 5]))
