"""NanoDet-g's network in torch: a small CSP backbone, a path aggregation network and one head per stride.

The layers are those of the published TensorFlow.js graph, whose batch norm is already folded. The graph numbers its
convolutions and does not name them.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.detection.tfjs_graph import Constants

CLASSES = 80
BINS = 11
"""Bins of the distribution of a distance: 0 to 10 strides."""
STRIDES = (8, 16, 32)

_SLOPE = 0.1
"""Of LeakyReLU below zero."""
_CHANNELS = 128
"""Of the pyramid's maps."""
_HEAD_BIASES = (60, 62, 66, 68, 70, 72)
"""The graph's numbers of the heads' biases; those of the other convolutions are 0, 2, 4 …"""


class Convolution(nn.Module):
    """A convolution with bias and LeakyReLU: `[B, in, H, W] → [B, out, H/s, W/s]`."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, activated: bool = True
    ) -> None:
        super().__init__()
        self.stride, self.padding, self.activated = stride, kernel // 2, activated
        self.weight = nn.Parameter(torch.zeros(channels_out, channels_in, kernel, kernel), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(channels_out), requires_grad=False)

    def fill(self, constants: Constants, weight: str, bias: str) -> None:
        """Copy kernel and bias from the graph, by their names."""
        channels_out, channels_in, *size = self.weight.shape
        self.weight.copy_(constants.take(weight, (*size, channels_in, channels_out)).permute(3, 2, 0, 1))
        self.bias.copy_(constants.take(bias, (channels_out,)))

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return F.leaky_relu_(y, _SLOPE) if self.activated else y


class Halving(nn.Module):
    """Two convolutions of half the width, whose outputs are joined, the second's first: `[B, C, H, W] → same`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = Convolution(channels, channels // 2)
        self.second = Convolution(channels // 2, channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return torch.cat((self.second(x), x), 1)


class CspStage(nn.Module):
    """A stage of the backbone, whose input skips the blocks: `[B, C, H, W] → [B, 2 · C, H/s, W/s]`."""

    def __init__(self, channels: int, blocks: int, stride: int) -> None:
        super().__init__()
        self.first = Convolution(channels, channels, stride=stride)
        self.blocks = nn.Sequential(*(Halving(channels) for _ in range(blocks)))
        self.last = Convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return torch.cat((self.last(self.blocks(x)), x), 1)


class NanoDetNetwork(nn.Module):
    """Backbone, pyramid and heads. Heights and widths are multiples of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, stride=2)
        self.stages = nn.ModuleList((CspStage(32, 1, 1), CspStage(64, 2, 2), CspStage(128, 2, 2), CspStage(256, 3, 2)))
        self.lateral = nn.ModuleList(Convolution(width, _CHANNELS, 1, activated=False) for width in (128, 256, 512))
        self.heads = nn.ModuleList(
            nn.Sequential(
                Convolution(_CHANNELS, _CHANNELS), Convolution(_CHANNELS, CLASSES + 4 * BINS, 1, activated=False)
            )
            for _ in STRIDES
        )

    def fill(self, constants: Constants) -> None:
        """Copy all weights from the published graph. Raises `GraphError`."""
        # The modules' order is that of the graph's numbers.
        for number, convolution in enumerate(self._convolutions()):
            before_heads = 28
            bias = 2 * number if number < before_heads else _HEAD_BIASES[number - before_heads]
            weight = f"PartitionedCall/split_{number}" if number else "PartitionedCall/split"
            convolution.fill(constants, weight, f"unknown_{bias}")
        # The graph reads pictures in BGR.
        self.stem.weight.copy_(self.stem.weight.flip(1))

    def _convolutions(self) -> Iterator[Convolution]:
        return (module for module in self.modules() if isinstance(module, Convolution))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Compute the heads' maps at the strides 8, 16 and 32 from normalised RGB `[B, 3, H, W]`: `[B, 124, h, w]`.

        Channels: logits of the 80 classes, then of the 11 bins of each distance to the left, top, right and bottom.
        """
        x = F.max_pool2d(self.stem(x), 3, 2, 1)
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        fine, middle, coarse = (lateral(x) for lateral, x in zip(self.lateral, maps[1:], strict=True))
        middle = middle.add_(_enlarged(coarse))
        fine = fine.add_(_enlarged(middle))
        # Averages of 2x2 cells are what bilinear interpolation to half the size gives.
        middle = middle + F.avg_pool2d(fine, 2)
        coarse = coarse + F.avg_pool2d(middle, 2)
        return tuple(head(x) for head, x in zip(self.heads, (fine, middle, coarse), strict=True))


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
