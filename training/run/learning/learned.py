"""All that a run's optimiser changes: the network, and where features are tuned the VGG-16 that it reads with.

One module, so that optimiser, running mean, clipping, the best weights and the state of a run hold both or neither.
Which layers of the VGG stay as they are is said by their `requires_grad`.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from stages.heads.network import ActionNetwork, SequenceReading, VisualInput
from stages.region_features.vgg_features import VggFeatures
from training.annotated_videos.regions.step_pictures import read_regions
from training.annotated_videos.tensors import Tensors


class Learned(nn.Module):
    """`extractor`: the VGG that is tuned; None where features are frozen or come from the detector's maps."""

    def __init__(self, network: ActionNetwork, extractor: VggFeatures | None = None) -> None:
        super().__init__()
        self.network = network
        self.extractor = extractor

    def forward(self, batch: Tensors) -> SequenceReading:
        """What a batch on the network's device says, as `ActionNetwork.forward` gives it."""
        visual = batch.visual if batch.pictures is None else self.regions(batch)
        return self.network(batch.parts, batch.context, batch.present, batch.dt, visual)

    @torch.no_grad()
    def with_features(self, batch: Tensors) -> Tensors:
        """The batch as the extractor reads it now, without gradients: with features in place of pictures."""
        if batch.pictures is None:
            return batch
        training = self.training
        read = dataclasses.replace(batch, visual=self.eval().regions(batch), pictures=None)
        self.train(training)
        return read

    def regions(self, batch: Tensors) -> VisualInput:
        """RoI features of a batch that holds pictures."""
        if self.extractor is None or batch.pictures is None:
            raise ValueError("there are no pictures to read, or nothing to read them with")
        rows, parts = batch.real.numel(), batch.present.shape[-1]
        return read_regions(batch.pictures, self.extractor, rows, parts, batch.real.device)
