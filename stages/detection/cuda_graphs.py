"""Shape graphs: a detector whose work is recorded once for each shape of batch and then replayed (CUDA graphs).

Replaying launches hundreds of kernels at once, which a small batch otherwise waits for one by one. Shapes that come a
second time are recorded, up to a number; others run as they are, and so does everything once a recording has failed.
Owns the recordings, with the memory that they keep on the device; lives as long as its pipeline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ring_buffers.frames import SlotFormat
from stages.detection.keypoint_batches import KeypointNetwork, PackedPeople
from stages.detection.region_batches import PackedRegions, RegionNetwork

logger = logging.getLogger(__name__)

Function = Callable[..., Any]
"""Of tensors alone."""
Record = Callable[[Function, tuple[Tensor, ...]], Function]
"""Records a function at work on tensors; gives one that does the same work on other tensors of those shapes."""

MOST_SHAPES = 16
"""Batches of 1 … 8 pictures of two sizes. Each keeps its own memory."""


class ShapeGraphs:
    """A function of tensors, replayed for shapes that were seen before. The first one's decides the others'.

    What a replay gives is overwritten by the next one of the same shape.
    """

    def __init__(self, function: Function, record: Record, most_shapes: int = MOST_SHAPES) -> None:
        self._function = function
        self._record = record
        self._most = most_shapes
        self._recordings: dict[tuple[int, ...], Function] = {}
        self._seen: set[tuple[int, ...]] = set()
        self._recording = True

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes that are replayed."""
        return list(self._recordings)

    def __call__(self, *given: Tensor) -> Any:
        """The function's answer."""
        shape = tuple(given[0].shape)
        replay = self._recordings.get(shape)
        if replay is None and self._recording:
            replay = self._recorded(shape, given)
        return (replay or self._function)(*given)

    def _recorded(self, shape: tuple[int, ...], given: tuple[Tensor, ...]) -> Function | None:
        if shape not in self._seen:
            # The first time also sets up workspaces, which a recording must not.
            if len(self._seen) < 4 * self._most:
                self._seen.add(shape)
            return None
        try:
            self._recordings[shape] = self._record(self._function, given)
        except Exception as error:
            self._recording = False
            logger.warning("CUDA graphs: recording %s failed, no more are recorded: %s", list(shape), error)
            return None
        if len(self._recordings) == self._most:
            self._recording = False
            logger.info("CUDA graphs: %d shapes are recorded; others run as they are", self._most)
        return self._recordings[shape]


class GraphedKeypointNetwork(nn.Module):
    """A keypoint network that is replayed; decoding is not. Implements `KeypointNetwork`."""

    def __init__(self, network: KeypointNetwork, record: Record | None = None) -> None:
        super().__init__()
        self.network = network
        self.graphs = ShapeGraphs(network, record or record_cuda)

    def forward(self, pictures: Tensor) -> tuple[dict[int, Tensor], Any]:
        """As the network's; valid until the next batch of the same shape."""
        return self.graphs(pictures)

    def decode(self, heads: Any, max_people: int) -> PackedPeople:
        """As the network's."""
        return self.network.decode(heads, max_people)


class Cascade(RegionNetwork, Protocol):
    """A region network whose shapes follow from its input's alone, except in the last selection of rows."""

    def boxes(self, heads: Any) -> Tensor:
        """Every box of each picture: float32 `[B, R, 6]`."""
        ...

    def found(self, boxes: Tensor, max_people: int) -> PackedRegions:
        """The regions among them."""
        ...


class GraphedRegionNetwork(nn.Module):
    """A region network that is replayed, with the hundreds of small kernels between its parts. Implements
    `RegionNetwork`."""

    def __init__(self, network: Cascade, record: Record | None = None) -> None:
        super().__init__()
        self.network = network
        self.classes = network.classes
        self.graphs = ShapeGraphs(self._boxes, record or record_cuda)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        """As the network's."""
        return self.network.slot_format(source_size, detector_size)

    def forward(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """As the network's, with boxes for heads; valid until the next batch of the same shape."""
        return self.graphs(pictures, content)

    def decode(self, heads: Tensor, max_people: int) -> PackedRegions:
        """As the network's."""
        return self.network.found(heads, max_people)

    def _boxes(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        maps, heads = self.network(pictures, content)
        return maps, self.network.boxes(heads)


def record_cuda(function: Function, given: tuple[Tensor, ...]) -> Function:
    """A CUDA graph of the function at work on tensors of these shapes and places."""
    static = [tensor.clone() for tensor in given]
    device = static[0].device
    aside = torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        function(*static)
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Cameras' threads may allocate page-locked memory meanwhile: only what this thread does can spoil the recording.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        answer = function(*static)

    def replay(*given: Tensor) -> Any:
        for place, tensor in zip(static, given, strict=True):
            place.copy_(tensor, non_blocking=True)
        graph.replay()
        return answer

    return replay
