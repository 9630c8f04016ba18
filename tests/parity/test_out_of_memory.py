"""A batch that does not fit into the device's memory gives the same results as one that does.

No memory is exhausted: stages raise torch's error above a number of frames or people, as on a device without free
memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
import torch

from ring_buffers.frames import Lease
from stages import pipeline as pipelines
from stages.device.halving import Halving, TooLargeError
from stages.pipeline import Pipeline
from stages.settings import ModelSettings, PipelineSettings, WindowMode, WindowSettings
from stages.types import FrameAnalysis
from support.models.scripted_people import (
    STEP_US,
    ScriptedDetector,
    Spot,
    assert_same,
    moving_people,
    run,
    scripted_detector,
    scripted_lease,
    scripted_pipeline,
)
from telemetry.observer import Observer

FRAMES = 24


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


class FirstPictureDetector(SmallCard):
    """A detector that treats every picture as the script's first, because blank planes carry no number."""

    def __call__(self, pictures: torch.Tensor) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
        return super().__call__(torch.zeros_like(pictures))


def in_pieces(pipeline: Pipeline, batches: Sequence[Sequence[Lease]], halving: Halving) -> dict[Spot, FrameAnalysis]:
    """Run batches in pieces, as the engine does."""
    found: dict[Spot, FrameAnalysis] = {}
    for batch in batches:
        halving.run(len(batch), lambda start, stop, batch=batch: found.update(run(pipeline, [batch[start:stop]])))
    return found


def mixed(size: int) -> list[list[Lease]]:
    """Return batches with frames of two cameras."""
    order = [scripted_lease(n, camera, n, n * STEP_US) for n in range(FRAMES) for camera in ("hall", "yard")]
    return [order[start : start + size] for start in range(0, len(order), size)]


@cache
def unsplit(mode: WindowMode) -> dict[Spot, FrameAnalysis]:
    """What the batches of three people give on a device that holds them."""
    return run(scripted_pipeline(moving_people(FRAMES, 3), settings(mode))[0], mixed(8))


@pytest.mark.parametrize("mode", ["staggered", "exact"])
@pytest.mark.parametrize("holds", [1, 2, 3])
def test_a_batch_split_by_frames_gives_the_same_results(holds: int, mode: WindowMode) -> None:
    script = moving_people(FRAMES, 3)
    whole = unsplit(mode)
    pipeline, _ = scripted_pipeline(script, settings(mode))
    detector = SmallCard(script)
    pipeline._detector = scripted_detector(detector)
    detector.holds = holds
    halving = Halving("detection", "frames", Observer())
    found = in_pieces(pipeline, mixed(8), halving)
    assert halving.limit in (1, 2, 3)
    assert detector.pictures == 2 * FRAMES, "the detector runs on each picture once"
    assert found.keys() == whole.keys()
    for spot, analysis in whole.items():
        assert_same(analysis, found[spot])


@pytest.mark.parametrize("mode", ["staggered", "exact", "continuous"])
@pytest.mark.parametrize("holds", [1, 2, 5])
def test_a_batch_split_by_people_gives_the_same_results(
    holds: int, mode: WindowMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = moving_people(FRAMES, 3)
    whole = unsplit(mode)
    pipeline, detector = scripted_pipeline(script, settings(mode))
    network = pipeline._network
    tried: list[int] = []

    def people(_: torch.Tensor, present: torch.Tensor) -> int:
        tried.append(int(present.any(1).sum()))
        return tried[-1]

    monkeypatch.setattr(network.part_graph, "forward", above(holds, network.part_graph.forward, people))
    found = run(pipeline, mixed(8))
    assert max(tried) > holds
    assert detector.pictures == 2 * FRAMES, "the detector runs on each picture once"
    for spot, analysis in whole.items():
        assert_same(analysis, found[spot])


def test_pictures_that_do_not_fit_leave_the_state_unchanged() -> None:
    script = moving_people(FRAMES, 2)
    pipeline, _ = scripted_pipeline(script, settings())
    detector = SmallCard(script)
    pipeline._detector = scripted_detector(detector)
    run(pipeline, [[scripted_lease(n)] for n in range(10)])
    for _ in range(3):
        with pytest.raises(TooLargeError) as error:
            pipeline.process([scripted_lease(n) for n in range(10, 14)])
        assert getattr(error.value.__cause__, "stage", None) == "detection"
    detector.holds = FRAMES
    after = run(pipeline, [[scripted_lease(n) for n in range(10, 14)], [scripted_lease(n) for n in range(14, FRAMES)]])
    whole = run(scripted_pipeline(script, settings())[0], [[scripted_lease(n)] for n in range(FRAMES)])
    for spot, analysis in after.items():
        assert_same(analysis, whole[spot])


@pytest.mark.parametrize("where", ["host", "device"])
def test_a_rehearsal_shows_whether_a_number_of_pictures_fits_and_leaves_the_state_unchanged(where: str) -> None:
    script = moving_people(FRAMES, 2)
    made = PipelineSettings(model=ModelSettings(pictures=where), window=WindowSettings(steps=12))  # pyright: ignore[reportArgumentType]
    pipeline, _ = scripted_pipeline(script, made)
    pipeline._detector = scripted_detector(FirstPictureDetector(script))
    pipeline.rehearse(2, (640, 384))
    with pytest.raises(TooLargeError):
        pipeline.rehearse(3, (640, 384))
    assert pipeline.state_slots_used == 0
    assert pipeline.device_memory() is None, "only reported on CUDA"


def test_a_single_person_that_does_not_fit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    script = moving_people(4, 1)
    pipeline, _ = scripted_pipeline(script, settings())
    run(pipeline, [[scripted_lease(0)]])
    monkeypatch.setattr(pipelines, "person_inputs", above(0, pipelines.person_inputs, lambda *args: len(args[0])))
    with pytest.raises(torch.OutOfMemoryError):
        pipeline.process([scripted_lease(1)])
