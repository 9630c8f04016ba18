"""The trainable whole: relevance, states, language priors, part graph and action LSTM as one module with its config.

Detection is not part of it. The module's weights, its configuration and its vocabulary make up a checkpoint
(stages/checkpoint.py). One code for every profile; only sizes differ (docs/method.md).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from stages.heads.action_lstm import ActionLSTM
from stages.heads.frame_actions import FrameActions
from stages.heads.language_priors import LanguagePriors
from stages.heads.part_graph import PartGraph, PartMean
from stages.heads.part_relevance import PartRelevance
from stages.heads.part_states import PartStates
from stages.keypoint_features.geometry import CONTEXT_FEATURES, PART_FEATURES
from stages.keypoint_features.skeleton import JOINT_SCORE
from stages.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes, and which stages take part. The defaults are the edge profile's: eight people cost about 2 ms on one CPU
    thread. The switches at the end leave a stage out, to measure what it is worth; with their defaults all take part.
    """

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
    """Numbers that a region is embedded in; 0: its features enter relevance and states as they are."""
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
    visual_regions: Literal["all", "objects"] = "all"
    """objects: only what is around the hands and all over the picture is read, parts have their geometry alone."""
    visual_strides: tuple[int, ...] = (4, 8, 16)
    """The detector's maps that regions are pooled from, their `bins` and `samples`: see `RoiConfig`."""
    visual_bins: int = 3
    visual_samples: int = 2
    geometry: bool = True
    """False: the keypoints' geometry is given and not read; parts are then known by their RoI features only."""
    relevance_gates: bool = True
    """False: relevance is learned and published, and parts enter their states ungated."""
    language: bool = True
    """False: no language priors; a part is represented by its visual state feature only."""
    graph: Literal["sequential", "mean"] = "sequential"
    """mean: the parts' mean, resized, instead of an LSTM that reads them in order."""
    temporal: bool = True
    """False: each step's action is its own frame's, without the LSTM over time."""

    def __post_init__(self) -> None:
        if self.visual != (self.visual_features > 0):
            raise ValueError("network: `visual` and `visual_features` must be set together")
        if self.part_features + self.visual_features < 1:
            raise ValueError("network: a part needs geometry or visual features")
        for name, known in (("visual_regions", ("all", "objects")), ("graph", ("sequential", "mean"))):
            if getattr(self, name) not in known:
                raise ValueError(f"network: `{name}` is {getattr(self, name)!r}, not one of {', '.join(known)}")
        if not (self.geometry and self.part_features) and self.visual_regions == "objects":
            raise ValueError("network: without geometry, `visual_regions` must be all: a part would have no feature")
        if self.visual_hidden < 0:
            raise ValueError(f"network: `visual_hidden` is {self.visual_hidden}; it must be at least 0")
        if not self.geometry and not self.visual:
            raise ValueError("network: without geometry, parts need RoI features (`visual`)")

    @property
    def reads_geometry(self) -> bool:
        """Whether keypoints' geometry has a part in the answers."""
        return self.geometry and self.part_features > 0

    @property
    def visual_width(self) -> int:
        """Numbers that one region gives to relevance and states."""
        return (self.visual_hidden or self.visual_features) * self.visual

    @property
    def object_region_count(self) -> int:
        """Object regions a person that are read (`VisualInput.objects`)."""
        return max(self.object_regions, default=-1) + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(self).items()
        }

    @staticmethod
    def from_dict(content: dict[str, Any]) -> NetworkConfig:
        """Read what `to_dict` wrote. Raises `ValueError` naming fields that this version doesn't know."""
        unknown = sorted(set(content) - {field.name for field in dataclasses.fields(NetworkConfig)})
        if unknown:
            raise ValueError(f"network: unknown fields {unknown}")
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return NetworkConfig(**fields)


class VisualInput(NamedTuple):
    """RoI features of n people: `parts` [n, parts, visual_features], `objects` [n, regions, visual_features].

    Regions: in edge around the left hand, around the right hand, the whole frame; in kinetics-tps the person's object,
    or the whole frame where there is none. `known` bool [n]: whose picture was seen; of a person known by keypoints
    only, parts and objects are embedded as zeros, whatever their rows hold. None: everybody's was, as it always is
    live. Where the network reads objects only (`NetworkConfig.visual_regions`), `parts` isn't read and may be
    [n, 0, visual_features].
    """

    parts: Tensor
    objects: Tensor
    known: Tensor | None = None


class StepOutputs(NamedTuple):
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


class SequenceOutputs(NamedTuple):
    """What T steps say of N people: as `StepOutputs` with leading shape [N, T], and the action over time."""

    relevance_logits: Tensor
    state_logits: Tensor
    frame_logits: Tensor
    action_logits: Tensor
    """[N, T, actions]: each from all steps up to it, the state starting from zeros at step 0."""


class ActionNetwork(nn.Module):
    """People's part features in; relevance, part states and actions out."""

    def __init__(self, config: NetworkConfig, vocabulary: Vocabulary, priors: Tensor | None) -> None:
        """`priors` float32 [parts, states, 3 x hidden] from `build_priors` for the same vocabulary; a network without
        language doesn't read them.
        """
        super().__init__()
        parts, states, actions = len(vocabulary.parts), len(vocabulary.states), len(vocabulary.actions)
        if config.language and priors is None:
            raise ValueError("a network with language priors was given none")
        if priors is not None and priors.shape[:2] != (parts, states):
            raise ValueError(f"priors are for {tuple(priors.shape[:2])} parts and states, not {(parts, states)}")
        if config.visual and len(config.object_regions) != parts:
            raise ValueError("network: `object_regions` must name a region for each part")
        self.config = config
        self.vocabulary = vocabulary
        self.reads_parts = config.visual and config.visual_regions == "all"
        part_width = config.part_features * config.geometry + config.visual_width * self.reads_parts
        object_width = config.context_features * config.geometry + config.visual_width
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
            self.visual_mean: Tensor
            self.visual_scale: Tensor
            self.register_buffer("visual_mean", torch.zeros(config.visual_features))
            self.register_buffer("visual_scale", torch.ones(config.visual_features))
            if self.reads_parts:
                self.embed_part = _embedding(config)
            self.embed_object = _embedding(config)
        self.part_relevance = PartRelevance(parts, part_width, object_width, config.relevance_hidden)
        mask = torch.from_numpy(vocabulary.mask())
        self.part_states = PartStates(part_width, object_width, config.state_hidden, mask, config.dropout)
        represented = config.state_hidden
        if config.language and priors is not None:
            self.language_priors = LanguagePriors(priors, config.prior_hidden)
            represented += config.prior_hidden
        part_graph = PartGraph if config.graph == "sequential" else PartMean
        self.part_graph: PartGraph | PartMean = part_graph(parts, represented, config.graph_hidden)
        self.frame_scores = nn.Linear(config.graph_hidden, actions)
        self.action_lstm: ActionLSTM | FrameActions = (
            ActionLSTM(config.graph_hidden, config.action_width, config.action_hidden, config.action_layers, actions)
            if config.temporal
            else FrameActions(actions)
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

    def set_visual_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Mean and standard deviation of RoI features [F] over the training data's regions: they lie around 6, not 0.
        As above, features that never vary are left out, and both are stored with the weights."""
        self.visual_mean.copy_(mean)
        self.visual_scale.copy_(torch.where(std > 1e-4, 1 / std.clamp(min=1e-4), torch.zeros_like(std)))

    def inputs(self, parts: Tensor, context: Tensor, visual: VisualInput | None) -> tuple[Tensor, Tensor]:
        """Geometry [n, parts, F], [n, C] and RoI features → part feature [n, parts, …], object feature [n, parts, …].

        Where there is no object, the person's context stands in for it.
        """
        of_part: list[Tensor] = []
        of_thing: list[Tensor] = []
        if self.config.geometry:
            person = (context - self.context_mean) * self.context_scale
            of_part.append((parts - self.part_mean) * self.part_scale)
            of_thing.append(person[:, None].expand(-1, parts.shape[1], -1))
        if self.config.visual:
            if visual is None:
                raise ValueError("this network was trained with RoI features and was given none")
            if self.reads_parts:
                of_part.append(_where_known(self.embed_part(self._normal(visual.parts)), visual.known))
            objects = _where_known(self.embed_object(self._normal(visual.objects)), visual.known)
            of_thing.append(objects.index_select(1, self.object_regions))
        return torch.cat(of_part, -1), torch.cat(of_thing, -1)

    def _normal(self, visual: Tensor) -> Tensor:
        return (visual - self.visual_mean) * self.visual_scale

    def relevance(self, part: Tensor, thing: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and scores [n, parts] from what `inputs` gave; an absent part's score is 0."""
        logits = self.part_relevance(part, thing)
        return logits, torch.sigmoid(logits) * present

    def gate(self, part: Tensor, relevance: Tensor) -> Tensor:
        """Part features [n, parts, F], each scaled by its part's relevance [n, parts] where relevance gates."""
        return part * relevance[..., None] if self.config.relevance_gates else part

    def action_inputs(self, graph: Tensor) -> Tensor:
        """What `action_lstm` reads of graph states [..., graph_hidden], one step at a time → [..., its width]."""
        return self.action_lstm.embed(graph) if isinstance(self.action_lstm, ActionLSTM) else self.frame_scores(graph)

    def forward_step(
        self, parts: Tensor, context: Tensor, present: Tensor, visual: VisualInput | None = None
    ) -> StepOutputs:
        """One step of n people: `parts` [n, parts, F], `context` [n, C], `present` bool [n, parts]."""
        part, thing = self.inputs(parts, context, visual)
        relevance_logits, relevance = self.relevance(part, thing, present)
        visual_feature, state_logits = self.part_states(self.gate(part, relevance), thing)
        states = self.part_states.probabilities(state_logits) * present[..., None]
        represented = visual_feature
        if self.config.language:
            represented = torch.cat((self.language_priors(states), visual_feature), -1)
        graph = self.part_graph(represented, present)
        return StepOutputs(relevance_logits, relevance, state_logits, states, graph, self.frame_scores(graph))

    def forward(
        self, parts: Tensor, context: Tensor, present: Tensor, dt: Tensor, visual: VisualInput | None = None
    ) -> SequenceOutputs:
        """N sequences of T steps, for training: `parts` [N, T, parts, F], `context` [N, T, C], `present` bool
        [N, T, parts], `dt` [N, T] seconds since the step before (0 at the first), `visual` with leading shape [N · T].
        """
        sequences, steps = dt.shape
        read = self.forward_step(parts.flatten(0, 1), context.flatten(0, 1), present.flatten(0, 1), visual)
        graph = read.graph.view(sequences, steps, -1)
        return SequenceOutputs(
            read.relevance_logits.view(sequences, steps, -1),
            read.state_logits.view(sequences, steps, *read.state_logits.shape[1:]),
            read.frame_logits.view(sequences, steps, -1),
            self.action_lstm.sequence(self.action_inputs(graph), dt),
        )


class RegionEmbedding(nn.Linear):
    """A region's features, normalised, in a few numbers: linear, then ReLU."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., visual_features] → [..., visual_hidden]"""
        return torch.relu(super().forward(input))


def _embedding(config: NetworkConfig) -> nn.Module:
    """Of regions: no weights where their features enter as they are."""
    return RegionEmbedding(config.visual_features, config.visual_hidden) if config.visual_hidden else nn.Identity()


def _where_known(embedded: Tensor, known: Tensor | None) -> Tensor:
    """Rows of [n, …] that are known, zeros in the others: chosen, not multiplied, for a row may hold NaN."""
    return embedded if known is None else torch.where(known[:, None, None], embedded, 0)
