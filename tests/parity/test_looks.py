"""Looks at regions, whole pictures and nothing: the results are those of looking at everything, at less cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec
import pytest

from ring_buffers.frames import Lease
from stages.looks import NOTHING, WHOLE
from stages.pipeline import Pipeline
from stages.settings import DetectionMode, ModelSettings, PipelineSettings, WindowSettings
from stages.types import FrameAnalysis
from support.models.bright_people import BrightPeopleNetwork, Person, bright_pipeline, drawn_frames
from support.models.scripted_people import Spot, assert_same, run

WALKER_SIZE = (40, 120)


def settings(detection: DetectionMode = "auto", sweep_s: float = 5.0) -> PipelineSettings:
    return PipelineSettings(
        model=ModelSettings(detection=detection, sweep_s=sweep_s), window=WindowSettings(steps=12, mode="staggered")
    )


def standing(x: int, y: int) -> Person:
    return (x, y, x + WALKER_SIZE[0], y + WALKER_SIZE[1])


def walking(frames: int, begin: int, speed: int, y: int = 200) -> list[Person]:
    """A person who walks across the picture, `speed` pixels a frame."""
    return [standing(begin + speed * number, y) for number in range(frames)]


def together(*people: Sequence[Person | None]) -> list[list[Person]]:
    return [[person for person in scene if person is not None] for scene in zip(*people, strict=True)]


def watched(
    scenes: Sequence[Sequence[Person]], chosen: PipelineSettings
) -> tuple[list[FrameAnalysis], BrightPeopleNetwork]:
    pipeline, network = bright_pipeline(chosen)
    return [pipeline.process([lease])[0] for lease in drawn_frames(pipeline, scenes)], network


def share_found(analyses: Sequence[FrameAnalysis], scenes: Sequence[Sequence[Person]]) -> float:
    """Return the share of drawn people who are published as detected, with the box that is drawn."""
    found = of = 0
    for analysis, people in zip(analyses, scenes, strict=True):
        boxes = [person.box for person in analysis.people if person.detected]
        of += len(people)
        found += sum(any(max(abs(a - b) for a, b in zip(box, person)) <= 8 for box in boxes) for person in people)
    return found / of


STREET = together(
    walking(60, 20, 10, y=80),
    [None] * 20 + walking(40, 700, -8, y=300),
    [standing(380, 200)] * 60,
    [standing(500, 30)] * 30 + [None] * 30,
)


def test_people_are_found_as_by_looking_at_everything() -> None:
    everywhere, _ = watched(STREET, settings("full"))
    found, network = watched(STREET, settings("auto"))
    assert share_found(found, STREET) >= share_found(everywhere, STREET) - 0.02
    regions = [size for size in network.pictures if size != (512, 768)]
    assert len(regions) > len(network.pictures) / 2, "most pictures were regions"
    assert [len(one.people) for one in found[2:30]] == [len(one.people) for one in everywhere[2:30]]


def two_cameras(pipeline: Pipeline) -> list[Lease]:
    """The street as two cameras send it, frame by frame, while one person comes and another goes."""
    cameras = [list(drawn_frames(pipeline, STREET[10:46], camera)) for camera in ("hall", "yard")]
    return [lease for pair in zip(*cameras, strict=True) for lease in pair]


@cache
def seen_singly(detection: DetectionMode) -> dict[Spot, FrameAnalysis]:
    pipeline, _ = bright_pipeline(settings(detection))
    return run(pipeline, [[lease] for lease in two_cameras(pipeline)])


@pytest.mark.parametrize("detection", ["auto", "regions", "full"])
@pytest.mark.parametrize("size", [2, 7])
def test_results_do_not_depend_on_how_frames_are_distributed_over_batches(detection: DetectionMode, size: int) -> None:
    pipeline, _ = bright_pipeline(settings(detection))
    order = two_cameras(pipeline)
    batched = run(pipeline, [order[start : start + size] for start in range(0, len(order), size)])
    singly = seen_singly(detection)
    assert batched.keys() == singly.keys()
    for spot, analysis in singly.items():
        assert_same(analysis, batched[spot])


@pytest.mark.parametrize(("arrives", "minutes"), [(True, 5), (False, 2)])
def test_a_person_who_keeps_still_for_minutes_is_never_gated_away(arrives: bool, minutes: int) -> None:
    """They walk in, or stand there from the first frame."""
    still = [standing(400, 200)] * (60 * minutes)
    scenes = together((walking(20, 300, 5) if arrives else []) + still)
    found, network = watched_slowly(scenes)
    assert len(network.pictures) >= len(scenes), "the person is looked at in every frame"
    after = found[21 if arrives else 1 :]
    assert all(len(one.people) == 1 and one.people[0].detected for one in after)
    assert len({one.people[0].track for one in after}) == 1
    whole = sum(size == (512, 768) for size in network.pictures)
    assert whole <= 2 + len(scenes) / 5


def watched_slowly(scenes: Sequence[Sequence[Person]]) -> tuple[list[FrameAnalysis], BrightPeopleNetwork]:
    """Watch at one frame a second."""
    pipeline, network = bright_pipeline(settings())
    leases = drawn_frames(pipeline, scenes, step_us=1_000_000)
    return [pipeline.process([lease])[0] for lease in leases], network


def test_a_scene_without_anybody_costs_ever_rarer_sweeps_and_every_frame_is_answered() -> None:
    scenes: list[list[Person]] = [[] for _ in range(150)]
    found, network = watched(scenes, settings(sweep_s=2.0))
    assert len(found) == 150 and not any(one.people for one in found)
    sweeps = [number for number, one in enumerate(found) if one.look == WHOLE]
    assert network.pictures == [(512, 768)] * len(sweeps)
    assert sweeps == [0, 25, 75]
    assert all(one.look in (WHOLE, NOTHING) for one in found)


def test_a_person_whom_the_gate_does_not_see_is_found_by_the_next_sweep() -> None:
    scenes: list[list[Person]] = [[] for _ in range(20)]
    scenes += [[standing(400, 200)] for _ in range(80)]
    pipeline, _ = bright_pipeline(settings(sweep_s=4.0))
    leases = list(drawn_frames(pipeline, scenes))
    blind = [blinded(lease) for lease in leases]
    found = [pipeline.process([lease])[0] for lease in blind]
    first = next(number for number, one in enumerate(found) if one.people)
    assert 21 <= first <= 71  # the sweep, at most 4 s later, and one more frame to confirm the track
    assert all(one.people for one in found[first:])


def blinded(lease: Lease) -> Lease:
    """The frame without any motion but that of the first."""
    motion = lease.meta.motion
    assert motion is not None
    if motion.everything:
        return lease
    still = msgspec.structs.replace(motion, cells=bytes(len(motion.cells)))
    return msgspec.structs.replace(lease, meta=msgspec.structs.replace(lease.meta, motion=still))


def test_frames_that_come_faster_than_steps_are_answered_without_a_look() -> None:
    scenes = together(walking(60, 100, 4))
    pipeline, network = bright_pipeline(settings())
    found = [pipeline.process([lease])[0] for lease in drawn_frames(pipeline, scenes, step_us=40_000)]
    assert len(network.pictures) == 30
    assert [one.people[0].detected for one in found[3:]] == [number % 2 == 0 for number in range(3, 60)]


def test_sixty_people_in_view_cost_one_whole_picture_and_leave_the_other_cameras_their_looks() -> None:
    crowd = [standing(8 + 76 * (n % 10), 4 + 84 * (n // 10)) for n in range(60)]
    crowd = [(x1, y1, x1 + 30, y1 + 70) for x1, y1, _, _ in crowd]
    pipeline, network = bright_pipeline(
        PipelineSettings(model=ModelSettings(max_people=64, state_slots=256), window=WindowSettings(steps=12))
    )
    busy = list(drawn_frames(pipeline, [crowd] * 12, "plaza"))
    calm = list(drawn_frames(pipeline, together(walking(12, 100, 6)), "hall"))
    for number, pair in enumerate(zip(busy, calm, strict=True)):
        network.pictures.clear()
        plaza, hall = pipeline.process(list(pair))
        if number >= 2:
            assert len(plaza.people) == 60 and len(hall.people) == 1 and hall.people[0].detected
            region, whole = sorted(network.pictures)
            assert whole == (512, 768) and max(region) <= 256


def test_an_eased_pipeline_sees_smaller_whole_pictures_and_finds_people_where_they_are() -> None:
    scenes = together([standing(400, 200)] * 40, [standing(100, 100)] * 40)
    chosen = settings(sweep_s=0.5)
    pipeline, network = bright_pipeline(chosen)
    level = next(n for n, level in enumerate(pipeline.ease_levels) if level.longest_side == 384)
    pipeline.ease(level)
    found = [pipeline.process([lease])[0] for lease in drawn_frames(pipeline, scenes)]
    assert (256, 384) in network.pictures and (512, 768) not in network.pictures
    assert share_found(found[30:], scenes[30:]) > 0.2, "two of the three looks a second"
    pipeline.ease(level, {"yard"})
    network.pictures.clear()
    for lease in drawn_frames(pipeline, scenes, "yard"):
        pipeline.process([lease])
    assert (512, 768) in network.pictures, "a spared camera keeps full pictures"
