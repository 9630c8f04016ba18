"""Looks for objects near people: when and where they are taken, and what is published between them."""

from __future__ import annotations

import numpy as np
import pytest

from ring_buffers.frames import Lease
from stages.settings import DetectionMode, ModelSettings, PipelineSettings, WindowSettings
from stages.types import FrameAnalysis
from support.models.bright_people import BrightObjectsNetwork, Person, bright_pipeline, drawn_frames
from support.models.scripted_people import Spot, run

OBJECTS_S = 0.4
"""Every fifth look."""


def settings(detection: DetectionMode = "auto", objects_s: float | None = OBJECTS_S) -> PipelineSettings:
    return PipelineSettings(
        model=ModelSettings(detection=detection, objects_s=objects_s), window=WindowSettings(steps=12)
    )


def walker(number: int) -> Person:
    return (100 + 6 * number, 200, 140 + 6 * number, 320)


WALK: list[list[Person]] = [[walker(number)] for number in range(40)]
VISIT: list[list[Person]] = [[]] * 10 + [[walker(number)] for number in range(20)] + [[]] * 45


def watched(
    scenes: list[list[Person]], chosen: PipelineSettings, step_us: int = 80_000
) -> tuple[list[FrameAnalysis], BrightObjectsNetwork]:
    objects = BrightObjectsNetwork()
    pipeline, _ = bright_pipeline(chosen, objects)
    return [pipeline.process([lease])[0] for lease in drawn_frames(pipeline, scenes, step_us=step_us)], objects


def looked(found: list[FrameAnalysis]) -> list[int]:
    return [number for number, one in enumerate(found) if one.look.objects is not None]


def test_objects_are_looked_for_at_the_set_interval_while_people_are_tracked_and_then_forgotten() -> None:
    found, objects = watched(VISIT, settings())
    numbers = looked(found)
    assert len(numbers) == objects.pictures >= 3
    assert set(np.diff(numbers)) == {5}
    assert 10 < numbers[0] <= 14, "as soon as the person is tracked"
    assert all(one.look.anything for one in found if one.look.objects)
    for number, one in enumerate(found):
        assert all(thing.detected == (number in numbers) for thing in one.objects)
    assert found[numbers[0]].objects and not found[numbers[0] - 1].objects
    assert not found[-1].objects


def test_a_cup_moves_with_its_hand_between_looks() -> None:
    found, _ = watched(WALK, settings(), step_us=40_000)
    numbers = looked(found)
    assert {one.look.kind for one in found[numbers[0] :]} > {"skipped"}, "also in frames that are not looked at"
    for number, one in enumerate(found[numbers[0] :], numbers[0]):
        (cup,), (person,) = one.objects, one.people
        assert cup.label == "cup"
        assert abs((cup.box[0] + cup.box[2]) / 2 - person.box[2]) < 4, number
        assert [part.part for part in person.parts if part.holds] == ["left_hand"]


@pytest.mark.parametrize("detection", ["auto", "regions", "full"])
def test_objects_do_not_depend_on_how_frames_are_distributed_over_batches(detection: DetectionMode) -> None:
    def leases() -> list[Lease]:
        pipeline, _ = bright_pipeline(settings(detection), BrightObjectsNetwork())
        cameras = [
            list(drawn_frames(pipeline, scenes, name)) for name, scenes in (("a", VISIT[4:28]), ("b", WALK[:24]))
        ]
        return [lease for pair in zip(*cameras) for lease in pair]

    def answers(batches: list[list[Lease]]) -> dict[Spot, FrameAnalysis]:
        pipeline, _ = bright_pipeline(settings(detection), BrightObjectsNetwork())
        return run(pipeline, batches)

    order = leases()
    singly = answers([[lease] for lease in order])
    batched = answers([order[start : start + 7] for start in range(0, len(order), 7)])
    assert sum(bool(one.objects) for one in singly.values()) > 20
    for spot, one in singly.items():
        assert (one.look, one.objects) == (batched[spot].look, batched[spot].objects)
