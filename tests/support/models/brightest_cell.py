"""A small network that any runtime can compute."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.detection.detections import Computation
from stages.export.graph import Graph, Port
from stages.runtimes.network import PICTURES, Detected

CELL = 32


class Brightness(nn.Module):
    """uint8 `[B, H, W, 3]` → the brightness of cells of 32 pixels `[B, 1, h, w]`."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1, 3, CELL, CELL), 1 / (3 * CELL * CELL * 255)), requires_grad=False)

    def forward(self, pictures: Tensor) -> tuple[Tensor]:
        x = pictures.permute(0, 3, 1, 2).to(self.weight.dtype)
        return (F.conv2d(x, self.weight, None, CELL, 0, 1, 1),)


class BrightestCell:
    """Implements `RunnableNetwork`: detects the brightest cell of a picture, an object without keypoints.

    torch computes each picture `torch_runs` times, so that it is slow. Other runtimes see `error` times the brightness.
    """

    name = "brightest-cell"
    sure_score = 0.1

    def __init__(self, torch_runs: int = 1, error: float = 1.0) -> None:
        self.module = Brightness().eval()
        self.precision = torch.float32
        self.computation: Computation | None = None
        self.torch_runs, self.error = torch_runs, error

    def graph(self) -> Graph:
        seen = Brightness().eval()
        seen.weight.copy_(self.module.weight * self.error)
        brightness = Port("brightness", ("pictures", 1, "height/32", "width/32"), "brightness", "none")
        return Graph(self.name, seen, (PICTURES,), (brightness,), ())

    def use(self, precision: torch.dtype, computation: Computation | None) -> None:
        self.precision, self.computation = precision, computation

    def detect(self, picture: NDArray[np.uint8]) -> Detected:
        shown = torch.from_numpy(picture)[None]
        if self.computation is not None:
            ((brightness,),) = self.computation([shown])
        else:
            (brightness,) = [self.module(shown) for _ in range(self.torch_runs)][-1]
        best = int(brightness.argmax())
        y, x = CELL * (best // brightness.shape[-1]), CELL * (best % brightness.shape[-1])
        return Detected(
            np.array([[x, y, x + CELL, y + CELL]], np.float32),
            np.array([float(brightness.max())], np.float32),
            np.zeros(1, np.int64),
            np.zeros((1, 0, 3), np.float32),
        )
