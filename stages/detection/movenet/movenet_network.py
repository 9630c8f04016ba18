"""MoveNet's networks in torch: MobileNetV2, a feature pyramid and CenterNet heads.

MultiPose has a backbone of width 1.5, and SinglePose Thunder one of width 1.75 and no heads for boxes. The layers are
those of the published TensorFlow.js graphs, whose batch norm is already folded; names follow the graphs. Only the two
heads that are needed at every position are computed as maps; the others are computed at single positions
(`SeparableHead.at`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stages.detection.detections import Computation
from stages.detection.tfjs_graph import Constants
from stages.device.precision import computing_in

Activation = Literal["none", "relu", "relu6"]

STRIDE = 4
"""Input pixels per position of the heads' maps."""
FEATURE_CHANNELS: dict[int, int] = {4: 24, 8: 48, 16: 96, 32: 64}
"""Channels of the map that regions are pooled from, at each stride. At 8 and 16 it is the backbone's map that enters
the pyramid, because the pyramid keeps features of joints and loses much about held objects. On rendered scenes with and
without an object in a hand, a linear readout distinguished 63 to 76 % of pairs with the pyramid's maps and 74 to 81 %
with these."""

_PREFIX = "StatefulPartitionedCall/"
_EXTRACTOR = _PREFIX + "center_net_mobile_net_v2fpn_feature_extractor/model_1/"


@dataclass(frozen=True, slots=True)
class Widths:
    """Channels of a MobileNetV2: of the first convolution, of block 0, and of the stages that blocks 1 to 16 form."""

    first: int
    block_0: int
    stages: tuple[int, int, int, int, int, int]


MULTIPOSE_WIDTHS = Widths(48, 24, (40, 48, 96, 144, 240, 480))
THUNDER_WIDTHS = Widths(56, 32, (40, 56, 112, 168, 280, 560))
_STAGES = ((2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1))
"""Blocks of each stage, and the stride of its first block. Block 0 has no expansion."""
_EXPANSION = 6
_SKIPS = {4: 2, 8: 5, 16: 9}
"""The backbone block whose output enters the pyramid at each stride."""
_BAND_BYTES = 4 << 20
"""On the CPU the expanded middle of a block is computed in bands of rows of about this size. They stay in the
processor's cache, and the allocator does not have to request new pages from the kernel. Without bands, page faults took
20 to 25 % of the time of a 768x576 picture, and more in a separate thread (13,000 to 31,000 page faults per picture;
almost none with bands of 4 MiB)."""


class Convolution(nn.Module):
    """A convolution with TensorFlow's SAME padding, bias and activation: `[B, in, H, W] → [B, out, H/s, W/s]`.

    With stride 2, TensorFlow pads only below and on the right, torch on all sides. The 3x3 kernel is therefore stored
    as a 4x4 kernel whose first row and column are zero: with a padding of 1 the result is the same, without copying the
    input.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        activation: Activation = "none",
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.shifted = stride == 2
        size = kernel + 1 if self.shifted else kernel
        self.kernel, self.stride, self.groups, self.activation = kernel, stride, groups, activation
        self.padding = kernel // 2
        self.weight = nn.Parameter(torch.zeros(channels_out, channels_in // groups, size, size), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(channels_out), requires_grad=False) if bias else None

    def fill(self, weights: Constants, weight: str, bias: str | None) -> None:
        """Copy kernel and bias from the graph, by their full names."""
        depthwise = self.groups > 1
        channels_out, channels_in = self.weight.shape[:2]
        size = (self.kernel, self.kernel)
        if depthwise:
            kernel = weights.take(weight, (*size, channels_out, 1)).permute(2, 3, 0, 1)
        else:
            kernel = weights.take(weight, (*size, channels_in, channels_out)).permute(3, 2, 0, 1)
        if self.shifted:
            kernel = F.pad(kernel, (1, 0, 1, 0))
        self.weight.copy_(kernel)
        if self.bias is not None and bias is not None:
            self.bias.copy_(weights.take(bias, (channels_out,)))

    def forward(self, x: Tensor) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)
        if self.activation == "relu6":
            return F.hardtanh_(y, 0.0, 6.0)
        return F.relu_(y) if self.activation == "relu" else y


def bands(x: Tensor, height: int, row_bytes: int) -> list[tuple[int, int]]:
    """Return ranges of the `height` output rows that need about `_BAND_BYTES` each; one range on a GPU."""
    rows = height if x.is_cuda else max(1, _BAND_BYTES // max(1, row_bytes))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


class Stem(nn.Module):
    """The first convolution and MobileNetV2's block 0: `[B, 3, H, W] → [B, channels_out, H/2, W/2]`."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__()
        self.first = Convolution(3, channels, 3, 2, activation="relu6")
        self.depthwise = Convolution(channels, channels, 3, groups=channels, activation="relu6")
        self.project = Convolution(channels, channels_out)

    def fill(self, weights: Constants) -> None:
        model = _EXTRACTOR + "model/"
        self.first.fill(weights, f"{model}Conv1/Conv2D_weights", f"{model}Conv1/Conv2D_bn_offset")
        name = f"{model}expanded_conv_depthwise/depthwise"
        self.depthwise.fill(weights, f"{name}_weights", f"{name}_bn_offset")
        name = f"{model}expanded_conv_project/Conv2D"
        self.project.fill(weights, f"{name}_weights", f"{name}_bn_offset")

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        height //= 2
        parts: list[Tensor] = []
        for top, bottom in bands(x, height, 4 * batch * self.first.weight.shape[0] * (width // 2)):
            low, high = max(top - 1, 0), min(bottom + 1, height)
            wide = self.depthwise(self.first(x[:, :, 2 * low : 2 * high + 1]))
            parts.append(self.project(wide[:, :, top - low : bottom - low]))
        return _joined(parts)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expand, depthwise, project, and add the input if the shapes match."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * _EXPANSION
        self.expand = Convolution(channels_in, wide, activation="relu6")
        self.depthwise = Convolution(wide, wide, 3, stride, groups=wide, activation="relu6")
        self.project = Convolution(wide, channels_out)
        self.residual = stride == 1 and channels_in == channels_out

    def fill(self, weights: Constants, index: int) -> None:
        name = f"{_EXTRACTOR}model/block_{index}_"
        self.expand.fill(weights, f"{name}expand/Conv2D_weights", f"{name}expand/Conv2D_bn_offset")
        self.depthwise.fill(weights, f"{name}depthwise/depthwise_weights", f"{name}depthwise/depthwise_bn_offset")
        self.project.fill(weights, f"{name}project/Conv2D_weights", f"{name}project/Conv2D_bn_offset")

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        stride = self.depthwise.stride
        row_bytes = 4 * batch * self.expand.weight.shape[0] * width * stride
        y = _joined([self._rows(x, top, bottom) for top, bottom in bands(x, height // stride, row_bytes)])
        return y.add_(x) if self.residual else y

    def _rows(self, x: Tensor, top: int, bottom: int) -> Tensor:
        """Compute output rows from the input rows that they need; rows beyond the picture are padding."""
        if self.depthwise.stride == 2:
            return self.project(self.depthwise(self.expand(x[:, :, 2 * top : 2 * bottom + 1])))
        low, high = max(top - 1, 0), min(bottom + 1, x.shape[2])
        wide = self.depthwise(self.expand(x[:, :, low:high]))
        return self.project(wide[:, :, top - low : bottom - low])


class Separable(nn.Module):
    """A depthwise 3x3 and a pointwise convolution with ReLU, as used in the pyramid and the heads."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.depthwise = Convolution(channels_in, channels_in, 3, groups=channels_in, bias=False)
        self.pointwise = Convolution(channels_in, channels_out, activation="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


class SeparableHead(nn.Module):
    """One CenterNet head: separable convolution to 96 channels, then 1x1 to its outputs."""

    WIDTH = 96

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.hidden = Separable(FEATURE_CHANNELS[STRIDE], self.WIDTH)
        self.output = Convolution(self.WIDTH, outputs)

    def fill(self, weights: Constants, head: str, separable: int) -> None:
        name = f"{_PREFIX}{head}_0/"
        layer = f"{name}separable_conv2d_{separable}/"
        self.hidden.depthwise.fill(weights, f"{layer}separable_conv2d/ReadVariableOp", None)
        self.hidden.pointwise.fill(
            weights, f"{layer}separable_conv2d/ReadVariableOp_1", f"{layer}BiasAdd/ReadVariableOp"
        )
        last = f"{name}conv2d_{separable + 1}/"
        self.output.fill(weights, f"{last}Conv2D/ReadVariableOp", f"{last}BiasAdd/ReadVariableOp")

    def forward(self, features: Tensor) -> Tensor:
        """Compute the head's map: `[B, 24, h, w] → [B, outputs, h, w]`."""
        return self.output(self.hidden(features))

    def at(self, neighbourhoods: Tensor) -> Tensor:
        """Compute the head at single positions from their 3x3 neighbourhoods: `[..., 9, 24] → [..., outputs]`.

        The values equal those of the map; for a few hundred positions this costs a hundredth of the map.
        """
        kernel = self.hidden.depthwise.weight.flatten(1).T  # [9, 24]
        pointwise, output = self.hidden.pointwise, self.output
        mixed = F.linear((neighbourhoods * kernel).sum(-2), pointwise.weight.flatten(1), pointwise.bias)
        return F.linear(F.relu_(mixed), output.weight.flatten(1), output.bias)


def neighbourhoods(features: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Return the 3x3 neighbourhoods of positions of a map, zero beyond its edges.

    features `[B, C, h, w]`; y, x `[B, N]` int64, within the map. Returns `[B, N, 9, C]`, rows first.
    """
    batch, channels, height, width = features.shape
    steps = torch.arange(-1, 2, device=features.device)
    rows, columns = y[..., None] + steps, x[..., None] + steps  # [B, N, 3]
    inside = ((rows >= 0) & (rows < height))[..., :, None] & ((columns >= 0) & (columns < width))[..., None, :]
    flat = rows.clamp(0, height - 1)[..., :, None] * width + columns.clamp(0, width - 1)[..., None, :]
    picture = torch.arange(batch, device=features.device)[:, None, None, None] * (height * width)
    values = features.permute(0, 2, 3, 1).reshape(batch * height * width, channels)
    gathered = values[(flat + picture).flatten()].unflatten(0, flat.shape)  # [B, N, 3, 3, C]
    return (gathered * inside[..., None]).flatten(2, 3)


class PoseNetwork(nn.Module):
    """Backbone, pyramid and the heads that both networks have. Heights and widths are multiples of 32."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.stem = Stem(widths.first, widths.block_0)
        self.blocks = nn.ModuleList()
        channels = widths.block_0
        for wider, (count, stride) in zip(widths.stages, _STAGES, strict=True):
            for index in range(count):
                self.blocks.append(InvertedResidual(channels, wider, 1 if index else stride))
                channels = wider
        self.last = Convolution(channels, 1280, activation="relu6")
        self.lateral = nn.ModuleDict(
            {
                "32": Convolution(1280, 64),
                "16": Convolution(widths.stages[2], 64),
                "8": Convolution(widths.stages[1], 32),
                "4": Convolution(widths.stages[0], 24),
            }
        )
        self.merge = nn.ModuleDict({"16": Separable(64, 32), "8": Separable(32, 24), "4": Separable(24, 24)})
        self.centre = SeparableHead(1)
        self.keypoint_heatmap = SeparableHead(17)
        self.keypoint_regression = SeparableHead(34)
        self.keypoint_offset = SeparableHead(34)

    def fill(self, weights: Constants) -> None:
        """Copy all weights from the published graph. Raises `GraphError`."""
        self.stem.fill(weights)
        for index, block in enumerate(self.blocks, start=1):
            block.fill(weights, index)  # pyright: ignore[reportCallIssue]
        name = f"{_EXTRACTOR}model/Conv_1/Conv2D"
        self.last.fill(weights, f"{name}_weights", f"{name}_bn_offset")
        for key, name in (("32", "conv2d"), ("16", "conv2d_1"), ("8", "conv2d_2"), ("4", "conv2d_3")):
            name = f"{_EXTRACTOR}{name}/"
            self.lateral[key].fill(weights, f"{name}Conv2D/ReadVariableOp", f"{name}BiasAdd/ReadVariableOp")  # pyright: ignore[reportCallIssue]
        for key, name in (("16", "separable_conv2d"), ("8", "separable_conv2d_1"), ("4", "separable_conv2d_2")):
            name = f"{_EXTRACTOR}{name}/separable_conv2d"
            merge: Separable = self.merge[key]  # pyright: ignore[reportAssignmentType]
            merge.depthwise.fill(weights, f"{name}/ReadVariableOp", None)
            merge.pointwise.fill(weights, f"{name}_weights", f"{name}_bn_offset")
        self.fill_heads(weights)

    def fill_heads(self, weights: Constants) -> None:
        """Copy the weights of the heads; the layers of each graph are numbered in its own order."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """Compute maps by stride from `[B, 3, H, W]` in [-1, 1].

        4: `[B, 24, H/4, W/4]`, which the heads read; 8: 48 channels (Thunder: 56); 16: 96 (112); 32: 64.
        """
        x = self.stem(x)
        skips: dict[int, Tensor] = {}
        for index, block in enumerate(self.blocks, start=1):
            x = block(x)
            if index in _SKIPS.values():
                skips[index] = x
        top = self.lateral["32"](self.last(x))
        maps = {32: top}
        for stride, index in reversed(_SKIPS.items()):
            up = F.interpolate(top, scale_factor=2, mode="bilinear", align_corners=False)
            top = self.merge[str(stride)](up.add_(self.lateral[str(stride)](skips[index])))
            maps[stride] = skips[index]
        maps[STRIDE] = top
        return maps


class Network(PoseNetwork):
    """MultiPose's network: also heads for the box around each centre."""

    def __init__(self) -> None:
        super().__init__(MULTIPOSE_WIDTHS)
        self.box_scale = SeparableHead(2)
        self.box_offset = SeparableHead(2)

    def fill_heads(self, weights: Constants) -> None:
        self.centre.fill(weights, "center", 3)
        self.box_scale.fill(weights, "box_scale", 4)
        self.box_offset.fill(weights, "box_offset", 5)
        self.keypoint_heatmap.fill(weights, "kpt_heatmap", 6)
        self.keypoint_regression.fill(weights, "kpt_regress", 7)
        self.keypoint_offset.fill(weights, "kpt_offset", 8)


class ThunderNetwork(PoseNetwork):
    """SinglePose Thunder's network."""

    def __init__(self) -> None:
        super().__init__(THUNDER_WIDTHS)

    def fill_heads(self, weights: Constants) -> None:
        self.centre.fill(weights, "center", 3)
        self.keypoint_heatmap.fill(weights, "kpt_heatmap", 4)
        self.keypoint_regression.fill(weights, "kpt_regress", 5)
        self.keypoint_offset.fill(weights, "kpt_offset", 6)


# The published graphs' constant: pixels become p · (2/255, as a float16) − 1.
_PIXEL_SCALE = 0.007843017578125


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The network's outputs for a batch, for decoding; h, w = H/4, W/4.

    centre `[B, h, w]` and keypoint_heatmap `[B, 17, h, w]` are scores in [0, 1]. The other heads are computed at single
    positions from features `[B, 24, h, w]`, the pyramid's finest map.
    """

    centre: Tensor
    keypoint_heatmap: Tensor
    features: Tensor


def maps_and_heads(network: PoseNetwork, pictures: Tensor, precision: torch.dtype) -> tuple[dict[int, Tensor], Heads]:
    """Compute the feature maps by stride and the heads in torch; both have the type of the weights.

    pictures `[B, H, W, 3]` uint8 RGB on the network's device. `precision`: compute precision of the convolutions.
    """
    dtype = network.last.weight.dtype
    x = pictures.permute(0, 3, 1, 2).to(dtype).mul_(_PIXEL_SCALE).sub_(1.0)
    with computing_in(precision, x.device):
        maps = network(x)
        centre = network.centre(maps[STRIDE])
        heatmap = network.keypoint_heatmap(maps[STRIDE])
    # The following steps are cheap and need a precision of a tenth of a pixel.
    maps = {stride: features.to(dtype) for stride, features in maps.items()}
    return maps, Heads(centre.to(dtype).sigmoid_()[:, 0], heatmap.to(dtype).sigmoid_(), maps[STRIDE])


def maps_and_heads_of_batches(
    network: PoseNetwork, batches: Sequence[Tensor], precision: torch.dtype, computation: Computation | None = None
) -> Iterator[tuple[dict[int, Tensor], Heads]]:
    """Yield what `maps_and_heads` computes of each batch, on the CPU picture by picture.

    On the CPU a whole batch is no faster, and at 768x576 slower: it causes 30,000 page faults per picture. If
    `computation` is given, it computes all pictures at once, and returns of each the centre, the keypoint heatmap and
    the maps in the order of `FEATURE_CHANNELS`; those of the coarser strides may be left out.
    """
    if computation is None:
        for batch in batches:
            pictures = [batch] if batch.is_cuda else batch.split(1)
            yield _batched([maps_and_heads(network, picture, precision) for picture in pictures])
        return
    computed = computation([picture for batch in batches for picture in batch.split(1)])
    computed.reverse()  # popped, so that what has been joined is freed
    for batch in batches:
        yield _batched([_named(computed.pop()) for _ in batch.split(1)])


def _named(outputs: tuple[Tensor, ...]) -> tuple[dict[int, Tensor], Heads]:
    centre, heatmap, *levels = outputs
    maps = dict(zip(FEATURE_CHANNELS, levels))
    return maps, Heads(centre, heatmap, maps[STRIDE])


def _batched(pictures: list[tuple[dict[int, Tensor], Heads]]) -> tuple[dict[int, Tensor], Heads]:
    if len(pictures) == 1:
        return pictures[0]
    maps = {stride: torch.cat([maps[stride] for maps, _ in pictures]) for stride in pictures[0][0]}
    centre = torch.cat([heads.centre for _, heads in pictures])
    heatmap = torch.cat([heads.keypoint_heatmap for _, heads in pictures])
    return maps, Heads(centre, heatmap, maps[STRIDE])
