"""Looks at regions, objects, crops and views: the results are those of looking at everything, at less cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from ring_buffers.frames import Lease
from stages.detection.detections import iou
from stages.detection.keypoint_batches import detect_keypoints
from stages.detection.movenet.movenet import MoveNet, Thunder
from stages.detection.nanodet.nanodet import NanoDet
from stages.detection.second_look import Search, SecondLook
from stages.looks import NOTHING, WHOLE, search_views
from stages.pipeline import Pipeline
from stages.settings import ModelSettings, PipelineSettings, TrackingSettings, WindowSettings
from stages.types import FrameAnalysis
from support.models.bright_people import (
    SIZE,
    STEP_US,
    BrightObjectsNetwork,
    BrightPeopleNetwork,
    BrightSearchNetwork,
    BrightSecondNetwork,
    Person,
    bright_pipeline,
    drawn_frames,
)
from support.models.footage_frames import CPU, frame_of, lent
from support.models.scripted_people import Spot, assert_same, run

FULL = (512, 768)
"""Height and width of a whole picture."""
VIEWS = search_views(SIZE)
Scenes = Sequence[Sequence[Person]]


def settings(**model: Any) -> PipelineSettings:
    return PipelineSettings(
        model=ModelSettings(**({"detection": "auto", "objects_s": None, "search_s": None} | model)),
        window=WindowSettings(steps=12),
    )


def standing(x: int, y: int, width: int = 40, height: int = 120) -> Person:
    return (x, y, x + width, y + height)


def walking(frames: int, begin: int, speed: int, y: int = 200, height: int = 120) -> list[Person]:
    """A person who walks across the picture, `speed` pixels a frame."""
    return [standing(begin + speed * number, y, height=height) for number in range(frames)]


def small_walk(frames: int) -> list[Person]:
    """Somebody so small that they need a second look."""
    return [standing(100 + 4 * number, 200, 30, 60) for number in range(frames)]


def together(*people: Sequence[Person | None]) -> list[list[Person]]:
    return [[person for person in scene if person is not None] for scene in zip(*people, strict=True)]


STREET = together(
    walking(60, 20, 10, y=80),
    [None] * 20 + walking(40, 700, -8, y=300),
    [standing(380, 200)] * 60,
    [standing(500, 30)] * 30 + [None] * 30,
)
WALK = together(walking(40, 100, 6))
VISIT: Scenes = [*[[]] * 10, *WALK[:20], *[[]] * 45]


def analysed(pipeline: Pipeline, scenes: Scenes, camera: str = "hall", step_us: int = STEP_US) -> list[FrameAnalysis]:
    return [pipeline.process([lease])[0] for lease in drawn_frames(pipeline, scenes, camera, step_us)]


def watched(scenes: Scenes, chosen: PipelineSettings, **more: Any) -> tuple[list[FrameAnalysis], BrightPeopleNetwork]:
    pipeline, network = bright_pipeline(chosen)
    return analysed(pipeline, scenes, **more), network


def share_found(analyses: Sequence[FrameAnalysis], scenes: Scenes) -> float:
    """Return the share of drawn people who are published as detected, with the box that is drawn."""
    found = of = 0
    for analysis, people in zip(analyses, scenes, strict=True):
        boxes = [person.box for person in analysis.people if person.detected]
        of += len(people)
        found += sum(any(max(abs(a - b) for a, b in zip(box, person)) <= 8 for box in boxes) for person in people)
    return found / of


def search_pipeline(**tracking: int) -> tuple[Pipeline, BrightSearchNetwork]:
    """A pipeline whose first look finds no people."""
    made, search = settings(search_s=4.0, sweep_s=5.0), BrightSearchNetwork()
    made = made.model_copy(update={"tracking": TrackingSettings(**({"confirm_frames": 2} | tracking))})
    return bright_pipeline(made, second=BrightSecondNetwork(), search=search, finds_anybody=False)[0], search


MODES = ("auto", "regions", "full")
VISITS = [[standing(100, 200, 30, 60)] if number % 40 >= 20 else [] for number in range(80)]


@pytest.mark.parametrize(
    ("what", "scenes"),
    [
        *((f"people {mode}", STREET[10:46]) for mode in MODES),
        *((f"objects {mode}", VISIT[4:28]) for mode in MODES),
        ("second looks", together(small_walk(24))),
        ("search", VISITS),
    ],
)
def test_results_do_not_depend_on_how_frames_are_distributed_over_batches(what: str, scenes: Scenes) -> None:
    def made() -> tuple[Pipeline, Any]:
        if what == "search":
            return search_pipeline()
        if what == "second looks":
            second = BrightSecondNetwork()
            return bright_pipeline(settings(second_looks=4.0), second=second)[0], second
        objects = BrightObjectsNetwork() if "objects" in what else None
        chosen = settings(detection=what.split()[1], objects_s=0.4 if objects else None)
        return bright_pipeline(chosen, objects)[0], objects

    def answers(size: int) -> dict[Spot, FrameAnalysis]:
        pipeline, counted = made()
        cameras = [list(drawn_frames(pipeline, scenes, name)) for name in ("hall", "yard")]
        order = [lease for pair in zip(*cameras, strict=True) for lease in pair]
        found = run(pipeline, [order[start : start + size] for start in range(0, len(order), size)])
        if what == "search":
            assert counted.views > 2 * len(VIEWS)
        if what == "second looks":
            assert counted.crops == sum(bool(one.look.second_looks) for one in found.values())
            assert 8 <= counted.crops <= 2 * 24 * STEP_US * 4e-6, "four a second and camera"
        return found

    singly, batched = answers(1), answers(7)
    assert any(one.people for one in singly.values())
    assert "objects" not in what or sum(bool(one.objects) for one in singly.values()) > 20
    for spot, one in singly.items():
        assert_same(one, batched[spot])
        assert (one.look, one.objects) == (batched[spot].look, batched[spot].objects)


def test_people_are_found_as_by_looking_at_everything() -> None:
    everywhere, _ = watched(STREET, settings(detection="full"))
    found, network = watched(STREET, settings())
    assert share_found(found, STREET) >= share_found(everywhere, STREET) - 0.02
    regions = [size for size in network.pictures if size != FULL]
    assert len(regions) > len(network.pictures) / 2, "most pictures were regions"
    assert [len(one.people) for one in found[2:30]] == [len(one.people) for one in everywhere[2:30]]


@pytest.mark.parametrize("arrives", [True, False])
def test_a_person_who_keeps_still_for_minutes_is_never_gated_away(arrives: bool) -> None:
    """They walk in, or stand there from the first frame."""
    scenes = together((walking(20, 300, 5) if arrives else []) + [standing(400, 200)] * 120)
    found, network = watched(scenes, settings(), step_us=1_000_000)
    assert len(network.pictures) >= len(scenes), "the person is looked at in every frame"
    after = found[21 if arrives else 1 :]
    assert all(len(one.people) == 1 and one.people[0].detected for one in after)
    assert len({one.people[0].track for one in after}) == 1
    assert network.pictures.count(FULL) <= 2 + len(scenes) / 5


def test_a_scene_without_anybody_costs_ever_rarer_sweeps_and_every_frame_is_answered() -> None:
    found, network = watched([[]] * 150, settings(sweep_s=2.0))
    assert not any(one.people for one in found)
    sweeps = [number for number, one in enumerate(found) if one.look == WHOLE]
    assert network.pictures == [FULL] * len(sweeps) and sweeps == [0, 25, 75]
    assert all(one.look in (WHOLE, NOTHING) for one in found)


def test_a_person_whom_the_gate_does_not_see_is_found_by_the_next_sweep() -> None:
    def blinded(lease: Lease) -> Lease:
        """The frame without any motion but that of the first."""
        motion = lease.meta.motion
        assert motion is not None
        if motion.everything:
            return lease
        still = msgspec.structs.replace(motion, cells=bytes(len(motion.cells)))
        return msgspec.structs.replace(lease, meta=msgspec.structs.replace(lease.meta, motion=still))

    pipeline, _ = bright_pipeline(settings(sweep_s=4.0))
    scenes = [*[[]] * 20, *[[standing(400, 200)]] * 80]
    found = [pipeline.process([blinded(lease)])[0] for lease in drawn_frames(pipeline, scenes)]
    first = next(number for number, one in enumerate(found) if one.people)
    assert 21 <= first <= 71  # the sweep, at most 4 s later, and one more frame to confirm the track
    assert all(one.people for one in found[first:])


def test_frames_that_come_faster_than_steps_are_answered_without_a_look() -> None:
    found, network = watched(together(walking(60, 100, 4)), settings(), step_us=40_000)
    assert len(network.pictures) == 30
    assert [one.people[0].detected for one in found[3:]] == [number % 2 == 0 for number in range(3, 60)]


def test_sixty_people_in_view_cost_one_whole_picture_and_leave_the_other_cameras_their_looks() -> None:
    crowd = [standing(8 + 76 * (n % 10), 4 + 84 * (n // 10), 30, 70) for n in range(60)]
    pipeline, network = bright_pipeline(settings(max_people=64, state_slots=256))
    plazas, halls = drawn_frames(pipeline, [crowd] * 12, "plaza"), drawn_frames(pipeline, WALK[:12], "hall")
    for number, pair in enumerate(zip(plazas, halls, strict=True)):
        network.pictures.clear()
        plaza, hall = pipeline.process(list(pair))
        if number >= 2:
            assert len(plaza.people) == 60 and len(hall.people) == 1 and hall.people[0].detected
            region, whole = sorted(network.pictures)
            assert whole == FULL and max(region) <= 256


def test_an_eased_pipeline_sees_smaller_whole_pictures_except_on_spared_cameras() -> None:
    scenes = together([standing(400, 200)] * 40, [standing(100, 100)] * 40)
    pipeline, network = bright_pipeline(settings(sweep_s=0.5))
    level = next(n for n, level in enumerate(pipeline.ease_levels) if level.longest_side == 384)
    pipeline.ease(level)
    found = analysed(pipeline, scenes)
    assert (256, 384) in network.pictures and FULL not in network.pictures
    assert share_found(found[30:], scenes[30:]) > 0.2, "two of the three looks a second"
    pipeline.ease(level, {"yard"})
    analysed(pipeline, scenes, "yard")
    assert FULL in network.pictures


def test_an_eased_pipeline_makes_no_second_looks_and_no_searches_except_on_spared_cameras() -> None:
    second = BrightSecondNetwork()
    looking, _ = bright_pipeline(settings(second_looks=4.0), second=second)
    searching, search = search_pipeline()
    for pipeline in (looking, searching):
        pipeline.ease(1, {"yard"})
        analysed(pipeline, together(small_walk(24)))
    assert second.crops == search.views == 0
    for pipeline in (looking, searching):
        analysed(pipeline, together(small_walk(30)), "yard")
    assert second.crops >= 4 and search.views >= len(VIEWS)


def test_objects_are_looked_for_at_the_set_interval_while_people_are_tracked_and_then_forgotten() -> None:
    objects = BrightObjectsNetwork()
    found = analysed(bright_pipeline(settings(objects_s=0.4), objects)[0], VISIT)
    numbers = [number for number, one in enumerate(found) if one.look.objects is not None]
    assert len(numbers) == objects.pictures >= 3 and set(np.diff(numbers)) == {5}
    assert 10 < numbers[0] <= 14, "as soon as the person is tracked"
    assert all(one.look.anything for one in found if one.look.objects)
    for number, one in enumerate(found):
        assert all(thing.detected == (number in numbers) for thing in one.objects)
    assert found[numbers[0]].objects and not found[numbers[0] - 1].objects
    assert not found[-1].objects


def test_a_cup_moves_with_its_hand_between_looks() -> None:
    found = analysed(bright_pipeline(settings(objects_s=0.4), BrightObjectsNetwork())[0], WALK, step_us=40_000)
    first = next(number for number, one in enumerate(found) if one.look.objects is not None)
    assert {one.look.kind for one in found[first:]} > {"skipped"}, "also in frames that are not looked at"
    for number, one in enumerate(found[first:], first):
        (cup,), (person,) = one.objects, one.people
        assert cup.label == "cup"
        assert abs((cup.box[0] + cup.box[2]) / 2 - person.box[2]) < 4, number
        assert [part.part for part in person.parts if part.holds] == ["left_hand"]


@pytest.mark.parametrize("confirm_frames", [2, 5])
def test_people_whom_only_the_search_finds_are_confirmed(confirm_frames: int) -> None:
    found = analysed(search_pipeline(confirm_frames=confirm_frames)[0], [[standing(100, 200, 30, 60)]] * 30)
    # Searched in the second frame for the first time.
    assert [len(one.people) for one in found[: confirm_frames + 1]] == [0] * confirm_frames + [1]
    assert {person.track for one in found for person in one.people} == {1}
    assert found[-1].tracks == 1, "the track lives on"


def test_in_footage_a_lost_person_is_found_by_a_second_look_and_everybody_by_a_search() -> None:
    lease = lent(frame_of("vtest", "vtest.avi", 100))
    people = detect_keypoints([lease], [WHOLE], MoveNet.load(), 8, CPU).people[0]
    surest = people[:, 5:].reshape(-1, 17, 3)[..., 2].mean(1)
    lost = int(surest.argmax())
    x1, y1, x2, y2 = people[lost, :4].tolist()
    without = np.delete(people, lost, 0)
    look = replace(WHOLE, second_looks=1, expected=((x1 + 5, y1 - 5, x2 + 5, y2 - 5),))
    thunder = Thunder.load()
    found = SecondLook(thunder).refine([lease], [look], {0: without})[0]
    assert len(found) == len(without) + 1 and np.array_equal(found[:-1], without)
    assert iou(found[-1:, :4], people[lost : lost + 1, :4])[0, 0] > 0.6
    joints, again = (rows.reshape(17, 3)[:, :2] for rows in (people[lost, 5:], found[-1, 5:]))
    assert np.median(np.abs(joints - again)) < 0.05 * (y2 - y1)

    searching, nobody = SecondLook(thunder, Search(NanoDet.load())), people[:0]
    assert len(searching.refine([lease], [WHOLE], {0: nobody})[0]) == 0, "not every look is a search"
    view, *tiles = search_views(lease.meta.format.size)
    clear = people[(people[:, 4] > 0.4) & (surest > 0.5)]
    found = searching.refine([lease], [WHOLE.with_search(view)], {0: nobody})[0]
    assert len(clear) >= 2 and (iou(clear[:, :4], found[:, :4]).max(1) > 0.5).all()
    assert (found[:, 4] >= 0.3).all()
    rows = dict.fromkeys(range(len(tiles)), nobody)
    in_tiles = searching.refine([lease] * len(tiles), [WHOLE.with_search(tile) for tile in tiles], rows)
    assert len(tiles) >= 2 and all(len(in_tiles[number]) for number in rows)
