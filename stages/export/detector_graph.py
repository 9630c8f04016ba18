"""The detector as a graph: pictures in, all six heads' maps out, and the feature maps that regions are pooled from.

The engine computes four of the heads at single positions only (stages/detection/movenet/movenet.py); a map a head is
what every runtime can do, and it takes 4 to 7 % longer (ONNX Runtime, one thread, 576x768).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.detection.movenet import keypoint_decoding as decoding
from stages.detection.movenet.movenet import FEATURE_CHANNELS, KEYPOINTS, SIZE_MULTIPLE, MoveNet
from stages.detection.movenet.movenet_network import STRIDE, Convolution, InvertedResidual, Network
from stages.export.graph import Graph, Port, Sample
from stages.third_party import weights

_CELL = f"cells of {STRIDE} input pixels"
_HEADS = (
    ("box_scale", 2, "height, width of the person whose centre the cell is", _CELL),
    ("box_offset", 2, "y, x from the cell to the middle of that person's box", _CELL),
    ("keypoint_regression", 2 * len(KEYPOINTS), "y, x from the centre's cell to about each keypoint", _CELL),
    ("keypoint_offset", 2 * len(KEYPOINTS), "y, x from a keypoint's cell to the keypoint itself", _CELL),
)
_OUTSIDE = (
    "Scale each picture to a height and width that are multiples of 32, its aspect kept, black on the right and below. "
    "RGB bytes go in as they are; the graph normalises them.",
    "Centres: the cells that are the greatest of `centre` within `peak_window` x `peak_window` cells, best first; "
    "one below `faint` is nobody. The box is box_offset and box_scale at the centre's cell, cut to the map.",
    "Keypoints: weight keypoint_heatmap by exp(-d² / (spread · s)), s being the map's shorter side and d the distance "
    "in cells from where keypoint_regression of the centre's cell points to, and by 0 outside the box. The best cell, "
    "moved by keypoint_offset there, is the keypoint; its score is the heatmap's there times the greatest weight that "
    "one of the six best people gives it.",
    "A person's score is the centre's times the mean of the keypoint scores above `keypoint_score`. Two rows are one "
    "person where the mean of IoU and OKS exceeds `duplicate`: keep the better one.",
    "Cells become input pixels by 4, and pixels of the source by the scale of the first step. Then people are tracked.",
)


class DetectorModule(nn.Module):
    """Pictures uint8 [B, H, W, 3] → centre [B, h, w], heatmap [B, 17, h, w], four heads [B, c, h, w] more, maps."""

    def __init__(self, detector: MoveNet, strides: Sequence[int]) -> None:
        super().__init__()
        self.detector = copy.deepcopy(detector)
        _without_bands(self.detector.network)
        self.strides = tuple(strides)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        maps, heads = self.detector._run(pictures)
        network = self.detector.network
        of_positions = (network.box_scale, network.box_offset, network.keypoint_regression, network.keypoint_offset)
        return (
            heads.centre,
            heads.keypoint_heatmap,
            *(head(heads.features) for head in of_positions),
            *(maps[stride] for stride in self.strides),
        )


class _WholeBlock(nn.Module):
    """An inverted residual block that computes its wide middle whole."""

    def __init__(self, block: InvertedResidual) -> None:
        super().__init__()
        self.path = nn.Sequential(block.expand, block.depthwise, block.project)
        self.residual = block.residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.path(x)
        return x + y if self.residual else y


def _without_bands(network: Network) -> None:
    """Bands of rows suit one processor's cache and one picture's height; a graph is for any."""
    stem: list[Convolution] = [network.stem.first, network.stem.depthwise, network.stem.project]
    network.stem = nn.Sequential(*stem)  # pyright: ignore[reportAttributeAccessIssue]
    blocks: list[InvertedResidual] = list(network.blocks)  # pyright: ignore[reportAssignmentType]
    network.blocks = nn.ModuleList(_WholeBlock(block) for block in blocks)


def detector_graph(detector: MoveNet, strides: Sequence[int] = ()) -> Graph:
    """The graph of a detector on the CPU; `strides` are those of the feature maps that are wanted too."""
    free: tuple[int | str, ...] = (f"height/{STRIDE}", f"width/{STRIDE}")
    shaped = [
        Port("centre", ("pictures", *free), "how much each cell is a person's centre", "score in [0, 1]"),
        Port(
            "keypoint_heatmap",
            ("pictures", len(KEYPOINTS), *free),
            "how much each cell is each keypoint of anybody",
            "score in [0, 1]",
        ),
        *(Port(name, ("pictures", count, *free), meaning, unit) for name, count, meaning, unit in _HEADS),
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
        tuple(shaped),
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
                "keypoint_score": decoding.KEYPOINT_SCORE,
                "duplicate": decoding.DUPLICATE_OVERLAP,
                "oks_sigmas": list(decoding.COCO_SIGMAS),
            },
        },
        {"height": SIZE_MULTIPLE, "width": SIZE_MULTIPLE},
    )


def _random_pictures() -> list[Sample]:
    """Noise, and soft blots, in three sizes: one of each is a batch, and one is the smallest picture."""
    random = torch.Generator().manual_seed(0)
    blots = F.interpolate(torch.rand(1, 3, 6, 10, generator=random), scale_factor=32, mode="bilinear") * 255
    return [
        (torch.randint(0, 256, (2, 96, 160, 3), dtype=torch.uint8, generator=random),),
        (blots.permute(0, 2, 3, 1).to(torch.uint8).contiguous(),),
        (torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=random),),
    ]
