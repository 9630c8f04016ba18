"""A checkpoint without its RoI branch, for runtimes that do not pool features (docs/export.md)."""

from __future__ import annotations

import dataclasses

from stages.checkpoint import Checkpoint
from stages.heads.network import ActionNetwork
from training.run.learning.warm_start import begin_from


def from_keypoints_alone(checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint without the weights that read regions; its answers are those with unknown regions.

    The file's hash stays. A checkpoint that reads no regions is returned unchanged. Raises ValueError for one without
    geometry.
    """
    network = checkpoint.network
    if not network.config.visual:
        return checkpoint
    if not network.config.geometry:
        raise ValueError("it reads only regions, so nothing is left without them")
    config = dataclasses.replace(network.config, visual=False, visual_features=0, object_regions=())
    table = network.language_priors.table if config.language else None
    alone = ActionNetwork(config, network.vocabulary, table)
    begin_from(alone, network)
    fitted = [name for name in alone.state_dict() if name.endswith((".temperature", ".shift"))]
    alone.load_state_dict({name: network.state_dict()[name] for name in fitted}, strict=False)
    return dataclasses.replace(checkpoint, network=alone.eval())
