"""The modules that a run's optimiser changes: the network, and the VGG-16 if it is tuned.

They form one module, so that optimiser, running mean, clipping, best weights and saved state include both. Frozen
layers of the VGG have `requires_grad` False.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from stages.heads.network import ActionNetwork, SequenceOutputs, VisualInput
from stages.region_features.vgg_features import VggFeatures
from training.sequences.step_pictures import read_regions
from training.sequences.tensors import Tensors


class Learned(nn.Module):
    """`extractor`: the tuned VGG; None if features are frozen or come from the detector's maps."""

    def __init__(self, network: ActionNetwork, extractor: VggFeatures | None = None) -> None:
        super().__init__()
        self.network = network
        self.extractor = extractor

    def forward(self, batch: Tensors) -> SequenceOutputs:
        """Return the outputs for a batch on the network's device, as `ActionNetwork.forward`."""
        visual = batch.visual if batch.pictures is None else self.regions(batch)
        return self.network(batch.parts, batch.context, batch.present, batch.dt, visual, batch.real)

    @torch.no_grad()
    def with_features(self, batch: Tensors) -> Tensors:
        """Return the batch with features in place of pictures, without gradients."""
        if batch.pictures is None:
            return batch
        training = self.training
        read = dataclasses.replace(batch, visual=self.eval().regions(batch), pictures=None)
        self.train(training)
        return read

    def regions(self, batch: Tensors) -> VisualInput:
        """Return the RoI features of a batch with pictures."""
        if self.extractor is None or batch.pictures is None:
            raise ValueError("there are no pictures, or no extractor to read them")
        rows, parts = batch.real.numel(), batch.present.shape[-1]
        return read_regions(batch.pictures, self.extractor, rows, parts, batch.real.device)
