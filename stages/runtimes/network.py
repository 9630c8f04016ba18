"""What a detection network offers so that any runtime can compute it, and the candidates of runtime and precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from stages.detection.detections import Computation
from stages.export.graph import Graph, Port

RuntimeName = Literal["torch", "onnxruntime", "openvino"]
PrecisionName = Literal["float32", "bfloat16"]

TITLES: dict[RuntimeName, str] = {"torch": "torch", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
TYPES: dict[PrecisionName, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class RuntimeUnavailableError(ValueError):
    """A runtime can't compute the network on this machine; the message names the setting and says what to do."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A runtime and the precision in which it computes convolutions."""

    runtime: RuntimeName
    precision: PrecisionName

    def __str__(self) -> str:
        return f"{TITLES[self.runtime]} in {self.precision}"


PICTURES = Port("pictures", ("pictures", "height", "width", 3), "RGB pictures", "bytes", "uint8")
"""The input of every network's graph."""

REFERENCE = Candidate("torch", "float32")
"""Other candidates must agree with its results."""
CANDIDATES = (
    REFERENCE,
    Candidate("onnxruntime", "float32"),
    Candidate("openvino", "float32"),
    Candidate("torch", "bfloat16"),
    Candidate("openvino", "bfloat16"),
)
"""The preferred first, if speeds are nearly equal. ONNX Runtime has no bfloat16 convolutions for CPUs."""


@dataclass(frozen=True, slots=True, eq=False)
class Detected:
    """What a network finds in a picture, in pixels, n rows.

    boxes float32 `[n, 4]` x1, y1, x2, y2; scores float32 `[n]`; labels int64 `[n]`; keypoints float32 `[n, P, 3]` x, y,
    score, with P = 0 for a network that finds none, else 17 in COCO's order.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]
    keypoints: NDArray[np.float32]


class RunnableNetwork(Protocol):
    """A detection network on the CPU whose convolutions can be computed by any runtime."""

    @property
    def name(self) -> str:
        """The name of the weights in the catalogue."""
        ...

    @property
    def sure_score(self) -> float:
        """The score from which a detection must be found by every runtime."""
        ...

    def graph(self) -> Graph:
        """Return the graph from pictures to the outputs of a `Computation`, in order, with the network's weights."""
        ...

    def use(self, precision: torch.dtype, computation: Computation | None) -> None:
        """Compute with `computation` from now on, or with torch in `precision` if it is None."""
        ...

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        """Run on one picture `[H, W, 3]` RGB and decode."""
        ...
