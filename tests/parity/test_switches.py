"""Networks without one of the stages agree with plain loops, in training and in the pipeline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from stages.checkpoint import Checkpoint, load, save
from stages.detection.part_boxes import hand_regions, part_boxes
from stages.heads.network import ActionNetwork, NetworkConfig, SequenceOutputs, VisualInput
from stages.keypoint_features.geometry import sequence_features
from stages.pipeline import Pipeline
from stages.region_features.roi_features import Regions, RoiConfig, person_features
from stages.settings import PipelineSettings, WindowSettings
from stages.vocabulary import packaged
from support.models.plain_stages import agree, plain_actions, plain_outputs
from support.models.scripted_people import (
    STEP_US,
    SeeingDetector,
    Spot,
    moving_people,
    run,
    scripted_detector,
    scripted_lease,
)
from support.models.seeing_checkpoints import POOLING, SEEING, SMALL

PEOPLE, STEPS = 3, 4
CONFIGS = {
    "whole": SMALL,
    "seeing": SEEING,
    "objects-only": replace(SEEING, visual_regions="objects"),
    "no-gates": replace(SMALL, relevance_gates=False),
    "no-language": replace(SMALL, language=False),
    "mean-of-parts": replace(SMALL, graph="mean"),
    "person-embedding": replace(SMALL, person_hidden=7),
    "person-embedding-and-regions": replace(SEEING, person_hidden=7, graph="mean"),
    "single-frames": replace(SMALL, temporal=False),
    "convolution": replace(SMALL, action_kernel=3),
    "three-heads": replace(SMALL, posture_actions=("stand", "lie"), movement_actions=("walk", "fall", "jump")),
    "three-heads-of-single-frames": replace(SMALL, posture_actions=("sit",), temporal=False),
    "no-geometry": replace(SEEING, geometry=False),
    "hardly-anything": replace(
        SEEING, geometry=False, relevance_gates=False, language=False, graph="mean", temporal=False
    ),
}
AS_BEFORE = replace(
    SEEING, visual_features=RoiConfig().length(), visual_strides=(4, 8, 16), visual_bins=3, visual_samples=2
)
"""The pooling of checkpoints from before it was part of the configuration."""
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))


def made(config: NetworkConfig) -> ActionNetwork:
    """Return a network with random weights, vectors of absent parts and normalisation, so that none is neutral."""
    torch.manual_seed(1)
    vocabulary = packaged("edge")
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval()
    parts, context = config.part_features, config.context_features
    network.set_normalisation(
        torch.randn(10, parts), torch.rand(10, parts) + 0.5, torch.randn(context), torch.rand(context) + 0.5
    )
    if config.visual:
        network.set_visual_normalisation(torch.randn(config.visual_features), torch.rand(config.visual_features) + 0.5)
    torch.nn.init.normal_(network.part_graph.absent)
    if config.action_kernel > 1:
        torch.nn.init.normal_(network.action_lstm.convolution.weigh.weight, std=0.3)
        torch.nn.init.normal_(network.action_lstm.convolution.weigh.bias)
    if config.posture_actions:
        torch.nn.init.normal_(network.frame_scores.shift)
        if config.temporal:
            torch.nn.init.normal_(network.action_lstm.scores.shift)
    network.action_lstm.temperature.fill_(1.5)
    return network.requires_grad_(False)


def given(config: NetworkConfig, *leading: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return random parts, context and presence."""
    torch.manual_seed(2)
    return (
        torch.randn(*leading, 10, config.part_features),
        torch.randn(*leading, config.context_features),
        torch.rand(*leading, 10) > 0.25,
    )


def shown(config: NetworkConfig, people: int, known: torch.Tensor | None = None) -> VisualInput | None:
    """Return random RoI features if the network uses them."""
    if not config.visual:
        return None
    torch.manual_seed(3)
    parts = 10 if config.visual_regions == "all" else 0
    features = config.visual_features
    return VisualInput(torch.randn(people, parts, features), torch.randn(people, 3, features), known)


def sequence_outputs(network: ActionNetwork) -> SequenceOutputs:
    dt = torch.full((PEOPLE, STEPS), 0.08)
    dt[:, 0] = 0
    with torch.inference_mode():
        return network(*given(network.config, PEOPLE, STEPS), dt, shown(network.config, PEOPLE * STEPS))


@every_config
def test_a_step_agrees_with_plain_loops(config: NetworkConfig) -> None:
    network, inputs, visual = made(config), given(config, PEOPLE), shown(config, PEOPLE)
    expected = plain_outputs(network, inputs, visual)
    with torch.inference_mode():
        outputs = network.forward_step(*inputs, visual)
    for found, name in ((outputs.relevance, "relevance"), (outputs.states, "states"), (outputs.graph, "graph")):
        agree(found, expected[name])
    agree(outputs.frame_logits, expected["frame"])


@every_config
def test_actions_over_a_sequence_agree_with_plain_loops(config: NetworkConfig) -> None:
    network = made(config)
    inputs = [tensor.flatten(0, 1) for tensor in given(config, PEOPLE, STEPS)]
    graph = plain_outputs(network, tuple(inputs), shown(config, PEOPLE * STEPS))["graph"]
    dt = np.array([0, *[0.08] * (STEPS - 1)])
    expected = [plain_actions(network, graph.reshape(PEOPLE, STEPS, -1)[row], dt) for row in range(PEOPLE)]
    agree(sequence_outputs(network).action_logits, np.stack(expected))


@every_config
def test_a_checkpoint_preserves_the_switches(config: NetworkConfig, tmp_path: Path) -> None:
    before = made(config)
    save(Checkpoint(before, "edge", True, "minilm"), tmp_path / "model.safetensors")
    after = load(tmp_path / "model.safetensors").network
    assert after.config == config and RoiConfig.of(after.config).strides == config.visual_strides
    for mine, theirs in zip(sequence_outputs(before), sequence_outputs(after), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("name", ["seeing", "objects-only", "no-geometry"])
def test_features_of_people_without_a_picture_have_no_effect(name: str) -> None:
    network = made(CONFIGS[name])
    inputs = given(network.config, PEOPLE)
    known = torch.tensor([True, False, True])
    visual = shown(network.config, PEOPLE, known)
    assert visual is not None
    expected = plain_outputs(network, inputs, visual)["frame"]
    visual.parts[1], visual.objects[1] = torch.nan, torch.nan
    with torch.inference_mode():
        found = network.forward_step(*inputs, visual).frame_logits
        everybody = network.forward_step(*inputs, shown(network.config, PEOPLE)).frame_logits
    agree(found, expected)
    differs = (found - everybody).abs().amax(1) > 1e-6
    assert differs.tolist() == [False, True, False]


def test_steps_are_independent_only_without_the_action_lstm() -> None:
    for config, carries in ((SMALL, True), (CONFIGS["single-frames"], False)):
        network = made(config)
        parts, context, present = given(config, 1, STEPS)
        other = parts.clone()
        other[:, 0] += 1
        with torch.inference_mode():
            one, two = (network(each, context, present, torch.full((1, STEPS), 0.08)) for each in (parts, other))
        assert bool((one.action_logits[:, -1] != two.action_logits[:, -1]).any()) is carries


@pytest.mark.parametrize(
    ("name", "mode"), [*((name, "staggered") for name in CONFIGS), ("whole", "exact"), ("single-frames", "exact")]
)
def test_the_pipeline_gives_the_scores_of_training(name: str, mode: Any) -> None:
    frames, people = 7, 2
    script = moving_people(frames, people, seed=4)
    network = made(CONFIGS[name])
    pipeline = Pipeline(
        scripted_detector(SeeingDetector(script)),
        Checkpoint(network, "edge", True, "none"),
        PipelineSettings(window=WindowSettings(steps=64, mode=mode)),
    )
    pipeline.warm_up()
    found = run(pipeline, [[scripted_lease(number)] for number in range(frames)])[Spot("hall", 1, frames - 1)]
    expected = scripted_outputs(network, script)
    actions = torch.softmax(expected.action_logits[:, -1], -1)
    relevance = torch.sigmoid(expected.relevance_logits[:, -1])
    labels = network.vocabulary.actions
    assert len(found.people) == people
    for row, person in enumerate(sorted(found.people, key=lambda one: one.box[0])):
        assert person.action is not None and len(person.action.top) > 1
        for label, score in person.action.top:
            assert abs(score - float(actions[row, labels.index(label)])) <= 1e-5
        for part in person.parts:
            column = network.vocabulary.part_index(part.part)
            assert abs(part.relevance - float(relevance[row, column])) <= 1e-5


def scripted_outputs(network: ActionNetwork, script: np.ndarray) -> SequenceOutputs:
    """Return the outputs of `forward` for the script's people."""
    rows = script.transpose(1, 0, 2)  # [people, steps, 56]
    people, steps = rows.shape[:2]
    scale = np.array([640 / 64, 384 / 38], np.float32)
    boxes = rows[..., :4] * np.tile(scale, 2)
    keypoints = rows[..., 5:].reshape(people, steps, 17, 3) * np.append(scale, np.float32(1))
    times = np.tile(np.arange(steps, dtype=np.int64) * STEP_US, (people, 1))
    geometry = sequence_features(keypoints, boxes, times)
    made_boxes = part_boxes(keypoints, boxes, (640, 384))
    hands, there = hand_regions(keypoints, boxes, (640, 384))
    visual = None
    if network.config.visual:
        pictures = np.stack([scripted_lease(number).picture for number in range(steps)])
        maps, _ = SeeingDetector(script)(torch.from_numpy(pictures))
        boxes_of_parts, hands_of_people, hands_there = (
            torch.from_numpy(array).flatten(0, 1) for array in (made_boxes.boxes, hands, there)
        )
        regions = Regions(
            picture=torch.arange(steps).repeat(people),
            parts=boxes_of_parts,
            hands=hands_of_people,
            hands_present=hands_there,
            scale=torch.tensor([[64 / 640, 38 / 384]]).repeat(steps, 1),
            content=torch.tensor([[64.0, 38.0]]).repeat(steps, 1),
            offset=torch.zeros(steps, 2),
        )
        visual = person_features(maps, regions, replace(POOLING, parts=network.config.visual_regions == "all"))
    dt = torch.full((people, steps), STEP_US * 1e-6)
    dt[:, 0] = 0
    with torch.inference_mode():
        return network(
            torch.from_numpy(geometry.parts),
            torch.from_numpy(geometry.context),
            torch.from_numpy(made_boxes.present),
            dt,
            visual,
        )


@pytest.mark.parametrize("config", [SMALL, AS_BEFORE], ids=["blind", "seeing"])
def test_a_checkpoint_from_before_the_switches_gives_the_same_scores(config: NetworkConfig, tmp_path: Path) -> None:
    before = made(config)
    before.action_lstm.temperature.fill_(1.0)
    if config.visual:
        before.set_visual_normalisation(*(fill(config.visual_features) for fill in (torch.zeros, torch.ones)))
    path = tmp_path / "model.safetensors"
    save(Checkpoint(before, "edge", True, "minilm"), path)
    with safe_open(path, framework="pt") as file:
        later = ("action_lstm.temperature", "visual_mean", "visual_scale")
        tensors = {name: file.get_tensor(name) for name in file.keys() if name not in later}  # noqa: SIM118
        metadata = file.metadata()
    names = ("visual_regions", "visual_strides", "visual_bins", "visual_samples")
    learning = (
        "person_hidden",
        "action_kernel",
        "action_dropout",
        "part_dropout",
        "posture_actions",
        "movement_actions",
    )
    switches = (*names, "geometry", "relevance_gates", "language", "graph", "temporal", *learning)
    old = {name: value for name, value in json.loads(metadata["network"]).items() if name not in switches}
    save_file(tensors, path, metadata | {"network": json.dumps(old)})
    after = load(path).network
    assert after.config == config
    for mine, theirs in zip(sequence_outputs(before), sequence_outputs(after), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"geometry": False}, "need RoI features"),
        ({"graph": "tree"}, "`graph` is 'tree', not one of sequential, mean"),
        ({"visual_regions": "hands"}, "`visual_regions` is 'hands'"),
        ({"person_hidden": -1}, "`person_hidden` is -1; it must be a whole number from 0"),
        ({"action_kernel": 0}, "`action_kernel` is 0; it must be a whole number from 1"),
        ({"action_kernel": 2, "temporal": False}, "`action_kernel` is 2; .* 1 without `temporal`"),
        ({"action_dropout": 1.0}, "`action_dropout` is 1.0; it must be at least 0 and less than 1"),
        ({"movement_actions": ["walk"]}, "`movement_actions` needs `posture_actions`"),
        ({"part_dropout": -0.1}, "`part_dropout` is -0.1; it must be a number from 0 to 1"),
    ],
)
def test_unknown_switches_and_networks_without_features_are_rejected(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        NetworkConfig.from_dict(SMALL.to_dict() | changes)
    with pytest.raises(ValueError, match="a part would have no feature"):
        replace(CONFIGS["no-geometry"], visual_regions="objects")
    with pytest.raises(ValueError, match="needs a table of priors"):
        ActionNetwork(SMALL, packaged("edge"), None)
