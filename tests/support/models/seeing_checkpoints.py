"""A small checkpoint with random weights that reads regions of MoveNet's feature maps, besides keypoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from stages.checkpoint import Checkpoint, save
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.region_features.roi_features import RoiConfig
from stages.region_features.step_regions import REGION_OF_PART
from stages.vocabulary import packaged

POOLING = RoiConfig(strides=(8, 16), bins=2, samples=1)
SMALL = NetworkConfig(
    relevance_hidden=6, state_hidden=10, prior_hidden=7, graph_hidden=9, action_width=8, action_hidden=8
)
SEEING = replace(
    SMALL,
    visual=True,
    visual_features=POOLING.length(),
    visual_hidden=5,
    visual_strides=POOLING.strides,
    visual_bins=POOLING.bins,
    visual_samples=POOLING.samples,
    object_regions=REGION_OF_PART,
)


def seeing_checkpoint(seed: int = 2) -> Checkpoint:
    """Its answers vary with what it sees: features are normalised, and actions' scores are spread."""
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    network = ActionNetwork(SEEING, vocabulary, torch.randn(len(vocabulary.parts), len(vocabulary.states), 12))
    # Roughly the mean and the deviation of MoveNet's maps.
    network.set_visual_normalisation(torch.full((POOLING.length(),), 6.0), torch.full((POOLING.length(),), 2.0))
    with torch.no_grad():
        network.part_graph.lstm.weight_ih_l0.mul_(3)
        network.action_lstm.scores.weight.mul_(12)
    return Checkpoint(network.eval().requires_grad_(False), "edge", False, "none")


def write_seeing_checkpoint(path: Path) -> Path:
    """Write it to a file."""
    save(seeing_checkpoint(), path)
    return path
