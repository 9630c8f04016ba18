"""Sequences of people's steps with targets, batches of them as the network takes them, and the base of their sources.

Features come from the code that computes them live.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.detection.part_boxes import part_boxes
from stages.heads.network import ActionNetwork, VisualInput
from stages.keypoint_features.geometry import sequence_features


@dataclass(frozen=True, slots=True)
class Sequences:
    """N sequences of up to T steps, padded at the end.

    Detections: `keypoints` float32 [N, T, 17, 3] (x, y in pixels, score), `boxes` float32 [N, T, 4], `times_us` int64
    [N, T], `lengths` int64 [N]. Targets: `action` int64 [N, T] in the vocabulary (−1: no target), `states` and
    `states_known` bool [N, T, parts, states], `relevance` and `relevance_known` bool [N, T, parts]. Padded steps repeat
    the last one, without targets.
    """

    keypoints: NDArray[np.float32]
    boxes: NDArray[np.float32]
    times_us: NDArray[np.int64]
    lengths: NDArray[np.int64]
    action: NDArray[np.int64]
    states: NDArray[np.bool_]
    states_known: NDArray[np.bool_]
    relevance: NDArray[np.bool_]
    relevance_known: NDArray[np.bool_]

    @property
    def real(self) -> NDArray[np.bool_]:
        """Which steps are not padding, [N, T]."""
        return np.arange(self.action.shape[1]) < self.lengths[:, None]


Made = TypeVar("Made", bound=Sequences)


def without_steps(sequences: Made, lost: NDArray[np.bool_]) -> Made:
    """Return the sequences without the `lost` steps, bool [N, T], as if their frames had been dropped.

    The last step of each stays, because sequences are drawn by their last action. Padding takes the place of lost steps
    at the end.
    """
    keep = sequences.real & ~lost
    keep[np.arange(len(keep)), sequences.lengths - 1] = True
    lengths = keep.sum(1)
    kept_first = np.argsort(~keep, axis=1, kind="stable")
    steps = np.take_along_axis(kept_first, np.minimum(np.arange(keep.shape[1]), lengths[:, None] - 1), axis=1)
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(sequences):
        values: NDArray[Any] = getattr(sequences, field.name)
        if values.shape[:2] == keep.shape:
            changed[field.name] = values[np.arange(len(keep))[:, None], steps]
    padding = np.arange(keep.shape[1]) >= lengths[:, None]
    changed["action"][padding] = -1
    for name in ("states_known", "relevance_known"):
        changed[name][padding] = False
    return dataclasses.replace(sequences, lengths=lengths, **changed)


@dataclass(frozen=True, slots=True, eq=False)
class Tensors:
    """Inputs and targets of N sequences of up to T steps.

    Inputs: `parts` float32 [N, T, parts, F], `context` float32 [N, T, C], `present` bool [N, T, parts], `dt` float32
    [N, T] in seconds, and `visual` with N · T rows, None without RoI features. Targets: `action` int64 [N, T]
    (−1: none), `states` and `states_known` bool [N, T, parts, states], `relevance` and `relevance_known` bool
    [N, T, parts]; unknown states are not learned. `real` bool [N, T]: not padding; `last` int64 [N]: the last real
    step. `excluded` int64 [N, T]: an action that a step with an unknown one does not show (−1: none); None if no step
    has one.
    """

    parts: Tensor
    context: Tensor
    present: Tensor
    dt: Tensor
    action: Tensor
    states: Tensor
    states_known: Tensor
    relevance: Tensor
    relevance_known: Tensor
    real: Tensor
    last: Tensor
    visual: VisualInput | None = None
    excluded: Tensor | None = None

    def to(self, device: torch.device) -> Tensors:
        """Return the batch on a device."""
        if device.type == "cpu":
            return self
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in self._tensors().items()}
        visual = self.visual
        if visual is not None:
            known = None if visual.known is None else visual.known.to(device)
            visual = VisualInput(visual.parts.to(device), visual.objects.to(device), known)
        excluded = None if self.excluded is None else self.excluded.to(device)
        return dataclasses.replace(Tensors(**moved), visual=visual, excluded=excluded)

    def _tensors(self) -> dict[str, Any]:
        apart = ("visual", "excluded")
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name not in apart}


def to_tensors(sequences: Sequences) -> Tensors:
    """Return features and targets of sequences, on the CPU, without RoI features."""
    geometry = sequence_features(sequences.keypoints, sequences.boxes, sequences.times_us)
    # No frame size is needed: joints outside the frame have low scores, which make their part absent.
    present = part_boxes(sequences.keypoints, sequences.boxes, (1e6, 1e6)).present
    real = sequences.real
    seconds = np.diff(sequences.times_us, axis=1, prepend=sequences.times_us[:, :1]) * 1e-6
    return Tensors(
        parts=torch.from_numpy(geometry.parts),
        context=torch.from_numpy(geometry.context),
        present=torch.from_numpy(present & real[..., None]),
        dt=torch.from_numpy(np.clip(seconds, 0, 2).astype(np.float32)),
        action=torch.from_numpy(np.where(real, sequences.action, -1)),
        states=torch.from_numpy(sequences.states),
        states_known=torch.from_numpy(sequences.states_known & real[..., None, None]),
        relevance=torch.from_numpy(sequences.relevance),
        relevance_known=torch.from_numpy(sequences.relevance_known & real[..., None]),
        real=torch.from_numpy(real),
        last=torch.from_numpy(sequences.lengths - 1),
    )


def joined(first: Tensors, second: Tensors) -> Tensors:
    """Return two batches with the same number of steps as one.

    If only one has RoI features, those of the other's rows are marked as unknown.
    """
    ones, others = first._tensors(), second._tensors()
    together: dict[str, Any] = {name: torch.cat([tensor, others[name]]) for name, tensor in ones.items()}
    if first.excluded is not None or second.excluded is not None:
        both = (torch.full_like(one.action, -1) if one.excluded is None else one.excluded for one in (first, second))
        together["excluded"] = torch.cat([*both])
    rows, more = first.real.numel(), second.real.numel()
    if first.visual is None and second.visual is None:
        return Tensors(**together)
    pair = (_regions(first.visual, second.visual, rows), _regions(second.visual, first.visual, more))
    parts, objects, known = (torch.cat(tensors) for tensors in zip(*pair, strict=True))
    return dataclasses.replace(Tensors(**together), visual=VisualInput(parts, objects, known))


def unseen_regions(network: ActionNetwork, rows: int) -> VisualInput | None:
    """Return unknown RoI features for a network that reads some; else None."""
    config = network.config
    if not config.visual:
        return None
    nothing = torch.zeros(1, 1, 1, device=network.part_mean.device)
    parts = len(network.vocabulary.parts) if network.reads_parts else 0
    return VisualInput(
        nothing.expand(rows, parts, config.visual_features),
        nothing.expand(rows, max(config.object_regions) + 1, config.visual_features),
        torch.zeros(rows, dtype=torch.bool, device=nothing.device),
    )


@torch.no_grad()
def last_answers(network: ActionNetwork, batch: Tensors) -> tuple[Tensor, Tensor]:
    """Return logits float32 [N, actions] and truth int64 [N], −1 unknown, of the last steps of sequences.

    RoI features are unknown. The network may be on any device, where the answers are; its mode is kept.
    """
    training, there = network.training, batch.to(network.part_mean.device)
    regions = unseen_regions(network, there.real.numel())
    network.eval()
    logits = network(there.parts, there.context, there.present, there.dt, regions, there.real).action_logits
    network.train(training)
    rows = torch.arange(len(there.last), device=there.last.device)
    return logits[rows, there.last].float(), there.action[rows, there.last]


def _regions(own: VisualInput | None, like: VisualInput | None, rows: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return `parts`, `objects` and `known` of that many rows."""
    if own is not None:
        known = own.known
        return (
            own.parts,
            own.objects,
            torch.ones(rows, dtype=torch.bool, device=own.objects.device) if known is None else known,
        )
    assert like is not None
    parts, objects = (tensor.new_zeros(rows, *tensor.shape[1:]) for tensor in (like.parts, like.objects))
    return parts, objects, torch.zeros(rows, dtype=torch.bool, device=objects.device)


class Seeded:
    """Draws from one random generator, whose state can be saved, so that a resumed run sees the same as an
    uninterrupted one."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def state(self) -> dict[str, Any]:
        """Return the state to resume from."""
        return dict(self.rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from a saved state."""
        self.rng.bit_generator.state = state


class Source(Seeded, ABC):
    """A source of batches."""

    @abstractmethod
    def batch(self, count: int, window: int) -> Tensors:
        """Return `count` sequences of 1 to `window` steps, on the CPU."""

    def fresh(self, count: int, window: int) -> Tensors:
        """Return sequences as `batch`, of which none was returned before."""
        return self.batch(count, window)
