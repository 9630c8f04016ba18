"""The trainable network: relevance, states, language priors, part graph and action LSTM as one module.

Detection is not part of it. All profiles use the same code with different sizes (docs/method.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from stages.heads.action_lstm import ActionLSTM, FrameActions
from stages.heads.hierarchical_scores import action_scores, heads_of
from stages.heads.part_layers import (
    LanguagePriors,
    PartGraph,
    PartMean,
    PartRelevance,
    PartStates,
    PersonEmbedding,
    missed_parts,
    region_embedding,
)
from stages.keypoint_features.geometry import CONTEXT_FEATURES, PART_FEATURES
from stages.keypoint_features.skeleton import JOINT_SCORE
from stages.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes, and switches that leave stages out to measure their effect.

    The defaults are the edge profile's: eight people take about 2 ms on one CPU thread.
    """

    part_features: int = PART_FEATURES
    """Geometry features of a part; 0 for profiles without geometry."""
    context_features: int = CONTEXT_FEATURES
    """Geometry features of the whole person."""
    joint_score: float = JOINT_SCORE
    """Joints with a lower score count as missing in the geometry."""
    visual: bool = False
    """Whether RoI features are used; false if their branch was not trained."""
    visual_features: int = 0
    """Length of one region's RoI feature vector."""
    visual_hidden: int = 64
    """Size of a region's embedding; 0 uses its features without embedding."""
    relevance_hidden: int = 64
    state_hidden: int = 128
    dropout: float = 0.5
    prior_hidden: int = 64
    graph_hidden: int = 128
    person_hidden: int = 0
    """Size of the person embedding, which joins the graph state; 0: none."""
    action_width: int = 128
    action_hidden: int = 192
    action_layers: int = 1
    object_regions: tuple[int, ...] = ()
    """With `visual`: the object region of each part, as an index into `VisualInput.objects`."""
    visual_regions: Literal["all", "objects"] = "all"
    """objects: only object regions are used, and parts have geometry alone."""
    visual_strides: tuple[int, ...] = (4, 8, 16)
    """Strides of the feature maps that regions are pooled from. `RoiConfig` describes this and the next two fields."""
    visual_bins: int = 3
    visual_samples: int = 2
    geometry: bool = True
    """False: geometry is ignored, and parts have RoI features only."""
    relevance_gates: bool = True
    """False: relevance is learned and published, but does not scale the part features."""
    language: bool = True
    """False: no language priors, and a part is represented by its visual state feature only."""
    graph: Literal["sequential", "mean"] = "sequential"
    """mean: the resized mean of the parts instead of an LSTM."""
    temporal: bool = True
    """False: each step's action comes from its own frame, without the LSTM over time."""
    action_kernel: int = 1
    """Steps that the temporal convolution before the action LSTM reads; 1: no convolution."""
    action_dropout: float = 0.0
    """Share of the action LSTM's inputs that are dropped in training: the same in all steps of a sequence."""
    part_dropout: float = 0.0
    """Probability that a part is absent during a part of a training sequence, as if it had not been detected."""
    posture_actions: tuple[str, ...] = ()
    """Actions of the posture head, with three heads (`hierarchical_scores`); empty: one softmax."""
    movement_actions: tuple[str, ...] = ()
    """Actions of the movement head; all others are gestures."""

    def __post_init__(self) -> None:
        if self.visual != (self.visual_features > 0):
            raise ValueError("network: `visual` and `visual_features` must be set together")
        if self.part_features + self.visual_features < 1:
            raise ValueError("network: a part needs geometry or visual features")
        if self.movement_actions and not self.posture_actions:
            raise ValueError("network: `movement_actions` needs `posture_actions`")
        if not self.geometry and not self.visual:
            raise ValueError("network: without geometry, parts need RoI features (`visual`)")

    @property
    def reads_geometry(self) -> bool:
        """Whether the network uses keypoint geometry."""
        return self.geometry and self.part_features > 0

    @property
    def graph_width(self) -> int:
        """Size of the graph state, with the person embedding."""
        return self.graph_hidden + self.person_hidden

    @property
    def visual_width(self) -> int:
        """Size of a region's input to relevance and states."""
        return (self.visual_hidden or self.visual_features) * self.visual

    @property
    def object_region_count(self) -> int:
        """Number of object regions per person (`VisualInput.objects`)."""
        return max(self.object_regions, default=-1) + 1


class VisualInput(NamedTuple):
    """RoI features of n people."""

    parts: Tensor
    """[n, parts, visual_features]; not read, and may have 0 parts, if `NetworkConfig.visual_regions` is objects."""
    objects: Tensor
    """[n, regions, visual_features]. Regions of MoveNet's maps: around the left hand, around the right hand, the whole
    frame; of VGG-16: the person's object, or the whole frame if there is none."""
    known: Tensor | None = None
    """bool [n]: whether the person has a picture. Without one (generated training data), the embeddings of parts and
    objects are zeros. None: all people have one, as always in live operation."""


class StepOutputs(NamedTuple):
    """Outputs for one step of n people, before the action LSTM. Losses use the logits."""

    relevance_logits: Tensor
    """[n, parts]"""
    relevance: Tensor
    """[n, parts] in [0, 1]; 0 where the part is absent."""
    state_logits: Tensor
    """[n, parts, states]; columns outside the vocabulary's mask are meaningless."""
    states: Tensor
    """[n, parts, states] in [0, 1]; 0 outside the mask and where the part is absent."""
    graph: Tensor
    """[n, graph_width]"""
    frame_logits: Tensor
    """[n, actions], from this frame alone."""


class SequenceOutputs(NamedTuple):
    """Outputs for T steps of N people: as `StepOutputs` with leading shape [N, T], and the action over time."""

    relevance_logits: Tensor
    state_logits: Tensor
    frame_logits: Tensor
    action_logits: Tensor
    """[N, T, actions], each from all steps up to it; the state is zeros before step 0."""


class ActionNetwork(nn.Module):
    """A network from part features of people to relevance, part states and actions."""

    def __init__(self, config: NetworkConfig, vocabulary: Vocabulary, priors: Tensor | None) -> None:
        """`priors` is float32 [parts, states, 3 x hidden], built by `build_rows` for the same vocabulary; it may be
        None for a network without language.
        """
        super().__init__()
        parts, states, actions = len(vocabulary.parts), len(vocabulary.states), len(vocabulary.actions)
        if config.language and priors is None:
            raise ValueError("network: `language` needs a table of priors")
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
                self.embed_part = region_embedding(config.visual_features, config.visual_hidden)
            self.embed_object = region_embedding(config.visual_features, config.visual_hidden)
        self.part_relevance = PartRelevance(parts, part_width, object_width, config.relevance_hidden)
        mask = torch.from_numpy(vocabulary.mask())
        self.part_states = PartStates(part_width, object_width, config.state_hidden, mask, config.dropout)
        represented = config.state_hidden
        if config.language and priors is not None:
            self.language_priors = LanguagePriors(priors, config.prior_hidden)
            represented += config.prior_hidden
        part_graph = PartGraph if config.graph == "sequential" else PartMean
        self.part_graph: PartGraph | PartMean = part_graph(parts, represented, config.graph_hidden)
        if config.person_hidden:
            self.person_embedding = PersonEmbedding(
                parts, config.part_features, config.context_features, config.person_hidden
            )
        heads: list[int] = []
        if config.posture_actions:
            heads = heads_of(vocabulary.actions, config.posture_actions, config.movement_actions)
        self.frame_scores = action_scores(config.graph_width, actions, heads)
        self.action_lstm: ActionLSTM | FrameActions = (
            ActionLSTM(
                config.graph_width,
                config.action_width,
                config.action_hidden,
                config.action_layers,
                actions,
                config.action_kernel,
                config.action_dropout,
                heads,
            )
            if config.temporal
            else FrameActions(actions)
        )

    def set_normalisation(self, part_mean: Tensor, part_std: Tensor, context_mean: Tensor, context_std: Tensor) -> None:
        """Set the means and standard deviations of geometry over the training data: [parts, F] twice, [C] twice.

        Features that never vary get scale 0. The values are stored with the weights.
        """
        for mean, scale, (new_mean, std) in (
            (self.part_mean, self.part_scale, (part_mean, part_std)),
            (self.context_mean, self.context_scale, (context_mean, context_std)),
        ):
            mean.copy_(new_mean)
            scale.copy_(torch.where(std > 1e-4, 1 / std.clamp(min=1e-4), torch.zeros_like(std)))

    def set_visual_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Set the mean and standard deviation [F] of RoI features over the training data, as `set_normalisation`.

        RoI features need it, because they lie around 6, not 0.
        """
        self.visual_mean.copy_(mean)
        self.visual_scale.copy_(torch.where(std > 1e-4, 1 / std.clamp(min=1e-4), torch.zeros_like(std)))

    def inputs(self, parts: Tensor, context: Tensor, visual: VisualInput | None) -> tuple[Tensor, Tensor]:
        """Return part features [n, parts, …] and object features [n, parts, …].

        `parts` [n, parts, F] and `context` [n, C] are geometry. The object features include the person's context.
        """
        part_features: list[Tensor] = []
        object_features: list[Tensor] = []
        if self.config.geometry:
            person = (context - self.context_mean) * self.context_scale
            part_features.append((parts - self.part_mean) * self.part_scale)
            object_features.append(person[:, None].expand(-1, parts.shape[1], -1))
        if self.config.visual:
            if visual is None:
                raise ValueError("this network was trained with RoI features, but got none")
            if self.reads_parts:
                part_features.append(_where_known(self.embed_part(self._normalised(visual.parts)), visual.known))
            objects = _where_known(self.embed_object(self._normalised(visual.objects)), visual.known)
            object_features.append(objects.index_select(1, self.object_regions))
        return torch.cat(part_features, -1), torch.cat(object_features, -1)

    def _normalised(self, visual: Tensor) -> Tensor:
        return (visual - self.visual_mean) * self.visual_scale

    def relevance(self, part: Tensor, object_feature: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and scores [n, parts] from the results of `inputs`; an absent part's score is 0."""
        logits = self.part_relevance(part, object_feature)
        return logits, torch.sigmoid(logits) * present

    def gate(self, part: Tensor, relevance: Tensor) -> Tensor:
        """Return part features [n, parts, F], scaled by relevance [n, parts] if the configuration says so."""
        return part * relevance[..., None] if self.config.relevance_gates else part

    def graph_state(self, represented: Tensor, gated: Tensor, object_feature: Tensor, present: Tensor) -> Tensor:
        """Return graph states [n, graph_width] from the parts' representations [n, parts, …].

        `gated`: part features from `gate`; `object_feature` from `inputs`; `present` bool [n, parts].
        """
        graph = self.part_graph(represented, present)
        if not self.config.person_hidden:
            return graph
        # Geometry comes first in both, and the context is the same for all parts.
        geometry = gated[..., : self.config.part_features]
        context = object_feature[:, 0, : self.config.context_features]
        return torch.cat((graph, self.person_embedding(geometry, context, present)), -1)

    def action_inputs(self, graph: Tensor) -> Tensor:
        """Return the inputs [..., width] of `action_lstm` from graph states [..., graph_width]."""
        return self.action_lstm.embed(graph) if isinstance(self.action_lstm, ActionLSTM) else self.frame_scores(graph)

    def forward_step(
        self, parts: Tensor, context: Tensor, present: Tensor, visual: VisualInput | None = None
    ) -> StepOutputs:
        """Return the outputs for one step of n people, before the action LSTM.

        `parts` [n, parts, F], `context` [n, C], `present` bool [n, parts].
        """
        part, object_feature = self.inputs(parts, context, visual)
        relevance_logits, relevance = self.relevance(part, object_feature, present)
        gated = self.gate(part, relevance)
        visual_feature, state_logits = self.part_states(gated, object_feature)
        states = self.part_states.probabilities(state_logits) * present[..., None]
        represented = visual_feature
        if self.config.language:
            represented = torch.cat((self.language_priors(states), visual_feature), -1)
        graph = self.graph_state(represented, gated, object_feature, present)
        return StepOutputs(relevance_logits, relevance, state_logits, states, graph, self.frame_scores(graph))

    def forward(
        self,
        parts: Tensor,
        context: Tensor,
        present: Tensor,
        dt: Tensor,
        visual: VisualInput | None = None,
        real: Tensor | None = None,
    ) -> SequenceOutputs:
        """Return the outputs for N sequences of T steps, for training.

        `parts` [N, T, parts, F], `context` [N, T, C], `present` bool [N, T, parts], `dt` [N, T] seconds since the step
        before (0 at the first), `visual` with leading shape [N · T]. `real` bool [N, T]: steps that are not padding,
        which only follows them. Outputs of padding are meaningless, and cost little with `real`.
        """
        sequences, steps = dt.shape
        if self.training and self.config.part_dropout:
            present = present & ~missed_parts(sequences, steps, parts.shape[2], self.config.part_dropout, dt.device)
        parts, context, present = (tensor.flatten(0, 1) for tensor in (parts, context, present))
        rows = None if real is None else real.flatten().nonzero().squeeze(1)
        if rows is not None:
            parts, context, present = parts[rows], context[rows], present[rows]
            if visual is not None:
                known = None if visual.known is None else visual.known[rows]
                visual = VisualInput(visual.parts[rows], visual.objects[rows], known)
        outputs = self.forward_step(parts, context, present, visual)
        if rows is not None:
            outputs = StepOutputs(*(_padded(tensor, rows, sequences * steps) for tensor in outputs))
        graph = outputs.graph.view(sequences, steps, -1)
        return SequenceOutputs(
            outputs.relevance_logits.view(sequences, steps, -1),
            outputs.state_logits.view(sequences, steps, *outputs.state_logits.shape[1:]),
            outputs.frame_logits.view(sequences, steps, -1),
            self.action_lstm.sequence(self.action_inputs(graph), dt),
        )


def _padded(found: Tensor, rows: Tensor, count: int) -> Tensor:
    """Return [count, …] with `found` at `rows` int64 [number of real steps], and zeros elsewhere."""
    return found.new_zeros(count, *found.shape[1:]).index_copy(0, rows, found)


def _where_known(embedded: Tensor, known: Tensor | None) -> Tensor:
    """Return the rows of [n, …] that are known, and zeros for the others. Not a product: a row may hold NaN."""
    return embedded if known is None else torch.where(known[:, None, None], embedded, 0)
