"""Batch norm for the time of training: a VGG-16 has none, and learns slowly from nothing. Pure, but for the module that
is made.

A network trained with it is, when training is over, the same function as one without: each norm goes into the
convolution before it (`folded`).
"""

from __future__ import annotations

import torch
from torch import nn


def with_batch_norm(trunk: nn.Sequential) -> nn.Sequential:
    """The trunk's own layers, and a norm after each convolution."""
    layers: list[nn.Module] = []
    for layer in trunk:
        layers.append(layer)
        if isinstance(layer, nn.Conv2d):
            layers.append(nn.BatchNorm2d(layer.out_channels))
    return nn.Sequential(*layers)


@torch.no_grad()
def folded(normed: nn.Sequential) -> nn.Sequential:
    """A trunk without norms that computes what `normed` does in evaluation mode. The convolutions are changed in place:
    `normed` is of no use any more.

    Of a convolution w, b and a norm of mean m, variance v, scale g and shift s: w · g / √(v + ε) and
    (b − m) · g / √(v + ε) + s.
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
