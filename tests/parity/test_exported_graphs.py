"""Exported heads and step in ONNX Runtime, compared with the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ring_buffers.window import StaggeredWindow
from stages.checkpoint import Checkpoint
from stages.detection.part_boxes import part_boxes
from stages.export.exporting import export
from stages.export.graph import ExportError
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.keypoint_features.geometry import sequence_features
from stages.pipeline import Pipeline
from stages.profiles import load_checkpoint
from stages.runtimes.onnx_runtime import load_session
from stages.settings import PipelineSettings, WindowSettings
from stages.vocabulary import packaged
from support.models.scripted_people import (
    STEP_US,
    SeeingDetector,
    Spot,
    moving_people,
    run,
    scripted_detector,
    scripted_lease,
)
from support.models.seeing_checkpoints import SMALL
from support.models.shipped_export import shipped_export

pytestmark = [
    pytest.mark.timeout(600),  # tracing takes seconds, or minutes on a busy machine
    pytest.mark.usefixtures("all_runtimes"),
]

PEOPLE, FRAMES, WINDOW = 2, 11, 6


def untrained(config: NetworkConfig) -> Checkpoint:
    """Return a checkpoint with random weights, vectors of absent parts and normalisation, so that none is neutral."""
    torch.manual_seed(1)
    vocabulary = packaged("edge")
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 12)).eval()
    parts, context = config.part_features, config.context_features
    network.set_normalisation(
        torch.randn(10, parts), torch.rand(10, parts) + 0.5, torch.randn(context), torch.rand(context) + 0.5
    )
    torch.nn.init.normal_(network.part_graph.absent)
    network.action_lstm.temperature.fill_(1.5)
    return Checkpoint(network.requires_grad_(False), "edge", True, "none", sha256="sha256:0")


def people_inputs(script: NDArray[np.float32]) -> dict[str, NDArray]:
    """Return the heads' inputs for the script's people, [people, steps, …].

    They start at the second frame, in which the tracks are confirmed.
    """
    rows = script.transpose(1, 0, 2)
    people, steps = rows.shape[:2]
    boxes = rows[..., :4] * np.tile(np.array([640 / 64, 384 / 38], np.float32), 2)
    keypoints = rows[..., 5:].reshape(people, steps, 17, 3) * np.array([640 / 64, 384 / 38, 1], np.float32)
    geometry = sequence_features(keypoints, boxes, np.tile(np.arange(steps) * STEP_US, (people, 1)))
    found = part_boxes(keypoints, boxes, (640, 384))
    return {"parts": geometry.parts, "context": geometry.context, "present": found.present}


class Answer(NamedTuple):
    relevance: NDArray[np.float32]
    states: NDArray[np.float32]
    scores: NDArray[np.float32]


class OtherRuntime:
    """The two files, with the two states per person that the manifests describe."""

    def __init__(self, folder: Path, people: int) -> None:
        self.heads, self.step = (load_session((folder / f"{name}.onnx").read_bytes(), 1) for name in ("heads", "step"))
        shapes = {port.name: port.shape for port in self.step.get_inputs()}
        self.state: dict[str, NDArray] = {
            name: np.zeros((shapes[name][0], 2 * people, shapes[name][2]), np.float32)
            for name in ("hidden", "cell", "recent")
            if name in shapes
        }
        self.steps = 0

    def run_step(self, given: dict[str, NDArray]) -> Answer:
        names = {port.name for port in self.heads.get_inputs()}
        relevance, states, _, action_input = self.heads.run(None, {name: given[name] for name in names})
        people = len(relevance)
        if not self.state:
            return Answer(relevance, states, self.step.run(None, {"action_input": action_input})[0])
        plan = StaggeredWindow(WINDOW).plan(self.steps)
        reset = np.repeat([plan.reset_a, plan.reset_b], people)
        for state in self.state.values():
            state[:, reset] = 0
        dt = np.where(reset | (self.steps == 0), 0, STEP_US * 1e-6).astype(np.float32)
        feed = {"action_input": np.tile(action_input, (2, 1)), "dt": dt, **self.state}
        scores, *states_after = self.step.run(None, feed)
        self.state = dict(zip(self.state, (after.copy() for after in states_after)))
        self.steps += 1
        return Answer(relevance, states, scores.reshape(2, people, -1)[plan.answer])


def test_a_sequence_in_onnx_runtime_has_the_scores_of_the_pipeline() -> None:
    checkpoint, folder = load_checkpoint("edge"), shipped_export().folder
    script = moving_people(FRAMES, PEOPLE, seed=4)
    pipeline = Pipeline(
        scripted_detector(SeeingDetector(script)), checkpoint, PipelineSettings(window=WindowSettings(steps=WINDOW))
    )
    analyses = run(pipeline, [[scripted_lease(number)] for number in range(FRAMES)])
    given = people_inputs(script)
    other = OtherRuntime(folder, PEOPLE)
    vocabulary = checkpoint.vocabulary
    compared = 0
    for frame in range(FRAMES):
        answer = other.run_step({name: array[:, frame] for name, array in given.items()})
        people = sorted(analyses[Spot("hall", 1, frame)].people, key=lambda person: person.box[0])
        assert len(people) == PEOPLE
        for row, person in enumerate(people):
            assert person.action is not None
            assert person.action.label == vocabulary.actions[answer.scores[row].argmax()]
            for label, score in person.action.top:
                assert abs(score - answer.scores[row, vocabulary.action_index(label)]) <= 1e-5
            for part in person.parts:
                place = vocabulary.part_index(part.part)
                assert abs(part.relevance - answer.relevance[row, place]) <= 1e-5
                compared += 1
        assert not answer.relevance[~given["present"][:, frame]].any()
    assert compared > 100


def test_a_file_whose_outputs_differ_from_torch_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stages.export import onnx_file

    def write_another(graph: Any, path: Path, *rest: Any) -> None:
        with torch.no_grad():
            graph.module.lstm.scores.weight.mul_(1.001)
            write(graph, path, *rest)
            graph.module.lstm.scores.weight.div_(1.001)

    write = onnx_file.write
    monkeypatch.setattr(onnx_file, "write", write_another)
    (tmp_path / "step.onnx").write_text("an earlier file")
    with pytest.raises(ExportError, match=r"step: ONNX Runtime and torch differ by more than 1e-05.*scores \d\.\de-"):
        export(untrained(SMALL), None, tmp_path, ["step"])
    assert [path.name for path in tmp_path.iterdir()] == ["step.onnx"]
    assert (tmp_path / "step.onnx").read_text() == "an earlier file"
