"""Batch norm during training: a VGG-16 has none and learns slowly from random weights.

After training, each norm is folded into the convolution before it, so that the network has no batch norm again.
"""

from __future__ import annotations

import torch
from torch import nn


def with_batch_norm(trunk: nn.Sequential) -> nn.Sequential:
    """Return the trunk's layers with a batch norm after each convolution."""
    layers: list[nn.Module] = []
    for layer in trunk:
        layers.append(layer)
        if isinstance(layer, nn.Conv2d):
            layers.append(nn.BatchNorm2d(layer.out_channels))
    return nn.Sequential(*layers)


@torch.no_grad()
def folded(normed: nn.Sequential) -> nn.Sequential:
    """Return a trunk without norms that equals `normed` in evaluation mode; its convolutions are changed in place.

    A convolution w, b and a norm with mean m, variance v, scale g and shift s become w · g / √(v + ε) and
    (b − m) · g / √(v + ε) + s. Do not use `normed` afterwards.
    """
    layers: list[nn.Module] = []
    for layer in normed:
        if not isinstance(layer, nn.BatchNorm2d):
            layers.append(layer)
            continue
        convolution = layers[-1]
        assert isinstance(convolution, nn.Conv2d) and convolution.bias is not None
        mean, variance = layer.running_mean, layer.running_var
        assert mean is not None and variance is not None
        scale = layer.weight / (variance + layer.eps).sqrt()
        convolution.weight.mul_(scale[:, None, None, None])
        convolution.bias.copy_((convolution.bias - mean) * scale + layer.bias)
    return nn.Sequential(*layers)
