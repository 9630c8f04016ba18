"""The detector's graph: from pictures to the maps of all six heads and the feature maps that regions are pooled from.

The engine computes four of the heads at single positions only (stages/detection/movenet/movenet.py). Whole maps take
4 to 7 % longer (ONNX Runtime, one thread, 576x768), but every runtime can compute them.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.detection.movenet import keypoint_decoding as decoding
from stages.detection.movenet.movenet import FEATURE_CHANNELS, KEYPOINTS, SIZE_MULTIPLE, MoveNet
from stages.detection.movenet.movenet_network import STRIDE, Convolution, InvertedResidual, PoseNetwork
from stages.export.graph import Graph, Port, Sample
from stages.third_party import weights

_CELL = f"cells of {STRIDE} input pixels"
_HEADS = (
    ("box_scale", 2, "height and width of the person whose centre is the cell", _CELL),
    ("box_offset", 2, "y, x from the cell to the centre of that person's box", _CELL),
    ("keypoint_regression", 2 * len(KEYPOINTS), "y, x from the centre's cell to each keypoint, approximately", _CELL),
    ("keypoint_offset", 2 * len(KEYPOINTS), "y, x from a keypoint's cell to the exact keypoint", _CELL),
)
_OUTSIDE = (
    "Scale each picture to a height and width that are multiples of 32, keeping its aspect ratio, with black padding "
    "on the right and below. The input is RGB bytes; the graph normalises them.",
    "Centres: the cells with the greatest `centre` within `peak_window` x `peak_window` cells, best first; ignore "
    "those below `faint`. The box is given by box_offset and box_scale at the centre's cell, clipped to the map.",
    "Keypoints: weight keypoint_heatmap by exp(-d² / (spread · s)), where s is the map's shorter side and d the "
    "distance in cells from the position that keypoint_regression gives at the centre's cell; the weight is 0 outside "
    "the box. The keypoint is the best cell, moved by keypoint_offset there. Its score is the heatmap there times the "
    "greatest weight that any of the six best people gives it.",
    "A person's score is the centre's score times the mean of the keypoint scores above `keypoint_score`. Two rows are "
    "the same person if the mean of IoU and OKS exceeds `duplicate`: keep the better one.",
    "Multiply cells by 4 to get input pixels, and undo the scaling of the first step to get pixels of the source. Then "
    "track the people.",
)


class DetectorModule(nn.Module):
    """The detector with whole maps.

    Pictures uint8 [B, H, W, 3] → centre [B, h, w], heatmap [B, 17, h, w], four more heads [B, c, h, w], feature maps.
    """

    def __init__(self, detector: MoveNet, strides: Sequence[int]) -> None:
        super().__init__()
        self.detector = copy.deepcopy(detector)
        remove_bands(self.detector.network)
        self.strides = tuple(strides)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        maps, heads = self.detector._run(pictures)
        network = self.detector.network
        positional = (network.box_scale, network.box_offset, network.keypoint_regression, network.keypoint_offset)
        return (
            heads.centre,
            heads.keypoint_heatmap,
            *(head(heads.features) for head in positional),
            *(maps[stride] for stride in self.strides),
        )


class _WholeBlock(nn.Module):
    """An inverted residual block that is not computed in bands of rows."""

    def __init__(self, block: InvertedResidual) -> None:
        super().__init__()
        self.path = nn.Sequential(block.expand, block.depthwise, block.project)
        self.residual = block.residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.path(x)
        return x + y if self.residual else y


def remove_bands(network: PoseNetwork) -> None:
    """Replace computation in bands of rows, which are chosen for one processor's cache and one picture height."""
    stem: list[Convolution] = [network.stem.first, network.stem.depthwise, network.stem.project]
    network.stem = nn.Sequential(*stem)  # pyright: ignore[reportAttributeAccessIssue]
    blocks: list[InvertedResidual] = list(network.blocks)  # pyright: ignore[reportAssignmentType]
    network.blocks = nn.ModuleList(_WholeBlock(block) for block in blocks)


def detector_graph(detector: MoveNet, strides: Sequence[int] = ()) -> Graph:
    """Return the graph of a detector on the CPU, with the feature maps of `strides` as additional outputs."""
    cells: tuple[int | str, ...] = (f"height/{STRIDE}", f"width/{STRIDE}")
    outputs = [
        Port("centre", ("pictures", *cells), "likelihood that the cell is a person's centre", "score in [0, 1]"),
        Port(
            "keypoint_heatmap",
            ("pictures", len(KEYPOINTS), *cells),
            "likelihood that the cell is a keypoint of any person",
            "score in [0, 1]",
        ),
        *(Port(name, ("pictures", count, *cells), meaning, unit) for name, count, meaning, unit in _HEADS),
        *(
            Port(
                f"map_{stride}",
                ("pictures", FEATURE_CHANNELS[stride], f"height/{stride}", f"width/{stride}"),
                f"feature map at stride {stride}, from which regions are pooled",
                "none",
            )
            for stride in strides
        ),
    ]
    return Graph(
        "detector",
        DetectorModule(detector, strides).eval(),
        (Port("pictures", ("pictures", "height", "width", 3), "RGB pictures", "bytes", "uint8"),),
        tuple(outputs),
        _random_pictures(),
        _OUTSIDE,
        {
            "weights": {file.name: file.sha256 for file in weights.asset("movenet-multipose").files},
            "keypoints": list(KEYPOINTS),
            "decoding": {
                "stride": STRIDE,
                "peak_window": decoding.PEAK_WINDOW,
                "faint": decoding.MIN_CENTRE_SCORE,
                "spread": decoding.SPREAD,
                "least_cells": decoding.LEAST_CELLS,
                "keypoint_score": decoding.KEYPOINT_SCORE,
                "duplicate": decoding.DUPLICATE_OVERLAP,
                "oks_sigmas": list(decoding.COCO_SIGMAS),
            },
        },
        {"height": SIZE_MULTIPLE, "width": SIZE_MULTIPLE},
        convolutional=True,
    )


def _random_pictures() -> list[Sample]:
    """Return noise in two sizes, of which one is the smallest picture, and a picture of smooth blobs."""
    random = torch.Generator().manual_seed(0)
    blobs = F.interpolate(torch.rand(1, 3, 6, 10, generator=random), scale_factor=32, mode="bilinear") * 255
    return [
        (torch.randint(0, 256, (2, 96, 160, 3), dtype=torch.uint8, generator=random),),
        (blobs.permute(0, 2, 3, 1).to(torch.uint8).contiguous(),),
        (torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=random),),
    ]
