"""Initial weights of a run from a checkpoint, as far as the two networks match.

Outputs are copied by name: the actions, and the states by part, that both have. The weights of RoI features that only
the new network reads begin at zero, so that it first answers like the old one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

from stages.checkpoint import Checkpoint
from stages.heads.action_lstm import ActionLSTM
from stages.heads.hierarchical_scores import HierarchicalScores
from stages.heads.network import ActionNetwork

_VISUAL_NORMALISATION = ("visual_mean", "visual_scale")
_ACTION_ROWS = frozenset(
    {"frame_scores.weight", "frame_scores.bias", "action_lstm.scores.weight", "action_lstm.scores.bias"}
)
_STATE_COLUMNS = frozenset({"part_states.scores.weight", "part_states.scores.bias"})
_JOINED_INPUTS = frozenset({"part_relevance.first.weight", "part_states.first.weight"})
_OWN = frozenset({"language_priors.table", "action_lstm.temperature", "frame_scores.shift", "action_lstm.scores.shift"})
"""Buffers that belong to the new vocabulary or are fitted later."""

_SIZES = ("relevance_hidden", "state_hidden", "graph", "graph_hidden", "person_hidden", "language", "prior_hidden")
_SIZES_OVER_TIME = ("action_width", "action_hidden", "action_layers")
"""Settings that both networks must share."""

_NEW_ACTION_MARGIN = 2.0
"""How far the score of a new action begins below the lowest bias of the others, before the temperature."""


class WarmStartError(ValueError):
    """A checkpoint's weights do not fit; the message names the settings that differ."""


@torch.no_grad()
def begin_from(network: ActionNetwork, source: ActionNetwork) -> list[str]:
    """Copy the weights of `source` into `network`, in place, and return the names of those that are not copied.

    Raises `WarmStartError` if the parts or the sizes of hidden layers differ.
    """
    if network.vocabulary.parts != source.vocabulary.parts:
        raise WarmStartError("it reads other body parts")
    _check_sizes(network, source)
    old = source.state_dict()
    fresh: list[str] = []
    for name, tensor in network.state_dict().items():
        if name in _OWN:
            continue
        if name not in old:
            fresh.append(name)
            continue
        known = old[name].to(tensor.device)
        if name in _ACTION_ROWS:
            _by_name(tensor, known, network.vocabulary.actions, source.vocabulary.actions, 0)
        elif name in _STATE_COLUMNS:
            _by_name(tensor, known, network.vocabulary.state_labels, source.vocabulary.state_labels, -1)
        elif name in _JOINED_INPUTS:
            _by_segment(tensor, known, _segments(network), _segments(source))
        elif name in _VISUAL_NORMALISATION and tensor.shape != known.shape:
            fresh.append(name)
        elif tensor.shape != known.shape:
            raise WarmStartError(f"its {name} is {list(known.shape)}, where this run's is {list(tensor.shape)}: set "
                                 "the same sizes under `model`")  # fmt: skip
        else:
            tensor.copy_(known)
    return fresh


def _check_sizes(network: ActionNetwork, source: ActionNetwork) -> None:
    mine, theirs = dataclasses.asdict(network.config), dataclasses.asdict(source.config)
    names = _SIZES if mine["language"] or theirs["language"] else _SIZES[:-1]
    if mine["temporal"] and theirs["temporal"]:
        names += _SIZES_OVER_TIME
    differing = [name for name in names if mine[name] != theirs[name]]
    if differing:
        shown = ", ".join(f"{name} is {theirs[name]}, not {mine[name]}" for name in differing)
        raise WarmStartError(f"its {shown}: set the same under `model`, or leave these settings out")


@torch.no_grad()
def begin_with_new_actions(network: ActionNetwork, source: ActionNetwork) -> None:
    """Copy the weights of `source` into `network`, in place, with its temperature; further actions begin unlikely.

    `network` has the actions of `source`, then new ones, whose scores begin below those of the others by
    `_NEW_ACTION_MARGIN`, whatever is seen. Raises `WarmStartError` as `begin_from`.
    """
    begin_from(network, source)
    network.action_lstm.temperature.copy_(source.action_lstm.temperature)
    old = len(source.vocabulary.actions)
    if network.vocabulary.actions[:old] != source.vocabulary.actions:
        raise WarmStartError("its actions are not the first of this run's")
    layers, theirs = [network.frame_scores], [source.frame_scores]
    if isinstance(network.action_lstm, ActionLSTM) and isinstance(source.action_lstm, ActionLSTM):
        layers.append(network.action_lstm.scores)
        theirs.append(source.action_lstm.scores)
    for layer, their in zip(layers, theirs, strict=True):
        if isinstance(layer, HierarchicalScores) and isinstance(their, HierarchicalScores):
            layer.shift[:old] = their.shift
        layer.weight[old:] = 0.0
        layer.bias[old:] = layer.bias[:old].min() - _NEW_ACTION_MARGIN


def _by_name(target: Tensor, known: Tensor, names: Sequence[str], old_names: Sequence[str], axis: int) -> None:
    both = [name for name in names if name in old_names]
    places = torch.tensor([names.index(name) for name in both], device=target.device)
    taken = known.index_select(axis, torch.tensor([old_names.index(name) for name in both], device=target.device))
    target.index_copy_(axis, places, taken)


def _segments(network: ActionNetwork) -> dict[str, slice]:
    """Return the segments of the inputs of relevance and states, in the order of `ActionNetwork.inputs`."""
    config, at = network.config, 0
    out: dict[str, slice] = {}
    embedded = config.visual_width
    widths = {
        "geometry": config.part_features if config.geometry else 0,
        "part": embedded if config.visual_regions == "all" else 0,
        "context": config.context_features if config.geometry else 0,
        "object": embedded,
    }
    for name, width in widths.items():
        out[name] = slice(at, at + width)
        at += width
    return out


def _by_segment(target: Tensor, known: Tensor, places: dict[str, slice], old: dict[str, slice]) -> None:
    """Copy the columns of each segment that both have."""
    for name, place in places.items():
        before = old[name]
        same = before.stop - before.start == place.stop - place.start
        target[:, place] = known[:, before] if same else 0.0


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
