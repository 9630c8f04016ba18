"""A batch as the network takes it, from any source."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from stages.heads.network import ActionNetwork, VisualInput


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
