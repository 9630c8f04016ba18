"""MoveNet MultiPose for all runtimes: the graph of its convolutions, and its people for comparison."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.detection.computation import Computation
from stages.detection.keypoint_detector import MOVENET_THRESHOLDS
from stages.detection.movenet import movenet, movenet_network, pose_heads
from stages.detection.movenet.movenet import FEATURE_CHANNELS, KEYPOINTS, SIZE_MULTIPLE, MoveNet
from stages.detection.movenet.movenet_network import STRIDE
from stages.export import detector_graph
from stages.export.detector_graph import remove_bands
from stages.export.graph import Graph, Port
from stages.runtimes.network import Detected

_MAX_PEOPLE = 32


class _ConvolutionsModule(nn.Module):
    """The detector without decoding: the outputs that `MoveNet.computation` returns."""

    def __init__(self, net: MoveNet) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        self.net.precision, self.net.computation = torch.float32, None
        remove_bands(self.net.network)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        maps, heads = self.net._run(pictures)
        return (heads.centre, heads.keypoint_heatmap, *(maps[stride] for stride in FEATURE_CHANNELS))


class RunnableMoveNet:
    """Implements `RunnableNetwork`."""

    name = "movenet-multipose"
    sure_score = MOVENET_THRESHOLDS.activation_score

    def __init__(self, net: MoveNet) -> None:
        """`net` must be on the CPU. It is changed by `use`."""
        self._net = net

    @property
    def sources(self) -> Sequence[Path]:
        """The files of the layers, of the normalisation of pictures, and of this graph."""
        modules = (movenet_network, pose_heads, movenet, detector_graph)
        return [*(Path(module.__file__ or "") for module in modules), Path(__file__)]

    def graph(self) -> Graph:
        """Return the graph: all maps, because pooling the fewer that a checkpoint needs is not measurably faster."""
        cells = (f"height/{STRIDE}", f"width/{STRIDE}")
        outputs = [
            Port("centre", ("pictures", *cells), "likelihood of a person's centre", "score in [0, 1]"),
            Port(
                "keypoint_heatmap", ("pictures", len(KEYPOINTS), *cells), "likelihood of keypoints", "score in [0, 1]"
            ),
            *(
                Port(f"map_{stride}", ("pictures", count, f"height/{stride}", f"width/{stride}"), "feature map", "none")
                for stride, count in FEATURE_CHANNELS.items()
            ),
        ]
        random = torch.Generator().manual_seed(0)
        return Graph(
            self.name,
            _ConvolutionsModule(self._net).eval(),
            (Port("pictures", ("pictures", "height", "width", 3), "RGB pictures", "bytes", "uint8"),),
            tuple(outputs),
            [(torch.randint(0, 256, (2, 96, 160, 3), dtype=torch.uint8, generator=random),)],
            multiples={"height": SIZE_MULTIPLE, "width": SIZE_MULTIPLE},
        )

    def use(self, precision: torch.dtype, computation: Computation | None) -> None:
        """Set the network's precision and computation."""
        self._net.precision, self._net.computation = precision, computation

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        """Return the people of a picture."""
        _, heads = self._net(torch.from_numpy(picture)[None])
        rows = self._net.decode(heads, _MAX_PEOPLE).packed[0].numpy()
        rows = rows[rows[:, 4] > 0]
        keypoints = rows[:, 5:].reshape(-1, len(KEYPOINTS), 3)
        return Detected(rows[:, :4], rows[:, 4], np.zeros(len(rows), np.int64), keypoints)
