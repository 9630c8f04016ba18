"""Batches that do not fit are split, and give the same results; an error leaves the state as it was.

Some of the model raises torch's error above a number of frames or people, as on a device without free memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from stages import pipeline as pipelines
from stages.device.halving import Halving, TooLargeError
from stages.pipeline import Pipeline
from stages.settings import ModelSettings, PipelineSettings, WindowMode, WindowSettings
from stages.step_scores import PersonInputs
from stages.third_party.weights import WeightsError
from stages.types import FrameAnalysis
from support.models import scripted_people
from support.models.scripted_people import (
    STEP_US,
    ScriptedDetector,
    Spot,
    assert_same,
    moving_people,
    random_checkpoint,
    record_inputs,
    run,
    scripted_detector,
    scripted_lease,
    scripted_pipeline,
)
from telemetry.observer import Observer

FRAMES = 24
BATCHES = [
    [scripted_lease(n, camera, n, n * STEP_US) for n in range(start, start + 4) for camera in ("hall", "yard")]
    for start in range(0, FRAMES, 4)
]
MODES = ("staggered", "exact", "continuous")


def settings(mode: WindowMode = "staggered") -> PipelineSettings:
    return PipelineSettings(model=ModelSettings(detection="full"), window=WindowSettings(steps=12, mode=mode))


def above(limit: int, call: Callable[..., Any], size: Callable[..., int]) -> Callable[..., Any]:
    """Wrap `call` to run out of memory if the size of its arguments exceeds the limit."""

    def limited(*args: Any) -> Any:
        if size(*args) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return call(*args)

    return limited


class SmallCard(ScriptedDetector):
    """A detector that runs out of memory above `holds` pictures."""

    holds = 2

    def __call__(self, pictures: torch.Tensor) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
        if len(pictures) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().__call__(pictures)


def small_pipeline(people: int, holds: int, mode: WindowMode = "staggered") -> tuple[Pipeline, SmallCard]:
    script = moving_people(FRAMES, people)
    pipeline, _ = scripted_pipeline(script, settings(mode))
    detector = SmallCard(script)
    detector.holds = holds
    pipeline._detector = scripted_detector(detector)
    return pipeline, detector


@cache
def unsplit(mode: WindowMode) -> dict[Spot, FrameAnalysis]:
    """What the batches of three people give on a device that holds them."""
    return run(scripted_pipeline(moving_people(FRAMES, 3), settings(mode))[0], BATCHES)


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("holds", [1, 3])
def test_a_batch_split_by_frames_gives_the_same_results(holds: int, mode: WindowMode) -> None:
    pipeline, detector = small_pipeline(3, holds, mode)
    halving = Halving("detection", "frames", Observer())
    found: dict[Spot, FrameAnalysis] = {}
    for batch in BATCHES:
        halving.run(len(batch), lambda start, stop, batch=batch: found.update(run(pipeline, [batch[start:stop]])))
    assert halving.limit in (1, 2, 3)
    assert detector.pictures == 2 * FRAMES, "the detector runs on each picture once"
    assert found.keys() == unsplit(mode).keys()
    for spot, analysis in unsplit(mode).items():
        assert_same(analysis, found[spot])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("holds", [1, 5])
def test_a_batch_split_by_people_gives_the_same_results(
    holds: int, mode: WindowMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, detector = scripted_pipeline(moving_people(FRAMES, 3), settings(mode))
    graph, tried = pipeline._network.part_graph, list[int]()

    def people(_: torch.Tensor, present: torch.Tensor) -> int:
        tried.append(int(present.any(1).sum()))
        return tried[-1]

    monkeypatch.setattr(graph, "forward", above(holds, graph.forward, people))
    found = run(pipeline, BATCHES)
    assert max(tried) > holds
    assert detector.pictures == 2 * FRAMES, "the detector runs on each picture once"
    for spot, analysis in unsplit(mode).items():
        assert_same(analysis, found[spot])


def test_pictures_that_do_not_fit_leave_the_state_unchanged() -> None:
    pipeline, detector = small_pipeline(2, holds=2)
    leases = [scripted_lease(n) for n in range(FRAMES)]
    run(pipeline, [[lease] for lease in leases[:10]])
    for _ in range(3):
        with pytest.raises(TooLargeError) as error:
            pipeline.process(leases[10:14])
        assert getattr(error.value.__cause__, "stage", None) == "detection"
    detector.holds = FRAMES
    whole = run(small_pipeline(2, FRAMES)[0], [[lease] for lease in leases])
    for spot, analysis in run(pipeline, [leases[10:14], leases[14:]]).items():
        assert_same(analysis, whole[spot])


@pytest.mark.parametrize("where", ["host", "device"])
def test_a_rehearsal_shows_whether_a_number_of_pictures_fits_and_leaves_the_state_unchanged(where: str) -> None:
    model = ModelSettings.model_validate({"pictures": where})
    script = moving_people(1, 2).repeat(256, 0)  # blank planes carry any number
    pipeline, _ = scripted_pipeline(script, PipelineSettings(model=model, window=WindowSettings(steps=12)))
    detector = SmallCard(script)
    detector.decode = lambda heads, most: ScriptedDetector.decode(detector, torch.zeros_like(heads), most)
    pipeline._detector = scripted_detector(detector)
    pipeline.rehearse(2, (640, 384))
    with pytest.raises(TooLargeError):
        pipeline.rehearse(3, (640, 384))
    assert pipeline.state_slots_used == 0
    assert pipeline.device_memory() is None, "only reported on CUDA"


def test_a_single_person_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, _ = scripted_pipeline(moving_people(4, 1), settings())
    run(pipeline, [[scripted_lease(0)]])
    monkeypatch.setattr(pipelines, "person_inputs", above(0, pipelines.person_inputs, lambda *args: len(args[0])))
    with pytest.raises(torch.OutOfMemoryError):
        pipeline.process([scripted_lease(1)])


def test_a_frame_whose_scores_are_no_numbers_is_marked_as_failed_and_the_person_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline, _ = scripted_pipeline(moving_people(12, 1))
    analyses: list[FrameAnalysis] = []

    def spoil(steps: object, inputs: PersonInputs, visual: object) -> None:
        if len(analyses) == 5:
            inputs.context.fill_(math.nan)

    record_inputs(monkeypatch, spoil)
    for lease in map(scripted_lease, range(12)):
        analyses += pipeline.process([lease])
    assert [number for number, analysis in enumerate(analyses) if analysis.failed is not None] == [5]
    assert analyses[5].failed == "part_relevance" and not analyses[5].people
    people = [person for analysis in analyses[6:] for person in analysis.people]
    assert people and all(person.action is not None and math.isfinite(person.action.score) for person in people)


def test_weights_whose_scores_are_no_numbers_are_refused_when_the_model_is_warmed_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint = random_checkpoint()
    with torch.no_grad():
        checkpoint.network.part_relevance.first.weight.fill_(3e38)
    monkeypatch.setattr(scripted_people, "random_checkpoint", lambda *arguments: checkpoint)
    with pytest.raises(WeightsError):
        scripted_pipeline(moving_people(1, 1))[0].warm_up()
