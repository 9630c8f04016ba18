"""Zones applied to a camera's analyses: ignored people, new epochs, and zones that change."""

from __future__ import annotations

from dataclasses import replace

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream.cameras.camera import ActionEvents, CameraZones
from stream.messaging.assemble import frame_message
from stream.results import ModelRef
from stream.settings.zones import ZoneConfig

SIZE = (640, 480)
LEFT = ZoneConfig(points=[(0, 0), (0.5, 0), (0.5, 1), (0, 1)])
IGNORED_LEFT = LEFT.model_copy(update={"ignore": True})


def meta(frame: int, epoch: int = 1) -> FrameMeta:
    at = frame * 100_000
    return FrameMeta("door", epoch, frame, at, at, "media", 0, 0, SIZE, SlotFormat("rgb24", SIZE, SIZE))


def standing_at(*feet: float, ended: tuple[int, ...] = ()) -> FrameAnalysis:
    """People 100 pixels tall, tracks from 1, whose foot points have these x."""
    people = [
        PersonAnalysis(track, (x - 20, 300.0, x + 20, 400.0), 0.9, None, []) for track, x in enumerate(feet, start=1)
    ]
    return FrameAnalysis(people=people, ended=list(ended), tracks=len(people))


def test_without_zones_the_analysis_is_unchanged_and_messages_have_measures_but_no_zones() -> None:
    analysis = standing_at(100)
    same, places = CameraZones().apply(meta(0), analysis, {}, {})
    assert same is analysis
    (person,) = frame_message(meta(0), same, ModelRef("edge", "", True), None, places).people
    assert (person.foot, person.stature, person.zones, person.crossed) == ((100.0, 400.0), 100.0, [], [])
    assert person.trunk is person.hips is person.speed is None


def test_messages_have_each_persons_foot_point_and_zones() -> None:
    zones = CameraZones()
    analysis, places = zones.apply(meta(0), standing_at(100, 500.04), {"left": LEFT}, {})
    people = frame_message(meta(0), analysis, ModelRef("edge", "", True), None, places).people
    assert [(person.foot, person.zones) for person in people] == [((100.0, 400.0), ["left"]), ((500.0, 400.0), [])]


def test_a_person_in_an_ignored_zone_has_ended_and_is_reported_again_after_leaving() -> None:
    zones, seen = CameraZones(), list[tuple[list[int], list[int]]]()
    for frame, x in enumerate((500, 200, 210, 500)):
        analysis, _ = zones.apply(meta(frame), standing_at(x, 600), {"left": IGNORED_LEFT}, {})
        seen.append(([person.track for person in analysis.people], analysis.ended))
    assert seen == [([1, 2], []), ([2], [1]), ([2], [1]), ([1, 2], [])]


def test_an_action_ends_when_an_ignored_zone_is_set_around_the_person_and_only_once() -> None:
    zones, events = CameraZones(), ActionEvents()
    walk = ActionAnalysis("walk", 0.9, 0, [("walk", 0.9)], "walk", 0.9)
    walking = FrameAnalysis(people=[replace(standing_at(100).people[0], action=walk)])
    kinds: list[list[str]] = []
    for frame, configured in enumerate(({}, {"left": IGNORED_LEFT}, {"left": IGNORED_LEFT}, {})):
        analysis, _ = zones.apply(meta(frame), walking, configured, {})
        kinds.append([event.kind for event in events.update(meta(frame), analysis)])
    assert kinds == [["started"], ["ended"], [], ["started"]]


def test_frames_between_detections_have_zones() -> None:
    zones = CameraZones()
    between = FrameAnalysis(people=[replace(person, detected=False) for person in standing_at(100).people])
    assert zones.apply(meta(0), between, {"left": LEFT}, {})[1][1].zones == ("left",)


def test_zones_apply_from_the_next_frame_after_a_change_and_equal_ones_keep_who_is_inside() -> None:
    zones = CameraZones()
    assert zones.apply(meta(0), standing_at(300), {"left": LEFT}, {})[1][1].zones == ("left",)
    at_the_border = standing_at(321)
    assert zones.apply(meta(1), at_the_border, {"left": LEFT.model_copy()}, {})[1][1].zones == ("left",)
    assert zones.apply(meta(2), at_the_border, {"hall": LEFT}, {})[1][1].zones == ()
    assert zones.apply(meta(3), at_the_border, {}, {})[1][1].zones == ()


def test_a_new_epoch_forgets_who_was_inside() -> None:
    zones = CameraZones()
    zones.apply(meta(0), standing_at(300), {"left": LEFT}, {})
    assert zones.apply(meta(0, epoch=2), standing_at(321), {"left": LEFT}, {})[1][1].zones == ()
