"""A checkpoint that looks into regions, as it answers of people of whom no region is known: from keypoints alone.

For runtimes that don't pool features (docs/export.md). Owns nothing.
"""

from __future__ import annotations

import dataclasses

from stages.checkpoint import Checkpoint
from stages.heads.network import ActionNetwork
from training.run.learning.warm_start import begin_from


def from_keypoints_alone(checkpoint: Checkpoint) -> Checkpoint:
    """The same weights without those that read regions; its answers are the checkpoint's where regions are unknown, and
    its file's hash stays. A checkpoint that reads none comes back as it is. Raises ValueError for one without geometry.
    """
    network = checkpoint.network
    if not network.config.visual:
        return checkpoint
    if not network.config.geometry:
        raise ValueError("it reads regions alone, so that nothing is left without them")
    config = dataclasses.replace(network.config, visual=False, visual_features=0, object_regions=())
    table = network.language_priors.table if config.language else None
    alone = ActionNetwork(config, network.vocabulary, table)
    begin_from(alone, network)
    alone.action_lstm.temperature.copy_(network.action_lstm.temperature)
    return dataclasses.replace(checkpoint, network=alone.eval())
