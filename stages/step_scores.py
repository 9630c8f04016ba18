"""The learned stages on the steps of a batch, and one packed copy of their scores to the host.

Stateless stages run on all people of all waves together, padded to a few sizes. The action LSTM runs wave by wave,
because a person's state passes from one step to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.transfer import bucket, to_device, to_host
from stages.device.stage_timer import StageTimer
from stages.heads.action_states import ActionStates
from stages.heads.network import ActionNetwork, VisualInput
from stages.keypoint_features.geometry import window_features
from stages.people.people import BatchSteps


@dataclass(frozen=True, slots=True, eq=False)
class StepScores:
    """Scores of n steps in [0, 1], float32."""

    relevance: NDArray[np.float32]
    """[n, parts]"""
    states: NDArray[np.float32]
    """[n, parts, states]"""
    actions: NDArray[np.float32]
    """[n, actions]"""

    def failed_stage(self, step: int) -> str | None:
        """Return the first stage whose scores of a step are not all numbers; None if they are."""
        of_stages = (("part_relevance", self.relevance), ("part_states", self.states), ("action_lstm", self.actions))
        return next((name for name, scores in of_stages if not np.isfinite(scores[step]).all()), None)


@dataclass(frozen=True, slots=True, eq=False)
class PersonInputs:
    """Inputs of the network from keypoints, for padded rows, on the device."""

    parts: Tensor
    """float32 [rows, parts, F]"""
    context: Tensor
    """float32 [rows, C]"""
    present: Tensor
    """bool [rows, parts]"""


def person_inputs(steps: BatchSteps, network: ActionNetwork, device: torch.device) -> PersonInputs:
    """Compute the keypoint geometry of all steps on the host, and copy it to the device at once."""
    rows = bucket(len(steps))
    config = network.config
    present = np.stack(steps.present)
    count = present.shape[1]
    parts_width = count * config.part_features
    packed = np.zeros((rows, parts_width + config.context_features + count), np.float32)
    if config.reads_geometry:
        geometry = window_features(*steps.windows(), joint_score=config.joint_score)
        packed[: len(steps), :parts_width] = geometry.parts.reshape(len(steps), -1)
        packed[: len(steps), parts_width:-count] = geometry.context
    packed[: len(steps), -count:] = present
    on_device = to_device(packed, device)
    return PersonInputs(
        on_device[:, :parts_width].unflatten(1, (count, config.part_features)),
        on_device[:, parts_width:-count],
        on_device[:, -count:] > 0.5,
    )


@dataclass(frozen=True, slots=True, eq=False)
class HeadOutputs:
    """Outputs of the stateless stages for padded rows, on the device."""

    relevance: Tensor
    """[rows, parts]"""
    states: Tensor
    """State probabilities [rows, parts, states]."""
    embedded: Tensor
    """Inputs of the action LSTM [rows, width]."""


def run_heads(
    network: ActionNetwork, inputs: PersonInputs, visual: VisualInput | None, timer: StageTimer
) -> HeadOutputs:
    """Run relevance → states → language priors → part graph. No hidden state changes."""
    with timer.stage("part_relevance"):
        part, object_feature = network.inputs(inputs.parts, inputs.context, visual)
        relevance = network.relevance(part, object_feature, inputs.present)[1]
    with timer.stage("part_states"):
        gated = network.gate(part, relevance)
        visual_feature, state_logits = network.part_states(gated, object_feature)
        probabilities = network.part_states.probabilities(state_logits) * inputs.present[..., None]
    represented = visual_feature
    if network.config.language:
        with timer.stage("language_priors"):
            represented = torch.cat((network.language_priors(probabilities), visual_feature), -1)
    with timer.stage("part_graph"):
        embedded = network.action_inputs(network.graph_state(represented, gated, object_feature, inputs.present))
    return HeadOutputs(relevance, probabilities, embedded)


def score_actions(states: ActionStates, steps: BatchSteps, outputs: HeadOutputs, timer: StageTimer) -> StepScores:
    """Step the action LSTM wave by wave, and copy all scores to the host at once.

    Steps whose hidden state has been stored are committed, even if a later wave fails.
    """
    with timer.stage("action_lstm"):
        groups = states.waves(outputs.embedded, steps.waves, steps.commit)
        scores = [outputs.relevance, outputs.states, *(torch.softmax(logits, -1) for logits, _ in groups)]
        packed = to_host(torch.cat([tensor.flatten() for tensor in scores]))
    shapes = [tuple(tensor.shape) for tensor in scores]
    return _unpack(packed, shapes, [[step.row for step in group] for _, group in groups], len(steps))


def joined(parts: Sequence[StepScores]) -> StepScores:
    """Return the scores of consecutive parts of a batch as one."""
    if len(parts) == 1:
        return parts[0]
    return StepScores(
        np.concatenate([part.relevance for part in parts]),
        np.concatenate([part.states for part in parts]),
        np.concatenate([part.actions for part in parts]),
    )


def _unpack(
    packed: NDArray[np.float32], shapes: list[tuple[int, ...]], rows_of_groups: list[list[int]], count: int
) -> StepScores:
    blocks: list[NDArray[np.float32]] = []
    start = 0
    for shape in shapes:
        size = int(np.prod(shape))
        blocks.append(packed[start : start + size].reshape(shape))
        start += size
    relevance, states, *groups = blocks
    actions = np.empty((count, groups[0].shape[1]), np.float32)
    for scores, rows in zip(groups, rows_of_groups, strict=True):
        actions[rows] = scores[: len(rows)]
    return StepScores(relevance[:count], states[:count], actions)
