"""The learned stages as two graphs: the heads, which read people's steps one by one, and the action's step over time.

Between them lies only the people's state, which whoever runs the graphs keeps, a row a person.
"""

from __future__ import annotations

import copy
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
    "parts and context: stages.keypoint_features.geometry.window_features of a person's steps of the last two"
    " seconds (keypoints, boxes, "
    "times); `features` says what lies where. It and part_boxes need numpy alone. Their means and spreads are applied "
    "in the graph."
)
_PRESENT = (
    "present: stages.detection.part_boxes.part_boxes of the keypoints, or the parts that a detector of parts found."
)
_POOLED = (
    "part_regions and object_regions: stages.region_features.roi_features.person_features of the detector's "
    "maps (RoIAlign, aligned) "
    "over the part boxes, around the left and the right hand, and over the whole picture. Means and spreads are "
    "applied in the graph."
)
_OTHER_FEATURES = (
    "part_regions and object_regions: the features of each part's box and of the person's object, from the network "
    "that the checkpoint was trained with. Means and spreads are applied in the graph."
)
_WINDOW = (
    "Keep hidden and cell for each person, zeros before their first step; dt is 0 then, else the seconds since their "
    "last step.",
    "The engine keeps two states a person as two rows: one starts anew (zeros, dt 0) every `window.steps` steps, the "
    "other half-way between, and the older one's scores count (ring_buffers/window.py). A step is made at most every "
    "80 ms.",
)
_SMOOTHED = (
    "Events use smoothed scores, part states hysteresis (stages/people/smoothing.py): `smoothing` has the constants."
)


class HeadsModule(nn.Module):
    """`ActionNetwork.forward_step` of named inputs, with the language table folded in."""

    def __init__(self, network: ActionNetwork, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        self.names = names

    def forward(self, *given: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs in the order of `names` → relevance, states, graph state, action input."""
        named = dict(zip(self.names, given, strict=True))
        present, network = named["present"], self.network
        nothing = network.part_mean.new_zeros(present.shape[0], present.shape[1], 0)  # of geometry that isn't read
        visual = None
        if network.config.visual:
            visual = VisualInput(named.get("part_regions", nothing), named["object_regions"])
        outputs = network.forward_step(
            named.get("parts", nothing), named.get("context", nothing[:, 0]), present, visual
        )
        return outputs.relevance, outputs.states, outputs.graph, network.action_inputs(outputs.graph)


class LSTMStepModule(nn.Module):
    """One step of the action LSTM: scores after temperature and softmax, and the state after it."""

    def __init__(self, lstm: ActionLSTM) -> None:
        super().__init__()
        self.lstm = copy.deepcopy(lstm)

    def forward(self, action_input: Tensor, dt: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[n, width], [n] seconds, [layers, n, hidden] twice → [n, actions], and the state in the same shapes."""
        # Both bounds as floats: the exporter can't take an integer beside one.
        timed = torch.cat((action_input, dt.clamp(0.0, MAX_STEP_SECONDS)[:, None]), -1)
        output, (hidden, cell) = self.lstm.lstm(timed[None], (hidden, cell))
        return torch.softmax(self.lstm.scores(output[0]) / self.lstm.temperature, -1), hidden, cell


class FrameScoresModule(nn.Module):
    """The step of a network without time: each step's logits are its own frame's."""

    def __init__(self, temperature: Tensor) -> None:
        super().__init__()
        self.temperature: Tensor
        self.register_buffer("temperature", temperature.clone())

    def forward(self, action_input: Tensor) -> tuple[Tensor]:
        """Logits [n, actions] → scores [n, actions]."""
        return (torch.softmax(action_input / self.temperature, -1),)


def pools_maps(config: NetworkConfig) -> bool:
    """Whether the network's regions are pooled from the detector's own maps."""
    return config.visual and config.visual_features == RoiConfig.of(config).length()


def heads_graph(checkpoint: Checkpoint) -> Graph:
    """Parts, context, presence and regions of people → relevance, part states, graph state and action input."""
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
            "parts": {name: [place.start, place.stop] for name, place in PART_LAYOUT.items()},
            "context": {name: [place.start, place.stop] for name, place in CONTEXT_LAYOUT.items()},
        }
        unit = "statures, statures a second, scores"
        inputs += [
            Port("parts", (PEOPLE, parts, config.part_features), "geometry of each part", unit),
            Port("context", (PEOPLE, config.context_features), "geometry of the whole person", unit),
        ]
    inputs.append(Port("present", (PEOPLE, parts), "which parts are seen", "none", "bool"))
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
            inputs.append(Port("part_regions", (PEOPLE, parts, config.visual_features), "what parts look like", "none"))
        regions = max(config.object_regions) + 1
        inputs.append(
            Port("object_regions", (PEOPLE, regions, config.visual_features), "what is held or around", "none")
        )
    outputs = (
        Port("relevance", (PEOPLE, parts), "how much each part has to do with it, 0 if absent", "score in [0, 1]"),
        Port("states", (PEOPLE, parts, states), "part states, 0 if a part lacks it or is absent", "score in [0, 1]"),
        Port("graph", (PEOPLE, config.graph_hidden), "the person's graph state", "none"),
        Port("action_input", (PEOPLE, network.action_lstm.width), "what the step reads", "none"),
    )
    outside.append(_SMOOTHED)
    about["smoothing"] = json.loads(checkpoint.smoothing.to_json())
    module = HeadsModule(network, tuple(port.name for port in inputs)).eval()
    return Graph("heads", module, tuple(inputs), outputs, _random_people(network, inputs), tuple(outside), about)


def step_graph(checkpoint: Checkpoint) -> Graph:
    """Action input, Δt and state of people → scores of their actions, and the state after the step."""
    model, actions = checkpoint.network.action_lstm, len(checkpoint.vocabulary.actions)
    about: dict[str, Any] = {
        "actions": list(checkpoint.vocabulary.actions),
        "temperature": float(model.temperature),
        "smoothing": json.loads(checkpoint.smoothing.to_json()),
    }
    of_input = Port("action_input", (PEOPLE, model.width), "the heads' output of that name", "none")
    scores = Port("scores", (PEOPLE, actions), "how likely each action is, temperature applied", "score in [0, 1]")
    random = torch.Generator().manual_seed(0)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=random)

    if not isinstance(model, ActionLSTM):
        module = FrameScoresModule(model.temperature).eval()
        made: list[Sample] = [(4 * numbers(people, model.width),) for people in (5, 1)]
        return Graph("step", module, (of_input,), (scores,), made, (_SMOOTHED,), about)
    state = (model.layers, PEOPLE, model.hidden)
    inputs = (
        of_input,
        Port("dt", (PEOPLE,), f"since the person's last step; cut to {MAX_STEP_SECONDS:g} in the graph", "seconds"),
        Port("hidden", state, "h before the step", "none"),
        Port("cell", state, "c before the step", "none"),
    )
    outputs = (scores, Port("new_hidden", state, "h after it", "none"), Port("new_cell", state, "c after it", "none"))
    about["window"] = {"steps": checkpoint.window or DEFAULT_WINDOW_STEPS, "max_step_seconds": MAX_STEP_SECONDS}
    made = [
        (
            torch.relu(numbers(people, model.width)),
            3 * torch.rand(people, generator=random),
            torch.tanh(numbers(model.layers, people, model.hidden)),
            numbers(model.layers, people, model.hidden),
        )
        for people in (5, 1)
    ]
    return Graph("step", LSTMStepModule(model).eval(), inputs, outputs, made, (*_WINDOW, _SMOOTHED), about)


def _described(vocabulary: Vocabulary) -> dict[str, Any]:
    return json.loads(vocabulary.to_json())


def _random_people(network: ActionNetwork, inputs: list[Port]) -> list[Sample]:
    """Five people, and one, with features spread as the training data's were."""
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
