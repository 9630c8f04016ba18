"""MoveNet's two networks and NanoDet for all runtimes: graphs of convolutions, and what is detected for comparison."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.detection.detections import Computation
from stages.detection.keypoint_detector import MOVENET_THRESHOLDS
from stages.detection.movenet.movenet import FEATURE_CHANNELS, KEYPOINTS, SIDE, SIZE_MULTIPLE, MoveNet, Thunder
from stages.detection.movenet.movenet_network import STRIDE, PoseNetwork, maps_and_heads
from stages.detection.nanodet.nanodet import SIZE_MULTIPLE as NANODET_MULTIPLE
from stages.detection.nanodet.nanodet import NanoDet
from stages.detection.nanodet.nanodet_network import BINS, CLASSES, STRIDES
from stages.export.detector_graph import remove_bands
from stages.export.graph import Graph, Port
from stages.runtimes.network import PICTURES, Detected

_MAX_PEOPLE = 32
_PERSON = np.zeros(1, np.int64)
"""The label of a person."""

Net = TypeVar("Net", MoveNet, Thunder, NanoDet)


class _Convolutions(nn.Module):
    """A network without decoding: pictures uint8 `[B, H, W, 3]` → the outputs of its `computation`."""

    def __init__(self, network: PoseNetwork, strides: Sequence[int]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        remove_bands(self.network)
        self.strides = tuple(strides)

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        maps, heads = maps_and_heads(self.network, pictures, torch.float32)
        return (heads.centre, heads.keypoint_heatmap, *(maps[stride] for stride in self.strides))


def _graph(name: str, network: PoseNetwork, strides: Sequence[int]) -> Graph:
    """Return the graph from pictures to the centre, the keypoint heatmap and the maps of `strides`."""

    def port(output: str, meaning: str, unit: str, *channels: int, stride: int = STRIDE) -> Port:
        return Port(output, ("pictures", *channels, f"height/{stride}", f"width/{stride}"), meaning, unit)

    outputs = (
        port("centre", "likelihood of a person's centre", "score in [0, 1]"),
        port("keypoint_heatmap", "likelihood of keypoints", "score in [0, 1]", len(KEYPOINTS)),
        *(port(f"map_{one}", "feature map", "none", FEATURE_CHANNELS[one], stride=one) for one in strides),
    )
    multiples = {"height": SIZE_MULTIPLE, "width": SIZE_MULTIPLE}
    return Graph(name, _Convolutions(network, strides).eval(), (PICTURES,), outputs, (), multiples=multiples)


class _Runnable(Generic[Net]):
    """What all of them share."""

    def __init__(self, net: Net) -> None:
        """`net` must be on the CPU. It is changed by `use`."""
        self._net = net

    def use(self, precision: torch.dtype, computation: Computation | None) -> None:
        """Set the network's precision and computation."""
        self._net.precision, self._net.computation = precision, computation


class RunnableMoveNet(_Runnable[MoveNet]):
    """Implements `RunnableNetwork` with MultiPose."""

    name = "movenet-multipose"
    sure_score = MOVENET_THRESHOLDS.activation_score

    def graph(self) -> Graph:
        """Return the graph: all maps, because pooling the fewer that a checkpoint needs is not measurably faster."""
        return _graph(self.name, self._net.network, tuple(FEATURE_CHANNELS))

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        """Return the people of a picture."""
        _, heads = self._net(torch.from_numpy(picture)[None])
        rows = self._net.decode(heads, _MAX_PEOPLE).packed[0].numpy()
        rows = rows[rows[:, 4] > 0]
        keypoints = rows[:, 5:].reshape(-1, len(KEYPOINTS), 3)
        return Detected(rows[:, :4], rows[:, 4], _PERSON.repeat(len(rows)), keypoints)


class RunnableThunder(_Runnable[Thunder]):
    """Implements `RunnableNetwork` with SinglePose Thunder."""

    name = "movenet-thunder"
    sure_score = MOVENET_THRESHOLDS.activation_score

    def graph(self) -> Graph:
        """Return the graph, with the map from which the keypoints are decoded."""
        return _graph(self.name, self._net.network, (STRIDE,))

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        """Return one person in the middle 256x256 pixels; the box is that of the keypoints, and the score their mean.

        `picture` must be at least as large.
        """
        top, left = ((length - SIDE) // 2 for length in picture.shape[:2])
        crop = np.ascontiguousarray(picture[top : top + SIDE, left : left + SIDE])
        keypoints = self._net.decode(self._net(torch.from_numpy(crop)[None])).numpy()
        places = keypoints[..., :2]
        box = np.concatenate((places.min(1), places.max(1)), 1)
        return Detected(box, keypoints[..., 2].mean(1), _PERSON, keypoints)


class _NanoDetConvolutions(nn.Module):
    """The detector without decoding: pictures uint8 `[B, H, W, 3]` → the maps of its heads."""

    def __init__(self, net: NanoDet) -> None:
        super().__init__()
        self.net = copy.deepcopy(net)
        self.net.precision, self.net.computation = torch.float32, None

    def forward(self, pictures: Tensor) -> tuple[Tensor, ...]:
        return self.net._run(pictures).maps


class RunnableNanoDet(_Runnable[NanoDet]):
    """Implements `RunnableNetwork`."""

    name = "nanodet"
    sure_score = 0.4

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
        multiples = {"height": NANODET_MULTIPLE, "width": NANODET_MULTIPLE}
        return Graph(
            self.name, _NanoDetConvolutions(self._net).eval(), (PICTURES,), tuple(outputs), (), multiples=multiples
        )

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        """Return the boxes of a picture."""
        found = self._net.decode(self._net(torch.from_numpy(picture)[None]))
        rows = found.packed[0].numpy()
        rows = rows[rows[:, 4] > 0]
        return Detected(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), np.zeros((len(rows), 0, 3), np.float32))
