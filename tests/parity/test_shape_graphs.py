"""Detectors replayed as graphs give the same results; without a recording they run normally. A fake records on CPUs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cuda_graphs import Function, GraphedKeypointNetwork, GraphedRegionNetwork, ShapeGraphs
from stages.detection.movenet.movenet import MoveNet
from stages.settings import ModelSettings, PipelineSettings
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

    def __init__(self) -> None:
        self.replays = 0

    def __call__(self, function: Function, inputs: tuple[Tensor, ...]) -> Function:
        static = [tensor.clone() for tensor in inputs]
        outputs: Any = function(*static)

        def replay(*inputs: Tensor) -> Any:
            self.replays += 1
            for destination, tensor in zip(static, inputs, strict=True):
                destination.copy_(tensor)
            outputs[1].copy_(function(*static)[1])
            return outputs

        return replay


def test_a_shape_is_recorded_the_second_time_and_then_replayed_with_the_same_results() -> None:
    script = moving_people(FRAMES, 3)
    settings = PipelineSettings(model=ModelSettings(detection="full"))
    sizes = (4, 4, 8, 4, 4)
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    batches = [[scripted_lease(start + n) for n in range(size)] for start, size in zip(starts, sizes)]
    plain = run(scripted_pipeline(script, settings)[0], batches)
    pipeline, _ = scripted_pipeline(script, settings)
    record = FakeRecorder()
    graphed = GraphedKeypointNetwork(ScriptedDetector(script), record)
    pipeline._detector = scripted_detector(graphed)
    found = run(pipeline, batches)
    assert record.replays == 3 and [shape[0] for shape in graphed.graphs.shapes] == [4]
    for spot, analysis in plain.items():
        assert_same(analysis, found[spot])


def test_a_failed_recording_is_logged_once_and_nothing_is_recorded_after_it(caplog: pytest.LogCaptureFixture) -> None:
    def failing(function: Function, inputs: tuple[Tensor, ...]) -> Function:
        raise RuntimeError("operation not permitted when stream is capturing")

    graphs = ShapeGraphs(lambda inputs: inputs * 2, failing)
    for length in (1, 2) * 4:
        inputs = torch.arange(float(length))
        assert torch.equal(graphs(inputs), inputs * 2)
    assert graphs.shapes == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_replays_of_movenet_and_of_a_cascade_equal_them() -> None:
    street, crowd = (torch.from_numpy(picture(case)).cuda() for case in CASES[3:])
    net = MoveNet.load().cuda()
    graphed = GraphedKeypointNetwork(net)
    with torch.inference_mode():
        for pictures in (torch.stack([street, crowd]), torch.stack([crowd, street]), torch.stack([street, street])):
            expected = net.decode(net(pictures)[1], 32).packed
            assert (graphed.decode(graphed(pictures)[1], 32).packed - expected).abs().max() < 1e-2
    assert graphed.graphs.shapes == [(2, 576, 768, 3)]

    description = small_cascade()
    cascade = CascadeRCNN(random_detector(description), description).cuda()
    cascade.fixed_shapes = True
    replayed = GraphedRegionNetwork(cascade)
    content = torch.tensor([[160.0, 96.0], [150.0, 84.0]]).cuda()
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randint(0, 256, (2, 96, 160, 3), generator=generator, dtype=torch.uint8).cuda()
        expected = cascade.decode(cascade(noise, content)[1], 4).packed
        found = replayed.decode(replayed(noise, content)[1], 4).packed
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-2)
    assert replayed.graphs.shapes == [(2, 96, 160, 3)]
