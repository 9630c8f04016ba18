"""Recorded or not, a detector gives the same; what cannot be recorded runs as it is. On a CPU a stand-in records."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.detection.cascade_rcnn.cascade_rcnn import CascadeRCNN
from stages.detection.cuda_graphs import Function, GraphedKeypointNetwork, GraphedRegionNetwork, ShapeGraphs
from stages.detection.movenet.movenet import MoveNet
from stages.settings import PipelineSettings, WindowSettings
from support.models.movenet_frames import CASES, picture
from support.models.random_detectors import random_detector, small_cascade
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


class StandIn:
    """Records as a CUDA graph does: replays read one tensor and write into the same answer each time."""

    def __init__(self, fails: bool = False) -> None:
        self.recorded: list[tuple[int, ...]] = []
        self.replays = 0
        self.fails = fails

    def __call__(self, function: Function, given: tuple[Tensor, ...]) -> Function:
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.recorded.append(tuple(given[0].shape))
        static = [tensor.clone() for tensor in given]
        answer: Any = function(*static)

        def replay(*given: Tensor) -> Any:
            self.replays += 1
            for place, tensor in zip(static, given, strict=True):
                place.copy_(tensor)
            fresh = function(*static)
            if isinstance(fresh, Tensor):
                answer.copy_(fresh)
            else:
                answer[1].copy_(fresh[1])
            return answer

        return replay


def doubled(given: Tensor) -> Tensor:
    return given * 2


def test_a_shape_is_recorded_the_second_time_and_replayed_from_then_on() -> None:
    record = StandIn()
    graphs = ShapeGraphs(doubled, record)
    for number in range(5):
        given = torch.full((2, 3), float(number))
        assert torch.equal(graphs(given), given * 2)
    assert record.recorded == [(2, 3)] == graphs.shapes
    assert record.replays == 4


def test_no_more_shapes_than_allowed_are_recorded_and_the_rest_run_as_they_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    record = StandIn()
    graphs = ShapeGraphs(doubled, record, most_shapes=2)
    for _ in range(3):
        for length in range(1, 8):
            given = torch.arange(float(length))
            assert torch.equal(graphs(given), given * 2)
    assert record.recorded == [(1,), (2,)]
    assert len(caplog.messages) == 1


def test_a_recording_that_fails_is_told_once_and_everything_runs_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    graphs = ShapeGraphs(doubled, StandIn(fails=True))
    for _ in range(4):
        for length in (1, 2):
            given = torch.arange(float(length))
            assert torch.equal(graphs(given), given * 2)
    assert graphs.shapes == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_fault_of_the_function_itself_is_raised() -> None:
    def broken(given: Tensor) -> Tensor:
        raise ValueError("no such picture")

    with pytest.raises(ValueError, match="no such picture"):
        ShapeGraphs(broken, StandIn())(torch.zeros(1))


def test_a_pipeline_over_a_recorded_detector_answers_the_same() -> None:
    script = moving_people(FRAMES, 3)
    settings = PipelineSettings(window=WindowSettings(steps=12))
    batches = [
        [scripted_lease(n) for n in range(at, at + size)] for at, size in ((0, 4), (4, 4), (8, 8), (16, 4), (20, 4))
    ]
    plain = run(scripted_pipeline(script, settings)[0], batches)
    pipeline, _ = scripted_pipeline(script, settings)
    record = StandIn()
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


def of_noise(seed: int, pictures: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randint(0, 256, (pictures, 96, 160, 3), generator=generator, dtype=torch.uint8)
    return noise, torch.tensor([[160.0, 96.0], [150.0, 84.0]])[:pictures]


def test_a_recorded_cascade_finds_the_regions_of_each_batch_that_it_is_given() -> None:
    net, record = random_cascade(), StandIn()
    graphed = GraphedRegionNetwork(net, record)
    for seed in range(4):
        given = of_noise(seed)
        expected = net.decode(net(*given)[1], 4)
        found = graphed.decode(graphed(*given)[1], 4)
        assert found.layout == expected.layout and (expected.packed[..., 4] > 0).sum() > 20
        assert torch.equal(found.packed, expected.packed)
    assert record.recorded == [(2, 96, 160, 3)] and record.replays == 3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_movenets_recording_gives_what_movenet_gives() -> None:
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
def test_on_cuda_a_cascades_recording_gives_what_the_cascade_gives() -> None:
    net = random_cascade().cuda()
    graphed = GraphedRegionNetwork(net)
    for seed in range(4):
        given = tuple(tensor.cuda() for tensor in of_noise(seed))
        expected = net.decode(net(*given)[1], 4).packed
        torch.testing.assert_close(graphed.decode(graphed(*given)[1], 4).packed, expected, rtol=1e-3, atol=1e-2)
    assert graphed.graphs.shapes == [(2, 96, 160, 3)]
