"""NanoDet-g for all runtimes: the graph of its convolutions, and its boxes for comparison."""

from __future__ import annotations

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.detection.computation import Computation
from stages.detection.nanodet.nanodet import SIZE_MULTIPLE, NanoDet
from stages.detection.nanodet.nanodet_network import BINS, CLASSES, STRIDES
from stages.export.graph import Graph, Port
from stages.runtimes.network import PICTURES, Detected


class _Convolutions(nn.Module):
    """The detector without decoding: pictures uint8 `[B, H, W, 3]` → the maps of its heads."""

    def __init__(self, net: NanoDet) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        self.net.precision, self.net.computation = torch.float32, None

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        return self.net._run(pictures).maps


class RunnableNanoDet:
    """Implements `RunnableNetwork`."""

    name = "nanodet"
    sure_score = 0.4

    def __init__(self, net: NanoDet) -> None:
        """`net` must be on the CPU. It is changed by `use`."""
        self._net = net

    def graph(self) -> Graph:
        """Return the graph."""
        outputs = [
            Port(
                f"map_{stride}",
                ("pictures", CLASSES + 4 * BINS, f"height/{stride}", f"width/{stride}"),
                "classes, and distances to the sides of the box",
                "logits",
            )
            for stride in STRIDES
        ]
        multiples = {"height": SIZE_MULTIPLE, "width": SIZE_MULTIPLE}
        return Graph(self.name, _Convolutions(self._net).eval(), (PICTURES,), tuple(outputs), (), multiples=multiples)

    def use(self, precision: torch.dtype, computation: Computation | None) -> None:
        """Set the network's precision and computation."""
        self._net.precision, self._net.computation = precision, computation

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        """Return the boxes of a picture."""
        found = self._net.decode(self._net(torch.from_numpy(picture)[None]))
        rows = found.packed[0].numpy()
        rows = rows[rows[:, 4] > 0]
        return Detected(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), np.zeros((len(rows), 0, 3), np.float32))
