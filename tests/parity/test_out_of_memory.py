"""A batch that doesn't fit into the device's memory gives what one that fits gives: nothing is done twice or left out.

No memory is exhausted here: stages raise torch's error above so many frames or people, as they do on a full card.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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

FRAMES = 32


def settings(mode: WindowMode = "staggered") -> PipelineSettings:
    return PipelineSettings(window=WindowSettings(steps=12, mode=mode))


def above(limit: int, call: Callable[..., Any], size: Callable[..., int]) -> Callable[..., Any]:
    """`call`, but out of memory where what it is given is larger than the limit."""

    def limited(*given: Any) -> Any:
        if size(*given) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return call(*given)

    return limited


class SmallCard(ScriptedDetector):
    """Holds so many pictures and no more."""

    holds = 2

    def __call__(self, pictures: torch.Tensor) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
        if len(pictures) > self.holds:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().__call__(pictures)


class Blind(SmallCard):
    """Takes every picture for the script's first: blank planes are a green picture, which carries no number."""

    def __call__(self, pictures: torch.Tensor) -> tuple[dict[int, torch.Tensor], torch.Tensor]:
        return super().__call__(torch.zeros_like(pictures))


def in_pieces(pipeline: Pipeline, batches: Sequence[Sequence[Lease]], at_once: Halving) -> dict[Spot, FrameAnalysis]:
    """As the engine does it."""
    found: dict[Spot, FrameAnalysis] = {}
    for batch in batches:
        at_once.run(len(batch), lambda start, stop, batch=batch: found.update(run(pipeline, [batch[start:stop]])))
    return found


def mixed(size: int) -> list[list[Lease]]:
    """Batches of two cameras, several frames of each."""
    order = [scripted_lease(at, camera, at, at * STEP_US) for at in range(FRAMES) for camera in ("hall", "yard")]
    return [order[start : start + size] for start in range(0, len(order), size)]


@pytest.mark.parametrize("mode", ["staggered", "exact"])
@pytest.mark.parametrize("holds", [1, 2, 3])
def test_a_batch_that_is_split_for_its_pictures_gives_the_same(holds: int, mode: WindowMode) -> None:
    script = moving_people(FRAMES, 3)
    whole = run(scripted_pipeline(script, settings(mode))[0], mixed(8))
    pipeline, _ = scripted_pipeline(script, settings(mode))
    detector = SmallCard(script)
    pipeline._detector = scripted_detector(detector)
    detector.holds = holds
    at_once = Halving("detection", "frames", Observer())
    found = in_pieces(pipeline, mixed(8), at_once)
    assert at_once.limit in (1, 2, 3)
    assert detector.pictures == 2 * FRAMES, "each picture is seen once"
    assert found.keys() == whole.keys()
    for spot, analysis in whole.items():
        assert_same(analysis, found[spot])


@pytest.mark.parametrize("mode", ["staggered", "exact", "continuous"])
@pytest.mark.parametrize("holds", [1, 2, 5])
def test_a_batch_whose_people_are_too_many_for_the_learned_stages_gives_the_same(
    holds: int, mode: WindowMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = moving_people(FRAMES, 3)
    whole = run(scripted_pipeline(script, settings(mode))[0], mixed(8))
    pipeline, detector = scripted_pipeline(script, settings(mode))
    network = pipeline._network
    tried: list[int] = []

    def people(_: torch.Tensor, present: torch.Tensor) -> int:
        tried.append(int(present.any(1).sum()))
        return tried[-1]

    monkeypatch.setattr(network.part_graph, "forward", above(holds, network.part_graph.forward, people))
    found = run(pipeline, mixed(8))
    assert max(tried) > holds
    assert detector.pictures == 2 * FRAMES, "what was detected isn't detected again"
    for spot, analysis in whole.items():
        assert_same(analysis, found[spot])


def test_pictures_that_do_not_fit_leave_nothing_behind() -> None:
    script = moving_people(FRAMES, 2)
    pipeline, _ = scripted_pipeline(script, settings())
    detector = SmallCard(script)
    pipeline._detector = scripted_detector(detector)
    run(pipeline, [[scripted_lease(n)] for n in range(10)])
    for _ in range(3):
        with pytest.raises(TooLargeError) as fault:
            pipeline.process([scripted_lease(n) for n in range(10, 14)])
        assert getattr(fault.value.__cause__, "stage", None) == "detection"
    detector.holds = FRAMES
    after = run(pipeline, [[scripted_lease(n) for n in range(10, 14)], [scripted_lease(n) for n in range(14, FRAMES)]])
    whole = run(scripted_pipeline(script, settings())[0], [[scripted_lease(n)] for n in range(FRAMES)])
    for spot, analysis in after.items():
        assert_same(analysis, whole[spot])


@pytest.mark.parametrize("where", ["host", "device"])
def test_a_rehearsal_tells_whether_so_many_pictures_fit_and_leaves_no_trace(where: str) -> None:
    script = moving_people(FRAMES, 2)
    made = PipelineSettings(model=ModelSettings(pictures=where), window=WindowSettings(steps=12))  # pyright: ignore[reportArgumentType]
    pipeline, _ = scripted_pipeline(script, made)
    pipeline._detector = scripted_detector(Blind(script))
    pipeline.rehearse(2, (640, 384))
    with pytest.raises(TooLargeError):
        pipeline.rehearse(3, (640, 384))
    assert pipeline.state_slots_used == 0
    assert pipeline.device_memory() is None, "on a CPU the memory is the machine's"


def test_running_out_once_states_may_have_changed_is_a_fault_and_no_step_is_made_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = moving_people(FRAMES, 2)
    pipeline, _ = scripted_pipeline(script, settings())
    run(pipeline, [[scripted_lease(n)] for n in range(10)])
    calls: list[int] = []
    step = pipeline._states._lstm.step

    def second_wave_fails(*given: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pipeline._states._lstm, "step", second_wave_fails)
        with pytest.raises(torch.OutOfMemoryError) as fault:
            pipeline.process([scripted_lease(10), scripted_lease(11)])
    assert getattr(fault.value, "stage", None) == "action_lstm" and len(calls) == 2
    after = run(pipeline, [[scripted_lease(n)] for n in range(12, FRAMES)])
    dropped = run(
        scripted_pipeline(script, settings())[0], [[scripted_lease(n)] for n in (*range(11), *range(12, FRAMES))]
    )
    for spot, analysis in after.items():
        # What the lost frame would have said is missing from the smoothed label; the states are those of its step.
        for person, twin in zip(analysis.people, dropped[spot].people, strict=True):
            assert person.action is not None and twin.action is not None
            assert [label for label, _ in person.action.top] == [label for label, _ in twin.action.top]
            for (_, score), (_, expected) in zip(person.action.top, twin.action.top, strict=True):
                assert abs(score - expected) <= 1e-5


def test_a_frame_whose_one_person_does_not_fit_is_a_fault_of_its_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    script = moving_people(4, 1)
    pipeline, _ = scripted_pipeline(script, settings())
    run(pipeline, [[scripted_lease(0)]])
    monkeypatch.setattr(pipelines, "person_inputs", above(0, pipelines.person_inputs, lambda *given: len(given[0])))
    with pytest.raises(torch.OutOfMemoryError):
        pipeline.process([scripted_lease(1)])
