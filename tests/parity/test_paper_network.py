"""The report's network has the report's sizes."""

from __future__ import annotations

from typing import Any

import torch

from stages.heads.network import ActionNetwork, NetworkConfig
from stages.region_features.step_features import object_regions_of
from stages.vocabulary import packaged

PAPER = NetworkConfig(
    part_features=0,
    context_features=0,
    geometry=False,
    visual=True,
    visual_features=4096,
    visual_hidden=0,
    object_regions=object_regions_of(10),
    relevance_hidden=512,
    state_hidden=512,
    dropout=0.5,
    prior_hidden=512,
    graph_hidden=512,
    action_width=512,
    action_hidden=512,
)
"""METHOD's sizes: VGG-16's fc7 of a part and of its object, hidden layers, part graph and action LSTM of 512."""


def test_with_the_reports_sizes_every_layer_has_the_reports_shape() -> None:
    vocabulary = packaged("edge")
    states, actions = len(vocabulary.states), len(vocabulary.actions)
    with torch.device("meta"):
        network = ActionNetwork(PAPER, vocabulary, torch.zeros(10, states, 2304))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    wanted: dict[str, Any] = {
        "part_relevance.first.weight": (10, 4096 + 4096, 512),
        "part_relevance.second.weight": (10, 512, 1),
        "part_states.first.weight": (10, 4096 + 4096, 512),
        "part_states.second.weight": (10, 512, 512),
        "part_states.scores.weight": (10, 512, states),
        "language_priors.table": (10, states, 2304),
        "language_priors.resize.weight": (512, 2304),
        "part_graph.lstm.weight_ih_l0": (4 * 512, 512 + 512),
        "part_graph.lstm.weight_hh_l0": (4 * 512, 512),
        "frame_scores.weight": (actions, 512),
        "action_lstm.lstm.weight_hh_l0": (4 * 512, 512),
        "action_lstm.scores.weight": (actions, 512),
    }
    assert {name: shapes[name] for name in wanted} == wanted
    assert not any(name.startswith("embed_") for name in shapes)
    assert network.part_states.dropout.p == 0.5
