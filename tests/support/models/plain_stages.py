"""The learned stages as plain loops in float64, with every switch of `NetworkConfig`, to compare with."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from stages.heads.network import ActionNetwork, VisualInput

F64 = NDArray[np.float64]


def agree(a: torch.Tensor | NDArray, b: F64) -> None:
    """max|a - b| <= 1e-5 max|b|, and `a` is float32."""
    found = a.detach().numpy() if isinstance(a, torch.Tensor) else a
    assert found.dtype == np.float32 and found.shape == b.shape
    assert np.abs(found - b).max() <= 1e-5 * np.abs(b).max()


def weights(network: torch.nn.Module) -> dict[str, F64]:
    return {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}


def sigmoid(x: F64) -> F64:
    return 1 / (1 + np.exp(-x))


def part_linear(w: dict[str, F64], name: str, x: F64) -> F64:
    """[n, parts, inputs]: one person and one part after the other."""
    weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    out = np.zeros((*x.shape[:2], weight.shape[2]))
    for person in range(x.shape[0]):
        for part in range(x.shape[1]):
            for j in range(weight.shape[2]):
                out[person, part, j] = (x[person, part] * weight[part, :, j]).sum() + bias[part, 0, j]
    return out


def lstm_step(w: dict[str, F64], name: str, x: F64, h: F64, c: F64) -> tuple[F64, F64]:
    """One step of one sequence: gates in torch's order input, forget, cell, output."""
    gates = w[f"{name}.weight_ih_l0"] @ x + w[f"{name}.bias_ih_l0"] + w[f"{name}.weight_hh_l0"] @ h
    i, f, g, o = np.split(gates + w[f"{name}.bias_hh_l0"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def plain_scores(network: ActionNetwork, w: dict[str, F64], name: str, state: F64) -> F64:
    """Logits [actions] of one state; with three heads, from the product of the heads' probabilities."""
    logits = w[f"{name}.weight"] @ state + w[f"{name}.bias"]
    config, actions = network.config, network.vocabulary.actions
    if not config.posture_actions:
        return logits
    no_movement, no_gesture = w[f"{name}.none.weight"] @ state + w[f"{name}.none.bias"]
    postures = [actions.index(action) for action in config.posture_actions]
    movements = [actions.index(action) for action in config.movement_actions]
    gestures = [row for row in range(len(actions)) if row not in (*postures, *movements)]
    moving = np.exp(logits[movements]).sum() + np.exp(no_movement)
    gesturing = np.exp(logits[gestures]).sum() + np.exp(no_gesture)
    share = np.zeros(len(actions))
    for row in gestures:
        share[row] = np.exp(logits[row]) / gesturing
    for row in movements:
        share[row] = np.exp(logits[row]) / moving * np.exp(no_gesture) / gesturing
    for row in postures:
        share[row] = np.exp(logits[row]) / np.exp(logits[postures]).sum()
        share[row] *= np.exp(no_movement) / moving * np.exp(no_gesture) / gesturing
    assert abs(share.sum() - 1) <= 1e-12
    return np.log(share) + w[f"{name}.shift"]


def plain_inputs(
    network: ActionNetwork, parts: torch.Tensor, context: torch.Tensor, visual: VisualInput | None
) -> tuple[F64, F64]:
    """What relevance and states read: part features and object features, [n, 10, …] each."""
    w, config = weights(network), network.config
    people = len(parts)
    of_part, of_thing = [np.zeros((people, 10, 0))], [np.zeros((people, 10, 0))]
    if config.geometry:
        of_part.append((parts.double().numpy() - w["part_mean"]) * w["part_scale"])
        person = (context.double().numpy() - w["context_mean"]) * w["context_scale"]
        of_thing.append(np.repeat(person[:, None], 10, 1))
    if config.visual:
        assert visual is not None
        width = config.visual_hidden or config.visual_features
        seen, held = np.zeros((people, 10, width)), np.zeros((people, 10, width))
        for person in range(people):
            if visual.known is not None and not visual.known[person]:
                continue
            for part, region in enumerate(config.object_regions):
                thing = (visual.objects[person, region].double().numpy() - w["visual_mean"]) * w["visual_scale"]
                if config.visual_hidden:
                    thing = np.maximum(w["embed_object.weight"] @ thing + w["embed_object.bias"], 0)
                held[person, part] = thing
                if config.visual_regions == "all":
                    own = (visual.parts[person, part].double().numpy() - w["visual_mean"]) * w["visual_scale"]
                    if config.visual_hidden:
                        own = np.maximum(w["embed_part.weight"] @ own + w["embed_part.bias"], 0)
                    seen[person, part] = own
        of_thing.append(held)
        if config.visual_regions == "all":
            of_part.append(seen)
    return np.concatenate(of_part, -1), np.concatenate(of_thing, -1)


def plain_outputs(
    network: ActionNetwork, inputs: tuple[torch.Tensor, ...], visual: VisualInput | None = None
) -> dict[str, F64]:
    """One step of n people, `inputs` as `ActionNetwork.forward_step` takes them, by what was computed."""
    w, config = weights(network), network.config
    part, thing = plain_inputs(network, inputs[0], inputs[1], visual)
    present = inputs[2].numpy()
    hidden = np.maximum(part_linear(w, "part_relevance.first", np.concatenate([part, thing], -1)), 0)
    relevance = sigmoid(part_linear(w, "part_relevance.second", hidden)[..., 0]) * present
    entering = np.concatenate([part * relevance[..., None] if config.relevance_gates else part, thing], -1)
    visual_feature = part_linear(w, "part_states.second", np.maximum(part_linear(w, "part_states.first", entering), 0))
    logits = part_linear(w, "part_states.scores", visual_feature)
    mask = network.vocabulary.mask()
    states = np.zeros_like(logits)
    prior = np.zeros((len(part), 10, config.prior_hidden))
    graph = np.zeros((len(part), config.graph_hidden))
    for person in range(len(part)):
        rows: list[F64] = []
        for row in range(10):
            for column in range(mask.shape[1]):
                if mask[row, column] and present[person, row]:
                    states[person, row, column] = sigmoid(logits[person, row, column])
            if config.language:
                pooled = np.zeros(w["language_priors.table"].shape[-1])
                for column in range(mask.shape[1]):
                    pooled += states[person, row, column] * w["language_priors.table"][row, column]
                prior[person, row] = w["language_priors.resize.weight"] @ pooled + w["language_priors.resize.bias"]
            known = [prior[person, row]] if config.language else []
            represented = np.concatenate([*known, visual_feature[person, row]])
            rows.append(represented if present[person, row] else w["part_graph.absent"][row])
        if config.graph == "mean":
            graph[person] = w["part_graph.resize.weight"] @ (sum(rows) / 10) + w["part_graph.resize.bias"]
            continue
        h = c = np.zeros(config.graph_hidden)
        for represented in rows:
            h, c = lstm_step(w, "part_graph.lstm", represented, h, c)
        graph[person] = h
    if config.person_hidden:
        joined: list[F64] = []
        for person in range(len(part)):
            gated = [part[person, row] * (relevance[person, row] if config.relevance_gates else 1) for row in range(10)]
            geometry = [gated[row][: config.part_features] * present[person, row] for row in range(10)]
            context = thing[person, 0, : config.context_features]
            read = np.concatenate([*geometry, context, present[person]])
            first = w["person_embedding.first.weight"] @ read + w["person_embedding.first.bias"]
            second = w["person_embedding.second.weight"] @ (first * sigmoid(first)) + w["person_embedding.second.bias"]
            joined.append(np.concatenate([graph[person], second]))
        graph = np.stack(joined)
    frame = np.stack([plain_scores(network, w, "frame_scores", row) for row in graph])
    return {"relevance": relevance, "states": states, "prior": prior, "graph": graph, "frame": frame}


def plain_actions(network: ActionNetwork, graph: F64, dt: F64) -> F64:
    """[T, D], [T] of one person → logits [T, actions]."""
    w = weights(network)
    if not network.config.temporal:
        frames = [plain_scores(network, w, "frame_scores", row) for row in graph]
        return np.stack(frames) / w["action_lstm.temperature"]
    h = c = np.zeros(network.config.action_hidden)
    kernel = network.config.action_kernel
    before: list[F64] = []
    logits = []
    for step in range(len(graph)):
        x = w["action_lstm.embed.0.weight"] @ graph[step] + w["action_lstm.embed.0.bias"]
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w["action_lstm.embed.1.weight"] + w["action_lstm.embed.1.bias"]
        timed = np.concatenate([np.maximum(x, 0), [min(max(dt[step], 0), 2)]])
        before.append(timed)
        if kernel > 1:
            weight, total = w["action_lstm.convolution.weigh.weight"], w["action_lstm.convolution.weigh.bias"].copy()
            for ago in range(min(kernel, len(before))):
                start = (kernel - 1 - ago) * len(timed)
                total += weight[:, start : start + len(timed)] @ before[-1 - ago]
            timed = np.append(timed[:-1] + total * sigmoid(total), timed[-1])
        h, c = lstm_step(w, "action_lstm.lstm", timed, h, c)
        logits.append(plain_scores(network, w, "action_lstm.scores", h))
    return np.stack(logits) / w["action_lstm.temperature"]
