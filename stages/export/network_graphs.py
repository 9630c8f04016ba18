"""The learned stages as two graphs: the heads, for single steps of people, and the action LSTM's step over time.

The caller keeps the hidden states between steps, one row per person.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any

import torch
from torch import Tensor, nn

from stages.checkpoint import DEFAULT_WINDOW_STEPS, Checkpoint
from stages.export.graph import PEOPLE, Graph, Port, Sample
from stages.heads.action_lstm import MAX_STEP_SECONDS, ActionLSTM
from stages.heads.network import ActionNetwork, NetworkConfig, VisualInput
from stages.keypoint_features.geometry import CONTEXT_LAYOUT, GEOMETRY_VERSION, PART_LAYOUT
from stages.region_features.roi_features import RoiConfig
from stages.vocabulary import Vocabulary

_GEOMETRY = (
    "parts and context: stages.keypoint_features.geometry.window_features of a person's steps of the last two seconds "
    "(keypoints, boxes, times); `features` has the layout. window_features and part_boxes need only numpy. "
    "Normalisation is part of the graph."
)
_PRESENT = (
    "present: from stages.detection.part_boxes.part_boxes of the keypoints, or the parts that a part detector found."
)
_POOLED = (
    "part_regions and object_regions: stages.region_features.roi_features.person_features of the detector's feature "
    "maps (RoIAlign, aligned) over the part boxes, around the left and the right hand, and over the whole picture. "
    "Normalisation is part of the graph."
)
_OTHER_FEATURES = (
    "part_regions and object_regions: features of each part's box and of the person's object, from the feature "
    "extractor that the checkpoint was trained with. Normalisation is part of the graph."
)
_WINDOW = (
    "Keep hidden and cell, and recent if the graph has it, for each person, zeros before their first step. dt is 0 at "
    "the first step, then the seconds since the person's last step.",
    "The engine keeps two states per person as two rows. One is reset (zeros, dt 0) every `window.steps` steps, the "
    "other half a window later, and the older one gives the scores (ring_buffers/window.py). A step is made at most "
    "every 80 ms.",
)
_SMOOTHED = "Events use smoothed scores, and part states hysteresis (stages/people/smoothing.py): see `smoothing`."


class HeadsModule(nn.Module):
    """`ActionNetwork.forward_step` with named inputs."""

    def __init__(self, network: ActionNetwork, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.names = names

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return relevance, states, graph state and action input from the inputs in the order of `names`."""
        named = dict(zip(self.names, inputs, strict=True))
        present, network = named["present"], self.network
        empty = network.part_mean.new_zeros(present.shape[0], present.shape[1], 0)  # for inputs that are not used
        visual = None
        if network.config.visual:
            visual = VisualInput(named.get("part_regions", empty), named["object_regions"])
        outputs = network.forward_step(named.get("parts", empty), named.get("context", empty[:, 0]), present, visual)
        return outputs.relevance, outputs.states, outputs.graph, network.action_inputs(outputs.graph)


class LSTMStepModule(nn.Module):
    """One step of the action LSTM, with temperature and softmax."""

    def __init__(self, lstm: ActionLSTM) -> None:
        super().__init__()
        self.lstm = copy.deepcopy(lstm)

    def forward(self, action_input: Tensor, dt: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return scores [n, actions] and the new states.

        `action_input` [n, width], `dt` [n] seconds, `states` as `ActionLSTM.advance`.
        """
        output, states = self.lstm.advance(action_input, dt, states)
        return torch.softmax(self.lstm.logits(output), -1), *states


class FrameScoresModule(nn.Module):
    """The step of a network without time: scores from the frame's logits."""

    def __init__(self, temperature: Tensor) -> None:
        super().__init__()
        self.temperature: Tensor
        self.register_buffer("temperature", temperature.clone())

    def forward(self, action_input: Tensor) -> tuple[Tensor]:
        """Return scores [n, actions] from logits [n, actions]."""
        return (torch.softmax(action_input / self.temperature, -1),)


def pools_maps(config: NetworkConfig) -> bool:
    """Return whether the network's regions are pooled from the detector's feature maps."""
    return config.visual and config.visual_features == RoiConfig.of(config).length()


def heads_graph(checkpoint: Checkpoint) -> Graph:
    """Return the graph from parts, context, presence and regions to relevance, states, graph state and action input."""
    network, vocabulary = checkpoint.network, checkpoint.vocabulary
    config = network.config
    parts, states = len(vocabulary.parts), len(vocabulary.states)
    inputs: list[Port] = []
    outside: list[str] = [_PRESENT]
    about: dict[str, Any] = {"vocabulary": _described(vocabulary)}
    if config.geometry and config.part_features:
        outside.insert(0, _GEOMETRY)
        about["features"] = {
            "geometry_version": GEOMETRY_VERSION,
            "joint_score": config.joint_score,
            "parts": {name: [columns.start, columns.stop] for name, columns in PART_LAYOUT.items()},
            "context": {name: [columns.start, columns.stop] for name, columns in CONTEXT_LAYOUT.items()},
        }
        unit = "statures, statures per second, scores"
        inputs += [
            Port("parts", (PEOPLE, parts, config.part_features), "geometry of each part", unit),
            Port("context", (PEOPLE, config.context_features), "geometry of the whole person", unit),
        ]
    inputs.append(Port("present", (PEOPLE, parts), "which parts are visible", "none", "bool"))
    if config.visual:
        outside.append(_POOLED if pools_maps(config) else _OTHER_FEATURES)
        about["regions"] = {"of_part": list(config.object_regions)}
        if pools_maps(config):
            about["regions"] |= {
                "strides": list(config.visual_strides),
                "bins": config.visual_bins,
                "samples": config.visual_samples,
            }
        if network.reads_parts:
            inputs.append(Port("part_regions", (PEOPLE, parts, config.visual_features), "features of parts", "none"))
        regions = max(config.object_regions) + 1
        inputs.append(
            Port("object_regions", (PEOPLE, regions, config.visual_features), "features of objects or context", "none")
        )
    outputs = (
        Port("relevance", (PEOPLE, parts), "relevance of each part, 0 if it is absent", "score in [0, 1]"),
        Port("states", (PEOPLE, parts, states), "part states, 0 if impossible or absent", "score in [0, 1]"),
        Port("graph", (PEOPLE, config.graph_width), "the person's graph state", "none"),
        Port("action_input", (PEOPLE, network.action_lstm.width), "input of the step graph", "none"),
    )
    outside.append(_SMOOTHED)
    about["smoothing"] = dataclasses.asdict(checkpoint.smoothing)
    module = HeadsModule(network, tuple(port.name for port in inputs)).eval()
    return Graph("heads", module, tuple(inputs), outputs, _random_people(network, inputs), tuple(outside), about)


def step_graph(checkpoint: Checkpoint) -> Graph:
    """Return the graph from action input, Δt and state of people to scores of actions and the new state."""
    model, actions = checkpoint.network.action_lstm, len(checkpoint.vocabulary.actions)
    about: dict[str, Any] = {
        "actions": list(checkpoint.vocabulary.actions),
        "experimental": list(checkpoint.experimental),
        "temperature": float(model.temperature),
        "smoothing": dataclasses.asdict(checkpoint.smoothing),
    }
    action_input = Port("action_input", (PEOPLE, model.width), "the heads' output of the same name", "none")
    scores = Port("scores", (PEOPLE, actions), "probability of each action, calibrated", "score in [0, 1]")
    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    if not isinstance(model, ActionLSTM):
        module = FrameScoresModule(model.temperature).eval()
        samples: list[Sample] = [(4 * normal(people, model.width),) for people in (5, 1)]
        return Graph("step", module, (action_input,), (scores,), samples, (_SMOOTHED,), about)
    state = (model.layers, PEOPLE, model.hidden)
    kept = [("hidden", state, "h"), ("cell", state, "c")]
    steps, width = model.recent
    if steps:
        kept.append(("recent", (steps, PEOPLE, width), "action input and dt of the last steps, oldest first,"))
    inputs = (
        action_input,
        Port("dt", (PEOPLE,), f"since the person's last step; the graph limits it to {MAX_STEP_SECONDS:g}", "seconds"),
        *(Port(name, shape, f"{what} before the step", "none") for name, shape, what in kept),
    )
    outputs = (scores, *(Port(f"new_{name}", shape, f"{what} after the step", "none") for name, shape, what in kept))
    about["window"] = {"steps": checkpoint.window or DEFAULT_WINDOW_STEPS, "max_step_seconds": MAX_STEP_SECONDS}
    samples = [
        (
            torch.relu(normal(people, model.width)),
            3 * torch.rand(people, generator=random),
            torch.tanh(normal(model.layers, people, model.hidden)),
            normal(model.layers, people, model.hidden),
            *([torch.relu(normal(steps, people, width))] if steps else []),
        )
        for people in (5, 1)
    ]
    return Graph("step", LSTMStepModule(model).eval(), inputs, outputs, samples, (*_WINDOW, _SMOOTHED), about)


def _described(vocabulary: Vocabulary) -> dict[str, Any]:
    return json.loads(vocabulary.to_json())


def _random_people(network: ActionNetwork, inputs: list[Port]) -> list[Sample]:
    """Return samples of five people and of one, with features distributed as in the training data."""
    random = torch.Generator().manual_seed(0)

    def tensor(port: Port, people: int) -> Tensor:
        shape = (people, *(length for length in port.shape[1:] if isinstance(length, int)))
        if port.name == "present":
            return torch.rand(shape, generator=random) < 0.8
        kind = "visual" if port.name.endswith("_regions") else {"parts": "part"}.get(port.name, port.name)
        mean, scale = getattr(network, f"{kind}_mean"), getattr(network, f"{kind}_scale")
        spread = torch.where(scale > 0, 1 / scale.clamp(min=1e-9), 1)
        return mean + spread * torch.randn(shape, generator=random)

    return [tuple(tensor(port, people) for port in inputs) for people in (5, 1)]
