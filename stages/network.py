"""The trainable whole: relevance, states, language priors, part graph and action LSTM as one module with its config.

Detection is not part of it. The module's weights, its configuration and its vocabulary make up a checkpoint
(stages/checkpoint.py). One code for every profile; only sizes differ (docs/method.md).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stages.action_lstm import ActionLSTM
from stages.geometry import CONTEXT_FEATURES, PART_FEATURES
from stages.language_priors import LanguagePriors
from stages.part_graph import PartGraph
from stages.part_relevance import PartRelevance
from stages.part_states import PartStates
from stages.skeleton import JOINT_SCORE
from stages.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes. The defaults are the edge profile's: eight people cost about 2 ms on one CPU thread."""

    part_features: int = PART_FEATURES
    """Geometry features of a part; 0 where a profile has none."""
    context_features: int = CONTEXT_FEATURES
    """Geometry features of the whole person."""
    joint_score: float = JOINT_SCORE
    """Joints scoring less are missing for the geometry."""
    visual: bool = False
    """Whether RoI features take part. A branch that wasn't trained must not: then this is false."""
    visual_features: int = 0
    """Length of one region's RoI feature vector."""
    visual_hidden: int = 64
    relevance_hidden: int = 64
    state_hidden: int = 128
    dropout: float = 0.5
    prior_hidden: int = 64
    graph_hidden: int = 128
    action_width: int = 128
    action_hidden: int = 192
    action_layers: int = 1
    object_regions: tuple[int, ...] = ()
    """With `visual`: for each part, which object region is its object feature (index into `VisualInput.objects`)."""

    def __post_init__(self) -> None:
        if self.visual != (self.visual_features > 0):
            raise ValueError("network: `visual` and `visual_features` must be set together")
        if self.part_features + self.visual_features < 1:
            raise ValueError("network: a part needs geometry or visual features")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return dataclasses.asdict(self) | {"object_regions": list(self.object_regions)}

    @staticmethod
    def from_dict(content: dict[str, Any]) -> NetworkConfig:
        """Read what `to_dict` wrote. Raises `ValueError` naming fields that this version doesn't know."""
        unknown = sorted(set(content) - {field.name for field in dataclasses.fields(NetworkConfig)})
        if unknown:
            raise ValueError(f"network: unknown fields {unknown}")
        return NetworkConfig(**{**content, "object_regions": tuple(content.get("object_regions", ()))})


class VisualInput(NamedTuple):
    """RoI features of n people: `parts` [n, parts, visual_features], `objects` [n, regions, visual_features].

    Regions: at and beyond the left hand, the same for the right hand, the whole frame.
    """

    parts: Tensor
    objects: Tensor


class PersonReading(NamedTuple):
    """What one step says of n people, before time comes in. Logits may be trained on, the rest is for use."""

    relevance_logits: Tensor
    """[n, parts]"""
    relevance: Tensor
    """[n, parts] in [0, 1]; 0 where the part is absent."""
    state_logits: Tensor
    """[n, parts, states]; columns outside the vocabulary's mask mean nothing."""
    states: Tensor
    """[n, parts, states] in [0, 1]; 0 outside the mask and where the part is absent."""
    graph: Tensor
    """[n, graph_hidden]"""
    frame_logits: Tensor
    """[n, actions], from this step alone."""


class SequenceReading(NamedTuple):
    """What T steps say of N people: as `PersonReading` with leading shape [N, T], and the action over time."""

    relevance_logits: Tensor
    state_logits: Tensor
    frame_logits: Tensor
    action_logits: Tensor
    """[N, T, actions]: each from all steps up to it, the state starting from zeros at step 0."""


class ActionNetwork(nn.Module):
    """People's part features in; relevance, part states and actions out."""

    def __init__(self, config: NetworkConfig, vocabulary: Vocabulary, priors: Tensor) -> None:
        """`priors` float32 [parts, states, 3 x hidden] from `build_priors` for the same vocabulary."""
        super().__init__()
        parts, states, actions = len(vocabulary.parts), len(vocabulary.states), len(vocabulary.actions)
        if priors.shape[:2] != (parts, states):
            raise ValueError(f"priors are for {tuple(priors.shape[:2])} parts and states, not {(parts, states)}")
        if config.visual and len(config.object_regions) != parts:
            raise ValueError("network: `object_regions` must name a region for each part")
        self.config = config
        self.vocabulary = vocabulary
        embedded = config.visual_hidden if config.visual else 0
        part_width = config.part_features + embedded
        object_width = config.context_features + embedded
        self.part_mean: Tensor
        self.part_scale: Tensor
        self.context_mean: Tensor
        self.context_scale: Tensor
        self.object_regions: Tensor
        self.register_buffer("part_mean", torch.zeros(parts, config.part_features))
        self.register_buffer("part_scale", torch.ones(parts, config.part_features))
        self.register_buffer("context_mean", torch.zeros(config.context_features))
        self.register_buffer("context_scale", torch.ones(config.context_features))
        self.register_buffer("object_regions", torch.tensor(config.object_regions, dtype=torch.int64), persistent=False)
        if config.visual:
            self.embed_part = nn.Linear(config.visual_features, config.visual_hidden)
            self.embed_object = nn.Linear(config.visual_features, config.visual_hidden)
        self.part_relevance = PartRelevance(parts, part_width, object_width, config.relevance_hidden)
        mask = torch.from_numpy(vocabulary.mask())
        self.part_states = PartStates(part_width, object_width, config.state_hidden, mask, config.dropout)
        self.language_priors = LanguagePriors(priors, config.prior_hidden)
        self.part_graph = PartGraph(parts, config.prior_hidden + config.state_hidden, config.graph_hidden)
        self.frame_scores = nn.Linear(config.graph_hidden, actions)
        self.action_lstm = ActionLSTM(
            config.graph_hidden, config.action_width, config.action_hidden, config.action_layers, actions
        )

    def set_normalisation(self, part_mean: Tensor, part_std: Tensor, context_mean: Tensor, context_std: Tensor) -> None:
        """Means and standard deviations of the geometry over the training data: [parts, F], [parts, F], [C], [C].

        Features that never vary are left out (scale 0). Stored with the weights.
        """
        for mean, scale, (new_mean, std) in (
            (self.part_mean, self.part_scale, (part_mean, part_std)),
            (self.context_mean, self.context_scale, (context_mean, context_std)),
        ):
            mean.copy_(new_mean)
            scale.copy_(torch.where(std > 1e-4, 1 / std.clamp(min=1e-4), torch.zeros_like(std)))

    def inputs(self, parts: Tensor, context: Tensor, visual: VisualInput | None) -> tuple[Tensor, Tensor]:
        """Geometry [n, parts, F], [n, C] and RoI features → part feature [n, parts, …], object feature [n, parts, …].

        Where there is no object, the person's context stands in for it.
        """
        part = (parts - self.part_mean) * self.part_scale
        thing = ((context - self.context_mean) * self.context_scale)[:, None].expand(-1, parts.shape[1], -1)
        if not self.config.visual:
            return part, thing
        if visual is None:
            raise ValueError("this network was trained with RoI features and was given none")
        objects = torch.relu(self.embed_object(visual.objects)).index_select(1, self.object_regions)
        return (
            torch.cat((part, torch.relu(self.embed_part(visual.parts))), -1),
            torch.cat((thing, objects), -1),
        )

    def relevance(self, part: Tensor, thing: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and scores [n, parts] from what `inputs` gave; an absent part's score is 0."""
        logits = self.part_relevance(part, thing)
        return logits, torch.sigmoid(logits) * present

    def read_people(
        self, parts: Tensor, context: Tensor, present: Tensor, visual: VisualInput | None = None
    ) -> PersonReading:
        """One step of n people: `parts` [n, parts, F], `context` [n, C], `present` bool [n, parts]."""
        part, thing = self.inputs(parts, context, visual)
        relevance_logits, relevance = self.relevance(part, thing, present)
        visual_feature, state_logits = self.part_states(part * relevance[..., None], thing)
        states = self.part_states.probabilities(state_logits) * present[..., None]
        represented = torch.cat((self.language_priors(states), visual_feature), -1)
        graph = self.part_graph(represented, present)
        return PersonReading(relevance_logits, relevance, state_logits, states, graph, self.frame_scores(graph))

    def forward(
        self, parts: Tensor, context: Tensor, present: Tensor, dt: Tensor, visual: VisualInput | None = None
    ) -> SequenceReading:
        """N sequences of T steps, for training: `parts` [N, T, parts, F], `context` [N, T, C], `present` bool
        [N, T, parts], `dt` [N, T] seconds since the step before (0 at the first), `visual` with leading shape [N · T].
        """
        sequences, steps = dt.shape
        read = self.read_people(parts.flatten(0, 1), context.flatten(0, 1), present.flatten(0, 1), visual)
        graph = read.graph.view(sequences, steps, -1)
        return SequenceReading(
            read.relevance_logits.view(sequences, steps, -1),
            read.state_logits.view(sequences, steps, *read.state_logits.shape[1:]),
            read.frame_logits.view(sequences, steps, -1),
            self.action_lstm(graph, dt),
        )
