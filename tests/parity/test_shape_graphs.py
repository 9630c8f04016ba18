"""Detectors replayed as graphs give the same results; without a recording they run normally. A fake records on CPUs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cuda_graphs import Function, GraphedKeypointNetwork, GraphedRegionNetwork, ShapeGraphs
from stages.detection.movenet.movenet import MoveNet
from stages.settings import ModelSettings, PipelineSettings, WindowSettings
from support.models.random_detectors import random_detector, small_cascade
from support.models.reference_frames import CASES, picture
from support.models.scripted_people import (
    ScriptedDetector,
    assert_same,
    moving_people,
    run,
    scripted_detector,
    scripted_lease,
    scripted_pipeline,
)

FRAMES = 24


class FakeRecorder:
    """Records like a CUDA graph: every replay reads the same input tensors and writes to the same outputs."""

    def __init__(self, fails: bool = False) -> None:
        self.recorded: list[tuple[int, ...]] = []
        self.replays = 0
        self.fails = fails

    def __call__(self, function: Function, inputs: tuple[Tensor, ...]) -> Function:
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recorded.append(tuple(inputs[0].shape))
        static = [tensor.clone() for tensor in inputs]
        outputs: Any = function(*static)

        def replay(*inputs: Tensor) -> Any:
            self.replays += 1
            for destination, tensor in zip(static, inputs, strict=True):
                destination.copy_(tensor)
            fresh = function(*static)
            if isinstance(fresh, Tensor):
                outputs.copy_(fresh)
            else:
                outputs[1].copy_(fresh[1])
            return outputs

        return replay


def doubled(inputs: Tensor) -> Tensor:
    return inputs * 2


def test_a_shape_is_recorded_the_second_time_and_then_replayed() -> None:
    record = FakeRecorder()
    graphs = ShapeGraphs(doubled, record)
    for number in range(5):
        inputs = torch.full((2, 3), float(number))
        assert torch.equal(graphs(inputs), inputs * 2)
    assert record.recorded == [(2, 3)] == graphs.shapes
    assert record.replays == 4


def test_a_failed_recording_is_logged_once_and_nothing_is_recorded_after_it(caplog: pytest.LogCaptureFixture) -> None:
    graphs = ShapeGraphs(doubled, FakeRecorder(fails=True))
    for _ in range(4):
        for length in (1, 2):
            inputs = torch.arange(float(length))
            assert torch.equal(graphs(inputs), inputs * 2)
    assert graphs.shapes == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_pipeline_with_a_replayed_detector_gives_the_same_results() -> None:
    script = moving_people(FRAMES, 3)
    settings = PipelineSettings(model=ModelSettings(detection="full"), window=WindowSettings(steps=12))
    batches = [
        [scripted_lease(n) for n in range(start, start + size)]
        for start, size in ((0, 4), (4, 4), (8, 8), (16, 4), (20, 4))
    ]
    plain = run(scripted_pipeline(script, settings)[0], batches)
    pipeline, _ = scripted_pipeline(script, settings)
    record = FakeRecorder()
    pipeline._detector = scripted_detector(GraphedKeypointNetwork(ScriptedDetector(script), record))
    found = run(pipeline, batches)
    assert record.replays == 3
    for spot, analysis in plain.items():
        assert_same(analysis, found[spot])


def random_cascade() -> CascadeRCNN:
    description = small_cascade()
    net = CascadeRCNN(random_detector(description), description)
    net.fixed_shapes = True
    return net


def noise_inputs(seed: int, pictures: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 256, (pictures, 96, 160, 3), generator=generator, dtype=torch.uint8)
    return noise, torch.tensor([[160.0, 96.0], [150.0, 84.0]])[:pictures]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_replays_of_movenet_equal_movenet() -> None:
    street = torch.from_numpy(picture(next(case for case in CASES if case.name == "street-576x768"))).cuda()
    crowd = torch.from_numpy(picture(next(case for case in CASES if case.name == "crowd-576x768"))).cuda()
    net = MoveNet.load().cuda()
    graphed = GraphedKeypointNetwork(net)
    with torch.inference_mode():
        for pictures in (torch.stack([street, crowd]), torch.stack([crowd, street]), torch.stack([street, street])):
            expected = net.decode(net(pictures)[1], 32).packed
            assert (graphed.decode(graphed(pictures)[1], 32).packed - expected).abs().max() < 1e-2
    assert graphed.graphs.shapes == [(2, 576, 768, 3)]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_replays_of_a_cascade_equal_the_cascade() -> None:
    net = random_cascade().cuda()
    graphed = GraphedRegionNetwork(net)
    for seed in range(4):
        inputs = tuple(tensor.cuda() for tensor in noise_inputs(seed))
        expected = net.decode(net(*inputs)[1], 4).packed
        torch.testing.assert_close(graphed.decode(graphed(*inputs)[1], 4).packed, expected, rtol=1e-3, atol=1e-2)
    assert graphed.graphs.shapes == [(2, 96, 160, 3)]
