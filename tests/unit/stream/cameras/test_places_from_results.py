"""Readers of results compute the zones and crossings that are published: hypothesis, from random analyses."""

from __future__ import annotations

import random
from typing import NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ring_buffers.frames import FrameMeta, SlotFormat
from stages.types import FrameAnalysis, PartAnalysis, PersonAnalysis
from stream.cameras.camera import CameraZones
from stream.messaging.assemble import frame_message
from stream.results import Frame, ModelRef, decode
from stream.rules.lines import Lines
from stream.rules.zones import Zones
from stream.settings.zones import LineConfig, ZoneConfig

SIZE = (640, 480)
ZONES = {
    "hall": ZoneConfig(points=[(0, 0.4), (0.55, 0.4), (0.5, 1), (0, 1)]),
    "slit": ZoneConfig(points=[(0.2, 0), (0.21, 0), (0.21, 1), (0.2, 1)]),
    "screen": ZoneConfig(points=[(0.7, 0), (0.8, 0), (0.8, 1), (0.7, 1)], ignore=True),
}
LINES = {"fence": LineConfig(points=((0.5, 0.1), (0.45, 0.9))), "step": LineConfig(points=((0.1, 0.6), (0.9, 0.62)))}


class Standing(NamedTuple):
    track: int
    box: tuple[float, float, float, float]
    foot: tuple[float, float]


def walked(seed: int, steps: int) -> list[FrameAnalysis]:
    """Six people who wander in steps of up to 15 pixels; at times a person, or feet, are not seen."""
    rng = random.Random(seed)
    places = {track: (rng.uniform(0, SIZE[0]), rng.uniform(100, SIZE[1])) for track in range(1, 7)}
    analyses: list[FrameAnalysis] = []
    for step in range(steps):
        people: list[PersonAnalysis] = []
        ended = [rng.choice(list(places))] if step % 20 == 19 else []
        for track in ended:
            places[track + 100] = places.pop(track)
        for track, (x, y) in list(places.items()):
            x, y = x + rng.uniform(-15, 15), y + rng.uniform(-8, 8)
            places[track] = (x, y) = (min(max(x, -20.0), 660.0), min(max(y, 80.0), 500.0))
            if rng.random() < 0.1:
                continue
            height = rng.uniform(78, 82)
            box = (x - 15.017, y - height, x + 14.983, y + rng.uniform(-1, 1))
            parts = [
                PartAnalysis(name, (x + dx - 3.3, y - 8.2, x + dx + 3.4, y + 0.05), 0.9, 0.5, [])
                for name, dx in (("left_foot", 4.0), ("right_foot", -4.0))
                if rng.random() < 0.8
            ]
            people.append(PersonAnalysis(track, box, 0.9, None, parts))
        analyses.append(FrameAnalysis(people=people, ended=ended))
    return analyses


def published(analyses: list[FrameAnalysis]) -> list[Frame]:
    """Return the published results as subscribers read them, which are the same in both encodings."""
    zones, frames = CameraZones(), list[Frame]()
    for number, analysis in enumerate(analyses):
        at = number * 80_000
        meta = FrameMeta("door", 1, number, at, at, "media", 0, 0, SIZE, SlotFormat("rgb24", SIZE, SIZE))
        kept, places = zones.apply(meta, analysis, ZONES, LINES)
        message = frame_message(meta, kept, ModelRef("edge", "", True), None, places)
        read = decode(msgspec.json.encode(message))
        assert isinstance(read, Frame) and read == decode(msgspec.msgpack.encode(message))
        frames.append(read)
    return frames


@given(seed=st.integers(0, 2**32))
def test_zones_and_crossings_computed_from_results_are_the_published_ones(seed: int) -> None:
    frames = published(walked(seed, 60))
    reported = {name: zone for name, zone in ZONES.items() if not zone.ignore}
    zones, lines = Zones(reported, SIZE), Lines(LINES, SIZE)
    for frame in frames:
        people = [Standing(person.track, person.box, person.foot) for person in frame.people if person.foot is not None]
        assert len(people) == len(frame.people)
        inside, crossed = zones.update(people), lines.update(people)
        for person in frame.people:
            assert list(inside[person.track]) == person.zones
            assert list(crossed.get(person.track, ())) == person.crossed


def test_the_random_walks_enter_zones_are_ignored_and_cross_lines() -> None:
    frames = [frame for seed in range(5) for frame in published(walked(seed, 60))]
    people = [person for frame in frames for person in frame.people]
    assert {zone for person in people for zone in person.zones} == {"hall", "slit"}
    assert {crossing for person in people for crossing in person.crossed} == {
        (line, side) for line in LINES for side in ("left", "right")
    }
    seen = sum(len(analysis.people) for seed in range(5) for analysis in walked(seed, 60))
    assert 0.5 * seen < len(people) < 0.95 * seen
