"""Shape graphs: a detector whose work is recorded once for each shape of batch and then replayed (CUDA graphs).

Replaying launches hundreds of kernels at once, which a small batch otherwise waits for one by one. Shapes that come a
second time are recorded, up to a number; others run as they are, and so does everything once a recording has failed.
Owns the recordings, with the memory that they keep on the device; lives as long as its pipeline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from stages.detection.batched import Detector, FoundPeople

logger = logging.getLogger(__name__)

Function = Callable[[Tensor], Any]
Record = Callable[[Function, Tensor], Function]
"""Records a function at work on a tensor; gives one that does the same work on another tensor of that shape."""

MOST_SHAPES = 16
"""Batches of 1 … 8 pictures of two sizes. Each keeps its own memory."""


class ShapeGraphs:
    """A function of one tensor, replayed for shapes that were seen before.

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

    def __call__(self, given: Tensor) -> Any:
        """The function's answer."""
        shape = tuple(given.shape)
        replay = self._recordings.get(shape)
        if replay is None and self._recording:
            replay = self._recorded(shape, given)
        return (replay or self._function)(given)

    def _recorded(self, shape: tuple[int, ...], given: Tensor) -> Function | None:
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


class GraphedDetector(nn.Module):
    """A detector whose network is replayed; decoding runs as it is. `stages.detection.batched.Detector`."""

    def __init__(self, detector: Detector, record: Record | None = None) -> None:
        super().__init__()
        self.detector = detector
        self.graphs = ShapeGraphs(detector, record or record_cuda)

    def forward(self, pictures: Tensor) -> tuple[dict[int, Tensor], Any]:
        """As the detector's; valid until the next batch of the same shape."""
        return self.graphs(pictures)

    def decode(self, heads: Any, max_people: int) -> FoundPeople:
        """As the detector's."""
        return self.detector.decode(heads, max_people)


def record_cuda(function: Function, given: Tensor) -> Function:
    """A CUDA graph of the function at work on tensors of this shape and place."""
    static = given.clone()
    aside = torch.cuda.Stream(given.device)
    aside.wait_stream(torch.cuda.current_stream(given.device))
    with torch.cuda.stream(aside):
        function(static)
    torch.cuda.current_stream(given.device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    # Cameras' threads may allocate page-locked memory meanwhile: only what this thread does can spoil the recording.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        answer = function(static)

    def replay(given: Tensor) -> Any:
        static.copy_(given, non_blocking=True)
        graph.replay()
        return answer

    return replay
