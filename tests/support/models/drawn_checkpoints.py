"""Checkpoints of the paper's kind, small, with a detector that finds drawn people and random weights after it."""

from __future__ import annotations

from pathlib import Path

import torch

from stages.checkpoint import Checkpoint, save
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.region_features.step_features import object_regions_of
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.vocabulary import PARTS, packaged
from support.models.drawn_people import trained_detector

FEATURES = VggConfig(channels=2, hidden=24, short_side=64)


def drawn_checkpoint(seed: int = 4) -> Checkpoint:
    """Its answers vary: parts' weights are distinct, and actions' scores are spread."""
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    hidden = dict.fromkeys(("relevance_hidden", "state_hidden", "prior_hidden", "graph_hidden", "action_hidden"), 16)
    config = NetworkConfig(
        part_features=0,
        context_features=0,
        geometry=False,
        visual=True,
        visual_features=FEATURES.hidden,
        visual_hidden=0,
        object_regions=object_regions_of(len(PARTS)),
        action_width=16,
        **hidden,
    )
    network = ActionNetwork(config, vocabulary, torch.randn(len(PARTS), len(vocabulary.states), 12))
    with torch.no_grad():
        network.part_graph.absent.normal_()
        network.part_states.scores.weight.mul_(4)
        network.action_lstm.scores.weight.mul_(6)
        network.part_graph.lstm.weight_ih_l0.mul_(3)
    network.eval().requires_grad_(False)
    return Checkpoint(
        network,
        "drawn",
        True,
        "none",
        metrics={"config": {"data": {"window": 6}}},
        features=VggFeatures(FEATURES).eval().requires_grad_(False),
        detector=trained_detector(),
    )


def write_drawn_checkpoint(path: Path) -> Path:
    """The same as a file."""
    save(drawn_checkpoint(), path)
    return path
