"""From pictures to the maps and heads of one of MoveNet's networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from stages.detection.computation import Computation
from stages.detection.movenet.movenet_network import FEATURE_CHANNELS, STRIDE, PoseNetwork
from stages.device.precision import computing_in

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
            yield _joined([maps_and_heads(network, picture, precision) for picture in pictures])
        return
    computed = computation([picture for batch in batches for picture in batch.split(1)])
    computed.reverse()  # popped, so that what has been joined is freed
    for batch in batches:
        yield _joined([_named(computed.pop()) for _ in batch.split(1)])


def _named(outputs: tuple[Tensor, ...]) -> tuple[dict[int, Tensor], Heads]:
    centre, heatmap, *levels = outputs
    maps = dict(zip(FEATURE_CHANNELS, levels))
    return maps, Heads(centre, heatmap, maps[STRIDE])


def _joined(pictures: list[tuple[dict[int, Tensor], Heads]]) -> tuple[dict[int, Tensor], Heads]:
    if len(pictures) == 1:
        return pictures[0]
    maps = {stride: torch.cat([maps[stride] for maps, _ in pictures]) for stride in pictures[0][0]}
    centre = torch.cat([heads.centre for _, heads in pictures])
    heatmap = torch.cat([heads.keypoint_heatmap for _, heads in pictures])
    return maps, Heads(centre, heatmap, maps[STRIDE])
