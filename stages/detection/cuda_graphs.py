"""CUDA graphs of a detector: its work is recorded once for each shape of batch and then replayed.

A replay launches hundreds of kernels at once, where a small batch would otherwise wait for each launch. A shape is
recorded when it occurs for the second time, up to a limit of shapes. Other shapes run without a graph; once a recording
has failed, no more are made. Recordings keep memory on the device for as long as the pipeline lives.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ring_buffers.frames import SlotFormat
from stages.detection.keypoint_batches import KeypointNetwork, PackedPeople
from stages.detection.region_detector import PackedRegions, RegionNetwork

logger = logging.getLogger(__name__)

Function = Callable[..., Any]
"""A function whose arguments are all tensors."""
Record = Callable[[Function, tuple[Tensor, ...]], Function]
"""Records a function's work on example tensors; returns a function that repeats it on tensors of the same shapes."""

MAX_SHAPES = 16
"""Enough for batches of 1 … 8 pictures of two sizes. Each recording keeps its own memory."""


class ShapeGraphs:
    """A function of tensors that replays a recording for known shapes.

    Recordings are looked up by the shape of the first tensor, which must determine the shapes of the others. A replay's
    outputs are overwritten by the next replay of the same shape.
    """

    def __init__(self, function: Function, record: Record, max_shapes: int = MAX_SHAPES) -> None:
        self._function = function
        self._record = record
        self._max_shapes = max_shapes
        self._recordings: dict[tuple[int, ...], Function] = {}
        self._seen: set[tuple[int, ...]] = set()
        self._recording = True

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes that have been recorded."""
        return list(self._recordings)

    def __call__(self, *inputs: Tensor) -> Any:
        """Return the function's result."""
        shape = tuple(inputs[0].shape)
        replay = self._recordings.get(shape)
        if replay is None and self._recording:
            replay = self._try_recording(shape, inputs)
        return (replay or self._function)(*inputs)

    def _try_recording(self, shape: tuple[int, ...], inputs: tuple[Tensor, ...]) -> Function | None:
        if shape not in self._seen:
            # The first run also sets up workspaces, which must not happen during a recording.
            if len(self._seen) < 4 * self._max_shapes:
                self._seen.add(shape)
            return None
        try:
            self._recordings[shape] = self._record(self._function, inputs)
        except Exception as error:
            self._recording = False
            logger.warning(
                "CUDA graphs: recording shape %s failed; no more shapes are recorded: %s", list(shape), error
            )
            return None
        if len(self._recordings) == self._max_shapes:
            self._recording = False
            logger.info("CUDA graphs: %d shapes are recorded; other shapes run without a graph", self._max_shapes)
        return self._recordings[shape]


class GraphedKeypointNetwork(nn.Module):
    """A keypoint network that runs as a graph, except for decoding. Implements `KeypointNetwork`."""

    def __init__(self, network: KeypointNetwork, record: Record | None = None) -> None:
        super().__init__()
        self.network = network
        self.graphs = ShapeGraphs(network, record or record_cuda_graph)

    def forward(self, pictures: Tensor) -> tuple[dict[int, Tensor], Any]:
        """Return what the network returns; valid until the next batch of the same shape."""
        return self.graphs(pictures)

    def decode(self, heads: Any, max_people: int) -> PackedPeople:
        """Return what the network returns."""
        return self.network.decode(heads, max_people)


class Cascade(RegionNetwork, Protocol):
    """A region network whose shapes depend only on the shape of its input, except in the final selection of rows."""

    def boxes(self, heads: Any) -> Tensor:
        """Return all boxes of each picture, float32 `[B, R, 6]`."""
        ...

    def pack(self, boxes: Tensor, max_people: int) -> PackedRegions:
        """Select the regions among all boxes."""
        ...


class GraphedRegionNetwork(nn.Module):
    """A region network that runs as a graph, with the hundreds of small kernels between its parts.

    Implements `RegionNetwork`.
    """

    def __init__(self, network: Cascade, record: Record | None = None) -> None:
        super().__init__()
        self.network = network
        self.classes = network.classes
        self.graphs = ShapeGraphs(self._boxes, record or record_cuda_graph)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        """Return the format of the pictures that the network reads."""
        return self.network.slot_format(source_size, detector_size)

    def forward(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        """Return the network's maps, and all boxes as the heads; valid until the next batch of the same shape."""
        return self.graphs(pictures, content)

    def decode(self, heads: Tensor, max_people: int) -> PackedRegions:
        """Return what the network returns."""
        return self.network.pack(heads, max_people)

    def _boxes(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        maps, heads = self.network(pictures, content)
        return maps, self.network.boxes(heads)


def record_cuda_graph(function: Function, inputs: tuple[Tensor, ...]) -> Function:
    """Record a function as a CUDA graph for tensors with the shapes and device of `inputs`."""
    static = [tensor.clone() for tensor in inputs]
    device = static[0].device
    warm_up = torch.cuda.Stream(device)
    warm_up.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(warm_up):
        function(*static)
    torch.cuda.current_stream(device).wait_stream(warm_up)
    graph = torch.cuda.CUDAGraph()
    # `thread_local`, because the cameras' threads may allocate page-locked memory during the recording.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        outputs = function(*static)

    def replay(*inputs: Tensor) -> Any:
        for destination, tensor in zip(static, inputs, strict=True):
            destination.copy_(tensor, non_blocking=True)
        graph.replay()
        return outputs

    return replay
