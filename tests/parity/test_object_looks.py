"""Looks for objects near people: when and where they are taken, and what is published between them."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from ring_buffers.frames import FrameMeta, Lease
from ring_buffers.slot_writers import frame_colours, picture_writer
from stages.detection.movenet.movenet import slot_format
from stages.detection.nanodet.nanodet import NanoDet
from stages.detection.nanodet.object_looks import ObjectFinder
from stages.detection.views.slot_pictures import planes_for
from stages.looks import WHOLE, Look, Region
from stages.settings import DetectionMode, ModelSettings, PipelineSettings, WindowSettings
from stages.third_party import weights
from stages.types import FrameAnalysis
from support.models.bright_people import BrightObjectsNetwork, Person, bright_pipeline, drawn_frames
from support.models.scripted_people import Spot, assert_same, run

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


def test_the_region_shows_the_people_and_the_space_around_their_hands() -> None:
    found, _ = watched(WALK, settings())
    for number in looked(found):
        region, (x1, y1, x2, y2) = found[number].look.objects, walker(number)
        assert region is not None and region.side < 300
        assert region.left < x1 - 20 and region.top < y1 - 20
        assert region.left + region.side > x2 + 20 and region.top + region.side > y2 + 20


@pytest.mark.parametrize("objects_s", [None, 0])
def test_without_an_interval_there_are_no_objects(objects_s: float | None) -> None:
    found, objects = watched(WALK, settings(objects_s=objects_s))
    assert objects.pictures == 0 and not any(one.objects for one in found)


@pytest.mark.parametrize("detection", ["auto", "full"])
def test_objects_change_nothing_about_people(detection: DetectionMode) -> None:
    found, _ = watched(WALK, settings(detection))
    without, _ = watched(WALK, settings(detection, None))
    for one, other in zip(found, without, strict=True):
        assert_same(one, other)


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


def test_an_eased_model_looks_for_no_objects_except_on_spared_cameras() -> None:
    objects = BrightObjectsNetwork()
    pipeline, _ = bright_pipeline(settings(), objects)
    pipeline.ease(1, {"yard"})
    for lease in drawn_frames(pipeline, WALK, "hall"):
        pipeline.process([lease])
    assert objects.pictures == 0
    for lease in drawn_frames(pipeline, WALK, "yard"):
        pipeline.process([lease])
    assert objects.pictures > 5
    assert pipeline.ease_cost(0, [10.0]) > pipeline.ease_cost(1, [10.0]), "level 1 saves the looks for objects"
    assert pipeline.ease_cost(0, [10.0, 0.0]) == pipeline.ease_cost(0, [10.0]), "none where nothing is looked at"


def test_objects_of_real_footage_are_found_in_planes_and_in_rgb() -> None:
    """A man before shelves of books, as in test_nanodet.py."""
    finder = ObjectFinder(NanoDet.load())
    with av.open(str(weights.locate("talking", "jwpIntro.mp4"))) as container:
        frame = next(frame for number, frame in enumerate(container.decode(video=0)) if number == 10)
    size = (frame.width, frame.height)
    found = []
    for format in (planes_for(slot_format)(size, None), slot_format(size)):
        format = replace(format, colours=frame_colours(frame))
        slot = np.zeros(format.shape, np.uint8)
        picture_writer(format).write(frame, slot)
        lease = Lease(FrameMeta("hall", 1, 0, 0, 0, "media", 0, 0, size, format), slot, 0)
        width, height = format.picture_size
        look = Look("whole", objects=Region(0, 0, max(width, height)))
        assert finder.find([lease], [WHOLE]) == {}
        found.append(finder.find([lease, lease], [WHOLE, look])[1])
    for one in found:
        books = [box for label, box, score in zip(one.labels, one.boxes, one.scores) if label == "book" and score > 0.4]
        assert len(books) >= 3 and "person" not in one.labels
        assert all(0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1] for x1, y1, x2, y2 in books)
    best = [one.boxes[0] for one in found]
    assert np.abs(best[0] - best[1]).max() < 12
